package batchapi

import (
	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/resource"
	"millpond/internal/web"
)

func (a *API) createJob(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	var body JobAdd
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	spec, err := jobSpec(&body)
	if err != nil {
		return web.Reply{}, err
	}
	j, err := a.Jobs.Create(c.Context(), c.Principal, job.Quota{AccountUID: acct.Owner.UID, LiveJobs: acct.LiveJobs}, spec)
	if err != nil {
		return web.Reply{}, err
	}
	// Azure names every new job job-1 here, whatever its id (facts/wire.md 4.1).
	return web.Created(j.Modified, c.URL("jobs", "job-1")), nil
}

func jobSpec(in *JobAdd) (job.Spec, error) {
	var p fault.Problems
	p.Add(onlySupports("", in, "id", "displayName", "poolInfo", "priority", "maxParallelTasks",
		"constraints", "commonEnvironmentSettings", "metadata", "onAllTasksComplete", "onTaskFailure"))
	if string(val(in.OnTaskFailure)) == "performexitoptionsjobaction" {
		p.Add(fault.Unsupported("onTaskFailure", "Exit conditions of tasks are not supported by this release."))
	}
	s := job.Spec{
		ID: val(in.ID), DisplayName: val(in.DisplayName), Priority: intOf(in.Priority),
		MaxParallelTasks: intOf(in.MaxParallelTasks), Environment: environment(in.CommonEnvironmentSettings),
		EmptyEnvironment:   in.CommonEnvironmentSettings != nil && len(in.CommonEnvironmentSettings) == 0,
		OnAllTasksComplete: string(val(in.OnAllTasksComplete)), OnTaskFailure: string(val(in.OnTaskFailure)),
		Metadata: metadata(in.Metadata),
	}
	p.Add(notZero("maxParallelTasks", in.MaxParallelTasks))
	p.Add(poolInfo(&s, in.PoolInfo))
	jobConstraints(&s, in.Constraints)
	return s, p.Err()
}

func poolInfo(s *job.Spec, in *PoolInfo) error {
	if in == nil {
		return nil
	}
	if in.AutoPoolSpecification != nil {
		return fault.Unsupported("poolInfo.autoPoolSpecification", "Auto pools are not supported by this release.")
	}
	s.PoolID = val(in.PoolID)
	return nil
}

// jobConstraints replaces the whole object: what is not named is the default
// again (facts/wire.md 4.19).
func jobConstraints(s *job.Spec, in *JobConstraints) {
	if in == nil {
		return
	}
	s.MaxTaskRetries = intOf(in.MaxTaskRetryCount)
	s.MaxWallClock = resource.MaxSpan
	if in.MaxWallClockTime != nil {
		s.MaxWallClock = given(in.MaxWallClockTime)
	}
}

// given is a duration that was sent; 0 is not the same as absent.
func given(d *web.Duration) resource.Span {
	if d.Span() == 0 {
		return -1
	}
	return d.Span()
}

func (a *API) listJobs(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	return list(c, listing[*job.Job, *Job]{
		of: "jobs", field: jobField, key: func(j *job.Job) string { return folded(j.Spec.ID) },
		next: func(after string, limit int) ([]*job.Job, error) {
			return a.JobStore.ListJobs(c.Context(), acct.Owner.UID, after, limit)
		},
		show: always(func(j *job.Job) *Job { return jobOut(c, j) }),
	})
}

func (a *API) findJob(c *web.Call) (*job.Job, error) {
	acct, err := a.account(c)
	if err != nil {
		return nil, err
	}
	return a.JobStore.GetJob(c.Context(), acct.Owner.UID, c.Param("jobId"))
}

func (a *API) getJob(c *web.Call) (web.Reply, error) {
	j, err := a.findJob(c)
	if err != nil {
		return web.Reply{}, err
	}
	if err := c.Conditions().Check(j.Modified); err != nil {
		return web.Reply{}, err
	}
	return web.Entity("jobs/@Element", j.Modified, jobOut(c, j)), nil
}

func jobCheck(c *web.Call) func(*job.Job) error {
	return func(j *job.Job) error { return c.Conditions().Check(j.Modified) }
}

func (a *API) updateJob(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	var body JobPatch
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	if err := onlySupports("", &body, "poolInfo", "priority", "maxParallelTasks", "constraints",
		"metadata", "onAllTasksComplete"); err != nil {
		return web.Reply{}, err
	}
	if err := notZero("maxParallelTasks", body.MaxParallelTasks); err != nil {
		return web.Reply{}, err
	}
	j, err := a.Jobs.Update(c.Context(), c.Principal, acct.Owner.UID, c.Param("jobId"), "JobPatch", jobCheck(c), func(s *job.Spec) error {
		if body.Priority != nil {
			s.Priority = intOf(body.Priority)
		}
		if body.MaxParallelTasks != nil {
			s.MaxParallelTasks = intOf(body.MaxParallelTasks)
		}
		if body.Metadata != nil {
			s.Metadata = metadata(body.Metadata)
		}
		if body.OnAllTasksComplete != nil {
			s.OnAllTasksComplete = string(*body.OnAllTasksComplete)
		}
		jobConstraints(s, body.Constraints)
		return poolInfo(s, body.PoolInfo)
	})
	if err != nil {
		return web.Reply{}, err
	}
	return web.Empty(j.Modified), nil
}

func (a *API) terminateJob(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	var body JobTerminate
	if _, err := c.DecodeOptional(&body); err != nil {
		return web.Reply{}, err
	}
	j, err := a.Jobs.Terminate(c.Context(), c.Principal, acct.Owner.UID, c.Param("jobId"), val(body.TerminationReason), jobCheck(c))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Empty(j.Modified), nil
}

func (a *API) deleteJob(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	return deleted(), a.Jobs.Delete(c.Context(), c.Principal, acct.Owner.UID, c.Param("jobId"), jobCheck(c))
}

func (a *API) getTaskCounts(c *web.Call) (web.Reply, error) {
	j, err := a.findJob(c)
	if err != nil {
		return web.Reply{}, err
	}
	n := j.Counts
	tasks := &TaskCounts{Active: countOf(n.Active), Running: countOf(n.Running), Completed: countOf(n.Succeeded + n.Failed),
		Succeeded: countOf(n.Succeeded), Failed: countOf(n.Failed)}
	if c.Version < v2020Sep { // before tasks had slots the counts were the whole answer (facts/wire.md 1.5)
		return web.Entity("taskcounts/@Element", 0, tasks), nil
	}
	return web.Entity("taskcountsresult/@Element", 0, &TaskCountsResult{TaskCounts: tasks,
		TaskSlotCounts: &TaskSlotCounts{Active: countOf(n.ActiveSlots), Running: countOf(n.RunningSlots),
			Completed: countOf(n.SucceededSlots + n.FailedSlots), Succeeded: countOf(n.SucceededSlots), Failed: countOf(n.FailedSlots)},
	}), nil
}

func jobOut(c *web.Call, j *job.Job) *Job {
	s := j.Spec
	out := &Job{
		ID: new(s.ID), DisplayName: some(s.DisplayName), URL: new(c.URL("jobs", s.ID)), ETag: new(j.ETag()),
		LastModified: web.At(j.Modified), CreationTime: web.At(j.Created),
		State: new(JobState(j.State)), StateTransitionTime: web.At(j.StateAt), PreviousStateTransitionTime: web.At(j.PreviousAt),
		Priority: countOf(s.Priority), MaxParallelTasks: countOf(s.MaxParallelTasks),
		UsesTaskDependencies: new(false), AllowTaskPreemption: new(false),
		Constraints:               &JobConstraints{MaxWallClockTime: web.For(s.MaxWallClock), MaxTaskRetryCount: countOf(s.MaxTaskRetries)},
		CommonEnvironmentSettings: environmentOut(s.Environment), PoolInfo: &PoolInfo{PoolID: new(s.PoolID)},
		Metadata: metadataOut(s.Metadata),
		ExecutionInfo: &JobExecutionInfo{StartTime: web.At(j.Started), EndTime: web.At(j.Ended), PoolID: new(s.PoolID),
			TerminationReason: some(j.TerminateReason)},
		OnAllTasksComplete: new(OnAllTasksComplete(s.OnAllTasksComplete)), OnTaskFailure: new(OnTaskFailure(s.OnTaskFailure)),
	}
	if j.Previous != "" {
		out.PreviousState = new(JobState(j.Previous))
	}
	if s.EmptyEnvironment && out.CommonEnvironmentSettings == nil {
		out.CommonEnvironmentSettings = []EnvironmentSetting{}
	}
	return out
}

func jobField(j *job.Job) func(string) any {
	return func(path string) any {
		switch path {
		case "id":
			return j.Spec.ID
		case "displayName":
			return j.Spec.DisplayName
		case "state":
			return j.State
		case "stateTransitionTime":
			return j.StateAt
		case "creationTime":
			return j.Created
		case "lastModified":
			return j.Modified
		case "priority":
			return j.Spec.Priority
		case "executionInfo/startTime":
			return j.Started
		case "executionInfo/endTime":
			return j.Ended
		case "executionInfo/poolId", "poolInfo/poolId":
			return j.Spec.PoolID
		}
		return unknown{}
	}
}
