package batchapi

import (
	"errors"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/resource"
	"millpond/internal/web"
)

func (a *API) createTask(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	var body TaskAdd
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	spec, err := taskSpec(&body, c.Version)
	if err != nil {
		return web.Reply{}, err
	}
	tasks, errs, err := a.Jobs.Add(c.Context(), acct.Owner.UID, c.Param("jobId"), []job.NewTask{spec})
	if err != nil {
		return web.Reply{}, err
	}
	if errs[0] != nil {
		return web.Reply{}, errs[0]
	}
	return web.Created(tasks[0].Modified, c.URL("jobs", c.Param("jobId"), "tasks", tasks[0].Spec.ID)), nil
}

// createTaskCollection answers for each task by itself: one that is bad does
// not keep the others out.
func (a *API) createTaskCollection(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	var body TaskAddCollection
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	if n := len(body.Value); n > job.MaxCollection {
		return web.Reply{}, fault.New("RequestBodyTooLarge", "").With("MaxLimit", "100").
			With("Reason", "A collection may hold at most 100 tasks.")
	}
	results := make([]TaskAddResult, len(body.Value))
	var specs []job.NewTask
	var at []int
	for i := range body.Value {
		spec, err := taskSpec(&body.Value[i], c.Version)
		if err != nil {
			results[i] = refusedTask(c, val(body.Value[i].ID), err)
			continue
		}
		specs, at = append(specs, spec), append(at, i)
	}
	tasks, errs, err := a.Jobs.Add(c.Context(), acct.Owner.UID, c.Param("jobId"), specs)
	if err != nil {
		return web.Reply{}, err
	}
	for k, i := range at {
		if errs[k] != nil {
			results[i] = refusedTask(c, specs[k].Spec.ID, errs[k])
			continue
		}
		t := tasks[k]
		results[i] = TaskAddResult{Status: new(TaskAddStatus("Success")), TaskID: new(t.Spec.ID), ETag: new(t.ETag()),
			LastModified: web.At(t.Modified), Location: new(c.URL("jobs", c.Param("jobId"), "tasks", t.Spec.ID))}
	}
	return web.List("taskaddresult", results, ""), nil
}

func refusedTask(c *web.Call, id string, err error) TaskAddResult {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		f = fault.New("InternalError", "").Because(err)
	}
	sentence, known := web.BatchSentence(f)
	status := "ClientError"
	if !known {
		status = "ServerError"
	}
	e := &BatchError{Code: new(f.Code), Message: &BatchErrorMessage{Lang: new("en-US"),
		Value: new(sentence + "\nRequestId:" + c.ID + "\nTime:" + web.ErrorTime(c.Now))}}
	for _, d := range f.Details {
		e.Values = append(e.Values, BatchErrorDetail{Key: new(d.Key), Value: new(d.Value)})
	}
	return TaskAddResult{Status: new(TaskAddStatus(status)), TaskID: new(id), Error: e}
}

func taskSpec(in *TaskAdd, version string) (job.NewTask, error) {
	if err := onlySupports("", in, "id", "displayName", "commandLine", "environmentSettings", "userIdentity", "runElevated",
		"constraints", "requiredSlots", "affinityInfo"); err != nil {
		return job.NewTask{}, err
	}
	n := job.NewTask{Spec: job.TaskSpec{
		ID: val(in.ID), DisplayName: val(in.DisplayName), CommandLine: val(in.CommandLine),
		Environment: environment(in.EnvironmentSettings), User: userIdentity(in.UserIdentity, in.RunElevated),
		RequiredSlots: intOf(in.RequiredSlots),
	}}
	if err := notZero("requiredSlots", in.RequiredSlots); err != nil {
		return job.NewTask{}, err
	}
	if in.AffinityInfo != nil {
		n.Spec.AffinityID = val(in.AffinityInfo.AffinityID)
	}
	if k := in.Constraints; k != nil {
		n.RetriesGiven = k.MaxTaskRetryCount != nil
		n.Spec.MaxRetries = intOf(k.MaxTaskRetryCount)
		if k.MaxWallClockTime != nil {
			n.Spec.MaxWallClock = given(k.MaxWallClockTime)
		}
		n.Spec.Retention = span(k.RetentionTime)
	}
	if n.Spec.Retention == 0 && version < v2018Aug {
		n.Spec.Retention = resource.MaxSpan // files were kept for ever (facts/wire.md 2.7)
	}
	return n, nil
}

func (a *API) listTasks(c *web.Call) (web.Reply, error) {
	j, err := a.findJob(c)
	if err != nil {
		return web.Reply{}, err
	}
	return list(c, listing[*job.Task, *Task]{
		of: "tasks", field: taskField, key: func(t *job.Task) string { return folded(t.Spec.ID) },
		next: func(after string, limit int) ([]*job.Task, error) {
			return a.TaskStore.ListTasks(c.Context(), j.UID, "", after, limit)
		},
		show: always(func(t *job.Task) *Task { return taskOut(c, j, t) }),
	})
}

func (a *API) findTask(c *web.Call) (*job.Job, *job.Task, error) {
	acct, err := a.account(c)
	if err != nil {
		return nil, nil, err
	}
	return a.Jobs.Find(c.Context(), acct.Owner.UID, c.Param("jobId"), c.Param("taskId"))
}

func (a *API) getTask(c *web.Call) (web.Reply, error) {
	j, t, err := a.findTask(c)
	if err != nil {
		return web.Reply{}, err
	}
	if err := c.Conditions().Check(t.Modified); err != nil {
		return web.Reply{}, err
	}
	return web.Entity("tasks/@Element", t.Modified, taskOut(c, j, t)), nil
}

func taskCheck(c *web.Call) func(*job.Task) error {
	return func(t *job.Task) error { return c.Conditions().Check(t.Modified) }
}

func (a *API) terminateTask(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	t, err := a.Jobs.TerminateTask(c.Context(), c.Principal, acct.Owner.UID, c.Param("jobId"), c.Param("taskId"), taskCheck(c))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Empty(t.Modified), nil
}

func (a *API) deleteTask(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	return deleted(), a.Jobs.DeleteTask(c.Context(), c.Principal, acct.Owner.UID, c.Param("jobId"), c.Param("taskId"), taskCheck(c))
}

func taskOut(c *web.Call, j *job.Job, t *job.Task) *Task {
	s := t.Spec
	out := &Task{
		ID: new(s.ID), DisplayName: some(s.DisplayName), URL: new(c.URL("jobs", j.Spec.ID, "tasks", s.ID)), ETag: new(t.ETag()),
		CreationTime: web.At(t.Created), LastModified: web.At(t.Modified),
		State: new(TaskState(t.State)), StateTransitionTime: web.At(t.StateAt), PreviousStateTransitionTime: web.At(t.PreviousAt),
		CommandLine: new(s.CommandLine), EnvironmentSettings: environmentOut(s.Environment),
		Constraints: &TaskConstraints{MaxWallClockTime: web.For(s.MaxWallClock), RetentionTime: web.For(s.Retention),
			MaxTaskRetryCount: countOf(s.MaxRetries)},
		RequiredSlots: countOf(s.RequiredSlots),
		ExecutionInfo: &TaskExecutionInfo{StartTime: web.At(t.Start), EndTime: web.At(t.End), ExitCode: exitOut(t.ExitCode),
			FailureInfo: failureOut(t.Failure), Result: resultOut(t.Result), RetryCount: countOf(t.Retries),
			LastRetryTime: web.At(t.LastRetry), RequeueCount: countOf(t.Requeues), LastRequeueTime: web.At(t.LastRequeue)},
	}
	out.UserIdentity, out.RunElevated = userIdentityOut(s.User)
	if t.Previous != "" {
		out.PreviousState = new(TaskState(t.Previous))
	}
	if s.AffinityID != "" {
		out.AffinityInfo = &AffinityInfo{AffinityID: new(s.AffinityID)}
	}
	switch {
	case t.NodeInfoNone:
		out.NodeInfo = &NodeInfo{}
	case t.NodeID != "" && t.State != job.Active:
		node := c.URL("pools", t.PoolID, "nodes", t.NodeID)
		dir := t.Dir(j.Spec.ID)
		out.NodeInfo = &NodeInfo{AffinityID: new("TVM:" + t.NodeID), NodeURL: new(node), PoolID: new(t.PoolID), NodeID: new(t.NodeID),
			TaskRootDirectory: new(dir), TaskRootDirectoryURL: new(node + "/files/" + dir)}
	}
	return out
}

func taskField(t *job.Task) func(string) any {
	return func(path string) any {
		switch path {
		case "id":
			return t.Spec.ID
		case "displayName":
			return t.Spec.DisplayName
		case "state":
			return t.State
		case "stateTransitionTime":
			return t.StateAt
		case "creationTime":
			return t.Created
		case "lastModified":
			return t.Modified
		case "executionInfo/startTime":
			return t.Start
		case "executionInfo/endTime":
			return t.End
		case "executionInfo/retryCount":
			return t.Retries
		case "executionInfo/requeueCount":
			return t.Requeues
		case "executionInfo/result":
			return t.Result
		case "executionInfo/exitCode":
			if t.ExitCode == nil {
				return nil
			}
			return *t.ExitCode
		case "nodeInfo/nodeId":
			return t.NodeID
		case "nodeInfo/poolId":
			return t.PoolID
		}
		return unknown{}
	}
}
