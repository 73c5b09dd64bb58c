package pool

import (
	"context"

	"millpond/internal/resource"
)

// States of a node (facts/azure-batch.md 2D).
const (
	NodeCreating        = "creating"
	NodeStarting        = "starting"
	NodeWaiting         = "waitingforstarttask"
	NodeStartTaskFailed = "starttaskfailed"
	NodeIdle            = "idle"
	NodeRunning         = "running"
	NodeOffline         = "offline"
	NodeRebooting       = "rebooting"
	NodeReimaging       = "reimaging"
	NodeLeaving         = "leavingpool"
	NodeUnusable        = "unusable"
	NodeUnknown         = "unknown"
	NodePreempted       = "preempted"
)

// Node is a node as stored. Its row is the truth about what should run; the
// provider's List is the truth about what does.
type Node struct {
	UID        string `json:"uid"`
	ID         string `json:"id"` // tvmps_<64 hex>_d
	PoolUID    string `json:"poolUid"`
	AccountUID string `json:"accountUid"`
	Number     int    `json:"number"` // 0, 1, ... within the pool, reused; spreads replicas and addresses

	State      string         `json:"state"`
	StateAt    resource.Ticks `json:"stateAt"`
	Scheduling string         `json:"scheduling"` // enabled or disabled
	Dedicated  bool           `json:"dedicated"`
	Allocated  resource.Ticks `json:"allocated"`
	LastBoot   resource.Ticks `json:"lastBoot"` // 0 until the agent's first hello
	AgentAt    resource.Ticks `json:"agentAt"`
	AgentVer   string         `json:"agentVersion"`
	OSRelease  string         `json:"osRelease"` // sha256 the agent of this boot reported
	VMSize     string         `json:"vmSize"`
	IP         string         `json:"ip"`
	Slots      int            `json:"slots"`

	BootID    string `json:"bootId"` // of the start under way or running
	TokenHash string `json:"tokenHash"`
	HelloBoot string `json:"helloBoot"`        // boot whose agent has said hello
	Losses    int    `json:"losses,omitempty"` // boots in a row that failed or hardly lived
	Epoch     int64  `json:"epoch"`
	SSHPort   int    `json:"sshPort"` // 0 until asked for; then kept
	// Wish is what the loop still has to do: "", WishReboot, WishReimage,
	// WishRemove. WishOption is the deallocation or reboot option.
	Wish       string `json:"wish,omitempty"`
	WishOption string `json:"wishOption,omitempty"`

	Start *StartTaskInfo `json:"start,omitempty"`
	// StartRuns counts the start task's attempts over all boots: the journal of a
	// node outlives a boot, so its news must not meet another boot's attempt.
	StartRuns int         `json:"startRuns,omitempty"`
	Users     []NodeUser  `json:"users,omitempty"`
	Errors    []NodeError `json:"errors,omitempty"`

	TotalRun       int          `json:"totalRun"`
	TotalSucceeded int          `json:"totalSucceeded"`
	Recent         []RecentTask `json:"recent,omitempty"` // newest first, at most 10

	Rev int64 `json:"rev"`

	// Filled by the store when reading.
	RunningTasks int `json:"-"`
	RunningSlots int `json:"-"`
}

// Wishes of a node.
const (
	WishReboot  = "reboot"
	WishReimage = "reimage"
	WishRemove  = "remove"
)

// StartTaskInfo is how the start task goes on a node in its present boot.
type StartTaskInfo struct {
	Attempt   int            `json:"attempt"`
	State     string         `json:"state"` // running or completed
	Start     resource.Ticks `json:"start"`
	End       resource.Ticks `json:"end"`
	ExitCode  *int           `json:"exitCode,omitempty"`
	Result    string         `json:"result,omitempty"`
	Retries   int            `json:"retries"`
	LastRetry resource.Ticks `json:"lastRetry"`
	Failure   *Failure       `json:"failure,omitempty"`
}

// Failure is Azure's failureInfo.
type Failure struct {
	Category string      `json:"category"`
	Code     string      `json:"code"`
	Message  string      `json:"message"`
	Details  [][2]string `json:"details,omitempty"`
}

// NodeUser is an account added to one node. Only hashes of passwords are kept.
type NodeUser struct {
	Name         string         `json:"name"`
	Admin        bool           `json:"admin"`
	Expiry       resource.Ticks `json:"expiry"`
	PasswordHash string         `json:"passwordHash,omitempty"`
	SSHKey       string         `json:"sshKey,omitempty"`
}

// NodeError is an entry of a node's errors.
type NodeError struct {
	Code    string      `json:"code"`
	Message string      `json:"message"`
	Details [][2]string `json:"details,omitempty"`
}

// RecentTask is one of the last tasks a node ran.
type RecentTask struct {
	JobID    string         `json:"jobId"`
	TaskID   string         `json:"taskId"`
	State    string         `json:"state"`
	Start    resource.Ticks `json:"start"`
	End      resource.Ticks `json:"end"`
	ExitCode *int           `json:"exitCode,omitempty"`
	Result   string         `json:"result,omitempty"`
	Retries  int            `json:"retries"`
	Requeues int            `json:"requeues"`
}

// NodeStore keeps nodes. Errors: NodeNotFound.
type NodeStore interface {
	// AddNodes writes new nodes of a pool that is not being deleted
	// (PoolBeingDeleted).
	AddNodes(ctx context.Context, nodes []*Node, by Event) error
	GetNode(ctx context.Context, poolUID, id string) (*Node, error)
	NodeByUID(ctx context.Context, uid string) (*Node, error)
	// ListNodes is in bytewise order of the id, after the given one.
	ListNodes(ctx context.Context, poolUID, after string, limit int) ([]*Node, error)
	// NodesOfPool gives all nodes of a pool in order of Number.
	NodesOfPool(ctx context.Context, poolUID string) ([]*Node, error)
	// AllNodes gives every node of every pool, for the start of the server.
	AllNodes(ctx context.Context) ([]*Node, error)
	UpdateNode(ctx context.Context, uid string, by Event, change func(*Node) error) (*Node, error)
	RemoveNode(ctx context.Context, uid string, by Event) error
}

// Reach is the way to a running node: files, users, SSH. web/nodeapi satisfies
// it over the agent's session. Errors: NodeStateUnusable or NodeNotReady when
// the node cannot be reached, FileNotFound, NodeUserExists, NodeUserNotFound.
type Reach interface {
	ListFiles(ctx context.Context, nodeUID, path string, recursive bool) ([]File, error)
	StatFile(ctx context.Context, nodeUID, path string) (File, error)
	// ReadFile reads length bytes from offset; length -1 reads to the end. The
	// caller closes the reader.
	ReadFile(ctx context.Context, nodeUID, path string, offset, length int64) (File, ReadCloser, error)
	DeleteFile(ctx context.Context, nodeUID, path string, recursive bool) error
	PutUser(ctx context.Context, nodeUID string, u NodeUser, mustBeNew bool) error
	DeleteUser(ctx context.Context, nodeUID, name string) error
	// OpenSSH makes the node reachable by SSH and gives the address clients use;
	// want is the port of an earlier time or 0.
	OpenSSH(ctx context.Context, nodeUID string, want int) (host string, port int, err error)
	CloseSSH(nodeUID string)
}

// ReadCloser is io.ReadCloser, named here so that the room's interface reads
// without imports.
type ReadCloser interface {
	Read(p []byte) (int, error)
	Close() error
}

// File is a file or directory below a node's root directory.
type File struct {
	Path     string
	Dir      bool
	Size     int64
	Modified resource.Ticks
	Mode     uint32
}
