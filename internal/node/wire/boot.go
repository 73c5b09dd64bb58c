package wire

// Version is the wire version of this build. The service speaks to agents of
// this version and the one before.
const Version = 1

// Boot is the message a machine is started with (JSON on descriptor 3). Paths
// are those of the outer mount namespace. The agent reads it once and keeps
// Token to itself.
type Boot struct {
	NodeUID  string `json:"nodeUid"`
	BootID   string `json:"bootId"` // new for every start of the machine
	Token    string `json:"token"`  // proves the agent's identity in Hello
	Hostname string `json:"hostname"`
	Role     string `json:"role"` // RoleNode or RoleVM

	// LowerRoot holds the unpacked layers; Lower names them below it, topmost
	// first. The agent changes into LowerRoot so that mount options stay short.
	LowerRoot string   `json:"lowerRoot"`
	Lower     []string `json:"lower"`
	// Disk holds upper/, work/ (the machine's writable part) and root/ (the mount point).
	Disk string `json:"disk"`
	// State holds boot.json, journal and tasks of the node outside the clone;
	// the agent binds State/tasks to TasksRoot.
	State string `json:"state"`
	// Sockets is the folder with the service's gateway socket; bound read-only
	// into the machine, so that a restarted service is found again.
	Sockets string `json:"sockets"`
	// Gateway is the socket's file name inside Sockets.
	Gateway string `json:"gateway"`
	// Binds are host paths bound read-only at the same path (the host image's /usr).
	Binds []string `json:"binds,omitempty"`
	// TasksTmpfs puts TasksRoot on a tmpfs instead of State/tasks.
	TasksTmpfs bool   `json:"tasksTmpfs,omitempty"`
	IP         string `json:"ip"` // loopback address of the node, for AZ_BATCH_* and ipAddress
}

// Roles of a machine.
const (
	RoleNode = "node" // runs tasks
	RoleVM   = "vm"   // a virtual machine: users and SSH only
)

// TasksRoot is AZ_BATCH_NODE_ROOT_DIR inside a node, as on Azure's Linux nodes.
const TasksRoot = "/mnt/batch/tasks"
