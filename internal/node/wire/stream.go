package wire

// Open is the header line (JSON) of every stream the service opens beside
// stream 0. The agent answers with one line, Opened; after an Opened without
// Error the stream carries what the kind says.
type Open struct {
	Kind string `json:"kind"`

	// Path is below TasksRoot, '/'-separated, clean, without "..". Files only.
	Path      string `json:"path,omitempty"`
	Recursive bool   `json:"recursive,omitempty"`
	Offset    int64  `json:"offset,omitempty"`
	Length    int64  `json:"length,omitempty"` // -1 = to the end

	User *NodeUser `json:"user,omitempty"` // user.put; for user.delete only Name
	Keep bool      `json:"keep,omitempty"` // user.put: fails with NodeUserExists when the name is there
}

// Kinds of stream.
const (
	StreamFileList   = "file.list"   // Opened.Files, then end
	StreamFileStat   = "file.stat"   // Opened.File
	StreamFileRead   = "file.read"   // Opened.File, then the bytes
	StreamFileDelete = "file.delete" // removes a file; a directory needs Recursive
	StreamUserPut    = "user.put"
	StreamUserDelete = "user.delete" // also ends the user's SSH sessions
	StreamSSH        = "ssh"         // a raw SSH connection follows
	StreamPrepare    = "vm.prepare"  // a VM before capture: sync and sweep (generalize); Opened only
)

// Opened is the agent's answer line.
type Opened struct {
	Error *StreamError `json:"error,omitempty"`
	File  *File        `json:"file,omitempty"`
	Files []File       `json:"files,omitempty"`
}

// StreamError is a refusal; Code is Azure's where one fits (FileNotFound,
// InvalidUri, InvalidRange, OperationInvalidForCurrentState, NodeUserExists,
// NodeUserNotFound, InvalidPropertyValue).
type StreamError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// File is one entry below TasksRoot, in raw directory order.
type File struct {
	Name     string `json:"name"` // relative to the listed directory
	Dir      bool   `json:"dir"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // ticks
	Mode     uint32 `json:"mode"`     // st_mode, as Azure prints it: 0o100644
}
