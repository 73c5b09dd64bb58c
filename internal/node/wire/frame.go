package wire

// Frame is one control message on stream 0, one JSON object a line, either
// way. Exactly one field is set.
type Frame struct {
	// agent -> service
	Hello   *Hello   `json:"hello,omitempty"`
	Reports []Report `json:"reports,omitempty"`
	Pong    *Ping    `json:"pong,omitempty"`

	// service -> agent
	Welcome *Welcome `json:"welcome,omitempty"`
	Assign  []Task   `json:"assign,omitempty"`
	Cancel  []Cancel `json:"cancel,omitempty"`
	Ack     int64    `json:"ack,omitempty"` // every report up to this Seq is stored
	Ping    *Ping    `json:"ping,omitempty"`
}

// Ping is answered by Pong with the same N; it also carries the epoch.
type Ping struct {
	N int64 `json:"n"`
}

// Hello is the agent's first frame on every connection. OSReleaseSHA256 is the
// hex digest of /etc/os-release as the agent sees it inside the clone: the
// proof that this boot runs in the image it should.
type Hello struct {
	Version         int      `json:"version"`
	AgentVersion    string   `json:"agentVersion"`
	NodeUID         string   `json:"nodeUid"`
	BootID          string   `json:"bootId"`
	Token           string   `json:"token"`
	Epoch           int64    `json:"epoch"` // highest epoch seen in this boot
	OSReleaseSHA256 string   `json:"osReleaseSha256"`
	PrettyName      string   `json:"prettyName"`
	Held            []Held   `json:"held,omitempty"` // attempts this agent holds or whose end is not acked
	Users           []string `json:"users,omitempty"`
}

// Held names an attempt the agent knows.
type Held struct {
	TaskUID string `json:"taskUid"`
	Attempt int    `json:"attempt"`
	Ended   bool   `json:"ended"`
}

// Welcome accepts the agent. An agent refuses frames of a connection whose
// epoch is below the highest it has seen, and drops attempts listed in Forget.
type Welcome struct {
	Epoch   int64 `json:"epoch"`
	Version int   `json:"version"`
	// Refused, when set, is why the service does not want this agent; it must
	// exit (a stale boot, a deleted node).
	Refused   string     `json:"refused,omitempty"`
	Forget    []Held     `json:"forget,omitempty"`
	Users     []NodeUser `json:"users,omitempty"` // accounts that must exist before any task runs
	Account   string     `json:"account"`
	URL       string     `json:"url"` // AZ_BATCH_ACCOUNT_URL
	PoolID    string     `json:"poolId"`
	NodeID    string     `json:"nodeId"`
	Dedicated bool       `json:"dedicated"`
	Slots     int        `json:"slots"`
}

// Task is one attempt to run. The start task is a Task with Kind KindStart.
type Task struct {
	UID     string `json:"uid"`
	Attempt int    `json:"attempt"` // 1, 2, ...; a retry on the node is a new attempt
	Kind    string `json:"kind"`
	JobID   string `json:"jobId,omitempty"`
	ID      string `json:"id,omitempty"`
	// Dir is the task's directory below TasksRoot: workitems/{job}/job-1/{task},
	// or startup.
	Dir         string   `json:"dir"`
	CommandLine string   `json:"commandLine"` // split by the agent, never given to a shell
	Env         []Pair   `json:"env,omitempty"`
	User        RunAs    `json:"user"`
	Slots       int      `json:"slots"`
	Timeout     int64    `json:"timeout,omitempty"` // ticks of 100 ns from process start; 0 = none
	Files       []Inline `json:"files,omitempty"`   // later: resource files
}

// Kinds of task.
const (
	KindTask  = "task"
	KindStart = "start"
)

// Pair is an environment variable.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Inline is a file put into the working directory before the task starts.
type Inline struct {
	Path string `json:"path"`
	Mode uint32 `json:"mode"`
	Data []byte `json:"data"`
}

// RunAs says whose process a task is. Auto users are made by the agent:
// pool scope shares one (_azbatch, admin: _azbatchadmin) on the node, task
// scope makes one per attempt. Name, when set, is a named user account.
type RunAs struct {
	Name      string `json:"name,omitempty"`
	TaskScope bool   `json:"taskScope,omitempty"`
	Admin     bool   `json:"admin,omitempty"`
}

// NodeUser is an account on the node: a pool's user account, a user added for
// SSH, or a VM's administrator. PasswordHash is a bcrypt string or empty; the
// clear password never travels.
type NodeUser struct {
	Name         string   `json:"name"`
	Admin        bool     `json:"admin"`
	PasswordHash string   `json:"passwordHash,omitempty"`
	SSHKeys      []string `json:"sshKeys,omitempty"`
	Expiry       int64    `json:"expiry,omitempty"` // ticks; 0 = none
	Login        bool     `json:"login"`            // may enter by SSH
	UID          int      `json:"uid,omitempty"`    // 0 = chosen by the node
	GID          int      `json:"gid,omitempty"`
}

// Cancel ends an attempt: its whole process group is killed and the attempt
// reported as ended with Reason.
type Cancel struct {
	TaskUID string `json:"taskUid"`
	Attempt int    `json:"attempt"`
	Reason  string `json:"reason"` // one of the Fail... codes
}

// Report is news of one attempt. Seq rises by one per agent folder (journal);
// the agent repeats reports until they are acked, over restarts of either side.
type Report struct {
	Seq     int64  `json:"seq"`
	TaskUID string `json:"taskUid"`
	Attempt int    `json:"attempt"`
	Kind    string `json:"kind"`
	Event   string `json:"event"` // EventStarted or EventEnded
	At      int64  `json:"at"`    // ticks on the node's clock
	// Started is the process's start in an EventEnded report, 0 if it never ran.
	Started  int64    `json:"started,omitempty"`
	ExitCode *int     `json:"exitCode,omitempty"` // absent when no process ended by itself or by a signal
	Failure  *Failure `json:"failure,omitempty"`
}

// Events of an attempt.
const (
	EventStarted = "started"
	EventEnded   = "ended"
)

// Failure is Azure's failureInfo as the agent knows it.
type Failure struct {
	Category string `json:"category"` // UserError or ServerError
	Code     string `json:"code"`
	Message  string `json:"message"`
	Details  []Pair `json:"details,omitempty"`
}

// Failure codes an agent may report (facts/azure-batch.md).
const (
	FailExitCode       = "FailureExitCode"
	FailProgramMissing = "CommandProgramNotFound"
	FailLaunch         = "CommandLaunchFailed"
	FailEnded          = "TaskEnded"                // cancelled by a request
	FailTimeout        = "TaskWallClockTimeExpired" // maxWallClockTime
	FailDiskFull       = "DiskFull"
	FailLost           = "NodeLost" // journal shows a start without an end: the agent died under the task
)
