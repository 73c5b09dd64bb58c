package local

import (
	"context"
	"encoding/json"
	"errors"

	"millpond/internal/layer"
	"millpond/internal/provider"
)

// protocol is raised when a request changes its meaning; a server that finds a
// node host of another number ends it (its machines are replaced).
const protocol = 1

// Every request has a connection of its own: one JSON request, then replies,
// the last of which has Done. The client gives up by closing its writing side,
// and still reads how it ended; so a cancelled Create leaves nothing behind
// that the caller does not know of.
const (
	opHello    = "hello"    // reply.Hello
	opWatch    = "watch"    // a reply without Exit at once, then reply.Exit for each machine that ends by itself
	opShutdown = "shutdown" // ends all machines, then the host
	opCreate   = "create"
	opDestroy  = "destroy"
	opReboot   = "reboot"
	opList     = "list" // reply.Instances

	opUnpack    = "unpack"
	opClone     = "clone"
	opDiff      = "diff" // reply.Layer
	opCopyDisk  = "copydisk"
	opVerify    = "verify"
	opMkdir     = "mkdir"
	opRemove    = "remove"
	opBootstrap = "bootstrap" // reply.Log as it comes, then reply.Layer
)

type request struct {
	Op      string            `json:"op"`
	ID      string            `json:"id,omitempty"`
	Machine *provider.Machine `json:"machine,omitempty"`

	Dir   string      `json:"dir,omitempty"`
	Blob  string      `json:"blob,omitempty"` // a blob's path, or the folder of blobs
	Layer layer.Layer `json:"layer,omitzero"`
	Disk  layer.Disk  `json:"disk,omitzero"`
	To    layer.Disk  `json:"to,omitzero"`
	Strip []string    `json:"strip,omitempty"`
	Suite string      `json:"suite,omitempty"`
}

type reply struct {
	Done      bool                `json:"done,omitempty"`
	Error     *failure            `json:"error,omitempty"`
	Hello     *hello              `json:"hello,omitempty"`
	Exit      *provider.Instance  `json:"exit,omitempty"`
	Instances []provider.Instance `json:"instances,omitempty"`
	Layer     layer.Layer         `json:"layer,omitzero"`
	Log       []byte              `json:"log,omitempty"`
}

type hello struct {
	Protocol int     `json:"protocol"`
	Agent    string  `json:"agent"` // sha256 of the agent's binary
	Machines int     `json:"machines"`
	Cgroups  cgroups `json:"cgroups"`
}

// failure carries an error over the socket such that errors.Is and errors.As
// see what callers act on.
type failure struct {
	Text     string        `json:"text"`
	Damage   *layer.Damage `json:"damage,omitempty"`
	Canceled bool          `json:"canceled,omitempty"`
	Deadline bool          `json:"deadline,omitempty"`
}

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{
		Text:     err.Error(),
		Canceled: errors.Is(err, context.Canceled),
		Deadline: errors.Is(err, context.DeadlineExceeded),
	}
	if damage, ok := errors.AsType[*layer.Damage](err); ok {
		f.Damage = damage
	}
	return f
}

func (f *failure) err() error {
	switch {
	case f == nil:
		return nil
	case f.Damage != nil:
		return f.Damage
	case f.Canceled:
		return remoteError{f.Text, context.Canceled}
	case f.Deadline:
		return remoteError{f.Text, context.DeadlineExceeded}
	}
	return errors.New(f.Text)
}

type remoteError struct {
	text string
	kind error
}

func (e remoteError) Error() string { return e.text }
func (e remoteError) Unwrap() error { return e.kind }

// hostConfig is the first message to a node host, on its descriptor 3; it comes
// when the id maps are written, so reading it is waiting for them.
type hostConfig struct {
	Data       string   `json:"data"`
	RealData   string   `json:"realData"` // Data without symbolic links; both names work
	Folders    []string `json:"folders"`  // below Data: what machines' users may own files in
	Sockets    string   `json:"sockets"`  // shown to machines, read-only
	Gateway    string   `json:"gateway"`
	Cgroups    cgroups  `json:"cgroups"`
	TasksTmpfs bool     `json:"tasksTmpfs"`
	OwnerID    bool     `json:"ownerId"` // id 65536 is the ordinary user himself
}

// Descriptors of a node host after the standard three.
const (
	fdConfig = 3 + iota
	fdStatus // "ok", or why it could not start
	fdListen // the socket, listening
	fdLock   // flock on DataDir/node-host.lock, held as long as the host lives
	fdAgent  // the agent's binary
)

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("local: " + err.Error()) // only our own plain structs come here
	}
	return data
}
