package schedule

import (
	"context"
	"errors"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/resource"
)

// endPass carries out ends: jobs whose time or tasks are over, jobs that are
// terminated or deleted, and running tasks that shall stop.
func (s *Scheduler) endPass(ctx context.Context) error {
	jobs, err := s.Store.UnsettledJobs(ctx)
	if err != nil {
		return err
	}
	var errs []error // one job's must not keep the others
	var next resource.Ticks
	for _, j := range jobs {
		errs = append(errs, s.endJob(ctx, j))
		if j.State == job.Active && j.Spec.MaxWallClock != resource.MaxSpan {
			if due := j.Started.Add(j.Spec.MaxWallClock); next == 0 || due < next {
				next = due
			}
		}
	}
	s.jobsDue.set(s.Clock, next, func() { s.ends.wake("") })
	tasks, err := s.Store.ToEnd(ctx)
	for _, t := range tasks {
		why := t.EndWanted
		if why == "" {
			why = job.EndByUser
		}
		if err := s.Nodes.Cancel(t.NodeUID, t.UID, t.Attempt, why); err != nil {
			s.Log.Debug("cancel waits for the node's hello", "node", t.NodeUID, "error", err)
		}
	}
	return errors.Join(append(errs, err)...)
}

func (s *Scheduler) endJob(ctx context.Context, j *job.Job) error {
	now := s.Clock.Now()
	reason := ""
	switch {
	case j.Overdue(now):
		reason = job.ReasonWallClock
	case j.AllDone():
		reason = job.ReasonAllTasks
	}
	if reason != "" {
		ended, err := s.Store.UpdateJob(ctx, j.UID, system(reason), func(j *job.Job) error {
			// Tasks may have come since the job was read.
			if j.State == job.Active && (reason != job.ReasonAllTasks || j.AllDone()) {
				j.End(reason, now)
			}
			return nil
		})
		if err != nil {
			return ignoreGone(err)
		}
		j = ended
	}
	if j.State != job.Terminating && j.State != job.Deleting {
		return nil
	}
	running, err := s.Store.EndJobTasks(ctx, j.UID, job.EndByJob)
	if err != nil || running > 0 {
		return ignoreGone(err)
	}
	if j.State == job.Deleting {
		return ignoreGone(s.Store.RemoveJob(ctx, j.UID))
	}
	_, err = s.Store.UpdateJob(ctx, j.UID, system("JobComplete"), func(j *job.Job) error {
		if j.State == job.Terminating {
			j.Finish(now)
		}
		return nil
	})
	return ignoreGone(err)
}

func ignoreGone(err error) error {
	if fault.Is(err, "JobNotFound") || fault.Is(err, "TaskNotFound") {
		return nil
	}
	return err
}
