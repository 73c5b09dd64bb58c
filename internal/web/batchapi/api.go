package batchapi

import (
	"context"
	"log/slog"
	"net/http"

	"millpond/internal/gallery"
	"millpond/internal/identity"
	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
	"millpond/internal/web"
)

// Account is what the face needs of a Batch account.
type Account struct {
	Owner    pool.Owner
	ID       string // Resource Manager id, the scope of permissions
	TenantID string
	// SharedKey and AAD say which ways of authentication the account allows.
	SharedKey bool
	AAD       bool
	LiveJobs  int // quota of active jobs and schedules
	// Keys are the two shared keys in the clear.
	Keys func(ctx context.Context) ([2][]byte, error)
}

// Accounts finds Batch accounts by name, or by a host name that begins with
// account and region; its error is AccountNotFound.
type Accounts interface {
	BatchAccount(ctx context.Context, name string) (Account, error)
}

// Catalogue lists the Marketplace-style images.
type Catalogue interface {
	List(ctx context.Context) ([]gallery.Listed, error)
}

// API is the data plane's handlers.
type API struct {
	Accounts  Accounts
	Identity  *identity.Identity
	Pools     *pool.Pools
	PoolStore pool.PoolStore
	NodeStore pool.NodeStore
	Reach     pool.Reach
	Jobs      *job.Jobs
	JobStore  job.JobStore
	TaskStore job.TaskStore
	Images    Catalogue
	Clock     resource.Clock
	Log       *slog.Logger
	// SSHHost is the address shown for SSH into nodes.
	SSHHost string
	// SkipAPIVersionCheck serves unknown api-versions as the newest.
	SkipAPIVersionCheck bool
}

// Face makes the served face; mount says how clients name the account.
func (a *API) Face(mount func(*http.Request) (web.Mount, error)) *web.Face {
	return &web.Face{
		Name: "batch", Table: web.NewTable(web.Merge(a.Routes(), contract), false),
		Dialect: web.Batch, Schema: Wire, BodyLimit: web.BatchBodyLimit,
		Clock: a.Clock, Log: a.Log, Mount: mount,
		Authenticate: a.authenticate, Authorize: a.authorize,
		SkipAPIVersionCheck: a.SkipAPIVersionCheck,
	}
}

// Routes are the operations that are written; the contract's others answer 501.
func (a *API) Routes() []web.Route {
	return []web.Route{
		{Operation: "ListSupportedImages", Method: "GET", Pattern: "/supportedimages", Action: "read", Status: 200, Since: v2019Jun, Handle: a.listSupportedImages},
		{Operation: "ListPoolNodeCounts", Method: "GET", Pattern: "/nodecounts", Action: "pools/read", Status: 200, Handle: a.listPoolNodeCounts},

		{Operation: "CreatePool", Method: "POST", Pattern: "/pools", Action: "pools/write", Status: 201, Handle: a.createPool},
		{Operation: "ListPools", Method: "GET", Pattern: "/pools", Action: "pools/read", Status: 200, Handle: a.listPools},
		{Operation: "GetPool", Method: "GET", Pattern: "/pools/{poolId}", Action: "pools/read", Status: 200, Handle: a.getPool},
		{Operation: "PoolExists", Method: "HEAD", Pattern: "/pools/{poolId}", Action: "pools/read", Status: 200, Handle: a.poolExists},
		{Operation: "UpdatePool", Method: "PATCH", Pattern: "/pools/{poolId}", Action: "pools/write", Status: 200, Handle: a.updatePool},
		{Operation: "DeletePool", Method: "DELETE", Pattern: "/pools/{poolId}", Action: "pools/delete", Status: 202, Handle: a.deletePool},
		{Operation: "ResizePool", Method: "POST", Pattern: "/pools/{poolId}/resize", Action: "pools/write", Status: 202, Handle: a.resizePool},
		{Operation: "StopPoolResize", Method: "POST", Pattern: "/pools/{poolId}/stopresize", Action: "pools/write", Status: 202, Handle: a.stopPoolResize},
		{Operation: "RemoveNodes", Method: "POST", Pattern: "/pools/{poolId}/removenodes", Action: "pools/write", Status: 202, Handle: a.removeNodes},

		{Operation: "ListNodes", Method: "GET", Pattern: "/pools/{poolId}/nodes", Action: "pools/read", Status: 200, Handle: a.listNodes},
		{Operation: "GetNode", Method: "GET", Pattern: "/pools/{poolId}/nodes/{nodeId}", Action: "pools/read", Status: 200, Handle: a.getNode},
		{Operation: "RebootNode", Method: "POST", Pattern: "/pools/{poolId}/nodes/{nodeId}/reboot", Action: "pools/write", Status: 202, Handle: a.rebootNode},
		{Operation: "ReimageNode", Method: "POST", Pattern: "/pools/{poolId}/nodes/{nodeId}/reimage", Action: "pools/write", Status: 202, Handle: a.reimageNode},
		{Operation: "CreateNodeUser", Method: "POST", Pattern: "/pools/{poolId}/nodes/{nodeId}/users", Action: "pools/write", Status: 201, Handle: a.createNodeUser},
		{Operation: "ReplaceNodeUser", Method: "PUT", Pattern: "/pools/{poolId}/nodes/{nodeId}/users/{userName}", Action: "pools/write", Status: 200, Handle: a.replaceNodeUser},
		{Operation: "DeleteNodeUser", Method: "DELETE", Pattern: "/pools/{poolId}/nodes/{nodeId}/users/{userName}", Action: "pools/write", Status: 200, Handle: a.deleteNodeUser},
		{Operation: "GetNodeRemoteLoginSettings", Method: "GET", Pattern: "/pools/{poolId}/nodes/{nodeId}/remoteloginsettings", Action: "pools/read", Status: 200, DataServiceID: web.Always, Handle: a.getRemoteLogin},
		{Operation: "ListNodeFiles", Method: "GET", Pattern: "/pools/{poolId}/nodes/{nodeId}/files", Action: "pools/read", Status: 200, Handle: a.listNodeFiles},
		{Operation: "GetNodeFile", Method: "GET", Pattern: "/pools/{poolId}/nodes/{nodeId}/files/{filePath...}", Action: "pools/read", Status: 200, Handle: a.getNodeFile},
		{Operation: "GetNodeFileProperties", Method: "HEAD", Pattern: "/pools/{poolId}/nodes/{nodeId}/files/{filePath...}", Action: "pools/read", Status: 200, Handle: a.headNodeFile},
		{Operation: "DeleteNodeFile", Method: "DELETE", Pattern: "/pools/{poolId}/nodes/{nodeId}/files/{filePath...}", Action: "pools/write", Status: 200, Handle: a.deleteNodeFile},

		{Operation: "CreateJob", Method: "POST", Pattern: "/jobs", Action: "jobs/write", Status: 201, Handle: a.createJob},
		{Operation: "ListJobs", Method: "GET", Pattern: "/jobs", Action: "jobs/read", Status: 200, Handle: a.listJobs},
		{Operation: "GetJob", Method: "GET", Pattern: "/jobs/{jobId}", Action: "jobs/read", Status: 200, Handle: a.getJob},
		{Operation: "UpdateJob", Method: "PATCH", Pattern: "/jobs/{jobId}", Action: "jobs/write", Status: 200, Handle: a.updateJob},
		{Operation: "TerminateJob", Method: "POST", Pattern: "/jobs/{jobId}/terminate", Action: "jobs/write", Status: 202, Handle: a.terminateJob},
		{Operation: "DeleteJob", Method: "DELETE", Pattern: "/jobs/{jobId}", Action: "jobs/delete", Status: 202, Handle: a.deleteJob},
		{Operation: "GetJobTaskCounts", Method: "GET", Pattern: "/jobs/{jobId}/taskcounts", Action: "jobs/read", Status: 200, Handle: a.getTaskCounts},

		{Operation: "CreateTask", Method: "POST", Pattern: "/jobs/{jobId}/tasks", Action: "jobs/write", Status: 201, Handle: a.createTask},
		{Operation: "CreateTaskCollection", Method: "POST", Pattern: "/jobs/{jobId}/addtaskcollection", Action: "jobs/write", Status: 200, DataServiceID: web.Never, Handle: a.createTaskCollection},
		{Operation: "ListTasks", Method: "GET", Pattern: "/jobs/{jobId}/tasks", Action: "jobs/read", Status: 200, Handle: a.listTasks},
		{Operation: "GetTask", Method: "GET", Pattern: "/jobs/{jobId}/tasks/{taskId}", Action: "jobs/read", Status: 200, Handle: a.getTask},
		{Operation: "TerminateTask", Method: "POST", Pattern: "/jobs/{jobId}/tasks/{taskId}/terminate", Action: "jobs/write", Status: 204, Handle: a.terminateTask},
		{Operation: "DeleteTask", Method: "DELETE", Pattern: "/jobs/{jobId}/tasks/{taskId}", Action: "jobs/delete", Status: 200, Handle: a.deleteTask},
		{Operation: "ListTaskFiles", Method: "GET", Pattern: "/jobs/{jobId}/tasks/{taskId}/files", Action: "jobs/read", Status: 200, Handle: a.listTaskFiles},
		{Operation: "GetTaskFile", Method: "GET", Pattern: "/jobs/{jobId}/tasks/{taskId}/files/{filePath...}", Action: "jobs/read", Status: 200, Handle: a.getTaskFile},
		{Operation: "GetTaskFileProperties", Method: "HEAD", Pattern: "/jobs/{jobId}/tasks/{taskId}/files/{filePath...}", Action: "jobs/read", Status: 200, Handle: a.headTaskFile},
		{Operation: "DeleteTaskFile", Method: "DELETE", Pattern: "/jobs/{jobId}/tasks/{taskId}/files/{filePath...}", Action: "jobs/delete", Status: 200, Handle: a.deleteTaskFile},
	}
}
