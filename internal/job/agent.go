package job

import (
	"context"

	"millpond/internal/pool"
	"millpond/internal/resource"
)

// Held names an attempt an agent knows of.
type Held struct {
	TaskUID string
	Attempt int
	Ended   bool // its end is journaled and will be reported
}

// Greeting is an agent's hello in the nouns' words.
type Greeting struct {
	NodeUID      string
	BootID       string
	Token        string
	AgentVersion string
	OSName       string // PRETTY_NAME of the same file
	OSRelease    string // sha256 of /etc/os-release inside the clone
	Held         []Held
}

// Reception answers a greeting.
type Reception struct {
	// Refused is why the agent must go: a stale boot, a wrong token, a machine
	// that is no longer wanted.
	Refused string
	Epoch   int64
	Node    *pool.Node // nil for a virtual machine
	Pool    *pool.Pool
	Account string // Batch account's name
	Users   []Login
	Forget  []Held       // attempts the agent must kill and drop
	Resend  []Assignment // attempts it should have and has not
	Start   *StartOrder  // start task to run now
	SSHPort int          // port to open again, 0 = none
	OpenSSH bool         // open a port at once and tell it by SSHAt
}

// StartOrder is an attempt of a pool's start task.
type StartOrder struct {
	Task    pool.StartTask
	Attempt int
}

// Login is an account a machine must have.
type Login struct {
	Name         string
	Admin        bool
	PasswordHash string
	SSHKeys      []string
	Expiry       resource.Ticks
	Login        bool // may enter by SSH
	UID, GID     int
}

// Agents hears what agents say; schedule satisfies it, web/nodeapi calls it.
type Agents interface {
	Hello(ctx context.Context, g Greeting) (Reception, error)
	// Ready tells that the agent of the node has its welcome and takes orders.
	Ready(nodeUID string)
	// SSHAt tells where a machine with OpenSSH is entered.
	SSHAt(ctx context.Context, uid, host string, port int) error
	// News is stored when it returns nil; only then may the agent forget it.
	News(ctx context.Context, nodeUID, bootID string, tasks []News, start []pool.StartNews) error
	// Gone tells that the session whose welcome gave that epoch ended.
	Gone(nodeUID string, epoch int64)
}
