package batchapi

import (
	"strconv"

	"millpond/internal/identity"
	"millpond/internal/pool"
	"millpond/internal/web"
)

func (a *API) listNodes(c *web.Call) (web.Reply, error) {
	_, p, err := a.findPool(c)
	if err != nil {
		return web.Reply{}, err
	}
	sel, err := c.Select()
	if err != nil {
		return web.Reply{}, err
	}
	return list(c, listing[*pool.Node, *Node]{
		of: "nodes", field: nodeField, key: func(n *pool.Node) string { return folded(n.ID) },
		next: func(after string, limit int) ([]*pool.Node, error) {
			return a.NodeStore.ListNodes(c.Context(), p.UID, after, limit)
		},
		show: func(n *pool.Node) (*Node, error) { return a.nodeOut(c, p, n, sel.Has("recentTasks")) },
	})
}

func (a *API) getNode(c *web.Call) (web.Reply, error) {
	p, n, err := a.findNode(c)
	if err != nil {
		return web.Reply{}, err
	}
	out, err := a.nodeOut(c, p, n, true)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("nodes/@Element", 0, out), nil
}

func (a *API) findNode(c *web.Call) (*pool.Pool, *pool.Node, error) {
	acct, err := a.account(c)
	if err != nil {
		return nil, nil, err
	}
	return a.Pools.Find(c.Context(), acct.Owner, c.Param("poolId"), c.Param("nodeId"))
}

func (a *API) rebootNode(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	var body NodeReboot
	if _, err := c.DecodeOptional(&body); err != nil {
		return web.Reply{}, err
	}
	return web.Reply{}, a.Pools.Reboot(c.Context(), c.Principal, acct.Owner, c.Param("poolId"), c.Param("nodeId"), string(val(body.NodeRebootOption)))
}

func (a *API) reimageNode(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	var body NodeReimage
	if _, err := c.DecodeOptional(&body); err != nil {
		return web.Reply{}, err
	}
	return web.Reply{}, a.Pools.Reimage(c.Context(), c.Principal, acct.Owner, c.Param("poolId"), c.Param("nodeId"), string(val(body.NodeReimageOption)))
}

func (a *API) createNodeUser(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	var body NodeUserAdd
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	u := pool.NodeUser{Name: val(body.Name), Admin: val(body.IsAdmin), SSHKey: val(body.SSHPublicKey)}
	if body.ExpiryTime != nil {
		u.Expiry = body.ExpiryTime.Ticks()
	}
	if u.PasswordHash, err = passwordHash(body.Password); err != nil {
		return web.Reply{}, err
	}
	if err := a.Pools.AddUser(c.Context(), c.Principal, acct.Owner, a.Reach, c.Param("poolId"), c.Param("nodeId"), u); err != nil {
		return web.Reply{}, err
	}
	return web.Reply{At: c.URL("pools", c.Param("poolId"), "nodes", c.Param("nodeId"), "users", u.Name)}, nil
}

func (a *API) replaceNodeUser(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	var body NodeUserReplace
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	change := pool.UserChange{SSHKey: val(body.SSHPublicKey)}
	if body.ExpiryTime != nil {
		change.Expiry = body.ExpiryTime.Ticks()
	}
	if change.PasswordHash, err = passwordHash(body.Password); err != nil {
		return web.Reply{}, err
	}
	return web.Reply{}, a.Pools.UpdateUser(c.Context(), c.Principal, acct.Owner, a.Reach, c.Param("poolId"), c.Param("nodeId"), c.Param("userName"), change)
}

// passwordHash hashes a password as soon as it is read; "" is no password.
func passwordHash(clear *string) (string, error) {
	if val(clear) == "" {
		return "", nil
	}
	return identity.HashPassword("password", *clear)
}

func (a *API) deleteNodeUser(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	return deleted(), a.Pools.DeleteUser(c.Context(), c.Principal, acct.Owner, a.Reach, c.Param("poolId"), c.Param("nodeId"), c.Param("userName"))
}

func (a *API) getRemoteLogin(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	host, port, err := a.Pools.RemoteLogin(c.Context(), c.Principal, acct.Owner, a.Reach, c.Param("poolId"), c.Param("nodeId"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("Microsoft.Azure.Batch.Protocol.Entities.RemoteLoginSettings", 0,
		&NodeRemoteLoginSettings{RemoteLoginIPAddress: new(host), RemoteLoginPort: countOf(port)}), nil
}

// nodeOut writes a node as GET shows it. Before its agent is up a node has no
// boot time and no agent (facts/wire.md 2.5).
func (a *API) nodeOut(c *web.Call, p *pool.Pool, n *pool.Node, recent bool) (*Node, error) {
	out := &Node{
		ID: new(n.ID), URL: new(c.URL("pools", p.Spec.ID, "nodes", n.ID)), State: new(NodeState(n.State)),
		SchedulingState: new(SchedulingState(n.Scheduling)), StateTransitionTime: web.At(n.StateAt),
		LastBootTime: web.At(n.LastBoot), AllocationTime: web.At(n.Allocated), IPAddress: new(n.IP),
		AffinityID: new("TVM:" + n.ID), VMSize: new(n.VMSize),
		TotalTasksRun: countOf(n.TotalRun), TotalTasksSucceeded: countOf(n.TotalSucceeded),
		RunningTasksCount: countOf(n.RunningTasks), RunningTaskSlotsCount: countOf(n.RunningSlots),
		StartTask: startTaskOut(p.Spec.StartTask), IsDedicated: new(n.Dedicated),
		EndpointConfiguration: &NodeEndpointConfiguration{InboundEndpoints: []InboundEndpoint{}},
	}
	image := imageOut(p.Spec.ImageReference)
	image.ExactVersion = some(p.Image.ExactVersion)
	out.VirtualMachineInfo = &VirtualMachineInfo{ImageReference: image}
	if n.LastBoot != 0 {
		out.NodeAgentInfo = &NodeAgentInfo{LastUpdateTime: web.At(n.AgentAt), Version: new(n.AgentVer)}
		out.CertificateReferences = []CertificateReference{}
		out.StartTaskInfo = startInfoOut(n.Start)
	}
	if n.SSHPort != 0 {
		out.EndpointConfiguration.InboundEndpoints = []InboundEndpoint{{
			Name: new("SSHRule." + strconv.Itoa(n.Number)), Protocol: new(InboundEndpointProtocol("tcp")),
			PublicIPAddress: new(a.SSHHost), PublicFQDN: new("localhost"),
			FrontendPort: countOf(n.SSHPort), BackendPort: countOf(22)}}
	}
	for _, e := range n.Errors {
		out.Errors = append(out.Errors, NodeError{Code: new(e.Code), Message: new(e.Message), ErrorDetails: pairsOut(e.Details)})
	}
	if !recent || n.TotalRun+n.RunningTasks == 0 {
		return out, nil
	}
	tasks, err := a.TaskStore.RecentTasks(c.Context(), n.UID, 10)
	if err != nil {
		return nil, err
	}
	for _, t := range tasks {
		out.RecentTasks = append(out.RecentTasks, TaskInfo{
			TaskURL: new(c.URL("jobs", t.JobID, "tasks", t.TaskID)), JobID: new(t.JobID), TaskID: new(t.TaskID),
			TaskState: new(TaskState(t.State)), ExecutionInfo: &TaskExecutionInfo{
				StartTime: web.At(t.Start), EndTime: web.At(t.End), ExitCode: exitOut(t.ExitCode), Result: resultOut(t.Result),
				RetryCount: countOf(t.Retries), RequeueCount: countOf(t.Requeues)}})
	}
	return out, nil
}

func startInfoOut(s *pool.StartTaskInfo) *StartTaskInfo {
	if s == nil {
		return nil
	}
	return &StartTaskInfo{State: new(StartTaskState(s.State)), StartTime: web.At(s.Start), EndTime: web.At(s.End),
		ExitCode: exitOut(s.ExitCode), FailureInfo: failureOut(s.Failure), Result: resultOut(s.Result),
		RetryCount: countOf(s.Retries), LastRetryTime: web.At(s.LastRetry)}
}

func resultOut(result string) *TaskExecutionResult {
	if result == "" {
		return nil
	}
	return new(TaskExecutionResult(result))
}

func nodeField(n *pool.Node) func(string) any {
	return func(path string) any {
		switch path {
		case "id":
			return n.ID
		case "state":
			return n.State
		case "schedulingState":
			return n.Scheduling
		case "stateTransitionTime":
			return n.StateAt
		case "vmSize":
			return n.VMSize
		case "lastBootTime":
			return n.LastBoot
		case "isDedicated":
			return n.Dedicated
		case "affinityId":
			return "TVM:" + n.ID
		case "ipAddress":
			return n.IP
		}
		return unknown{}
	}
}
