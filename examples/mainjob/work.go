package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/batch/azbatch"
)

// mostTasks is how many tasks the service takes in one call.
const mostTasks = 100

// tasks adds the job's tasks and waits until all are completed.
func (j *mainJob) tasks(ctx context.Context) error {
	return j.do1(fmt.Sprintf("job of %d tasks: %s", len(j.payload.tasks), j.payload.name), func() (string, error) {
		if _, err := j.batch.CreateJob(ctx, azbatch.CreateJobContent{ID: ptr(jobID), PoolInfo: &azbatch.PoolInfo{PoolID: ptr(poolID)}}, nil); err != nil {
			return "", err
		}
		began := time.Now()
		for rest := j.payload.tasks; len(rest) > 0; {
			n := min(len(rest), mostTasks)
			if err := j.add(ctx, rest[:n]); err != nil {
				return "", err
			}
			rest = rest[n:]
		}
		added := time.Since(began)
		var counts azbatch.TaskCounts
		if err := until(ctx, 100*time.Millisecond, 5*time.Minute, "all tasks completed", func() (bool, error) {
			got, err := j.batch.GetJobTaskCounts(ctx, jobID, nil)
			if err != nil {
				return false, err
			}
			counts = *got.TaskCounts
			return int(val(counts.Completed)) == len(j.payload.tasks), nil
		}); err != nil {
			return "", fmt.Errorf("%w (%d of %d completed)", err, val(counts.Completed), len(j.payload.tasks))
		}
		j.times.allDone = time.Since(began)
		if err := j.succeeded(ctx); err != nil {
			return "", err
		}
		return fmt.Sprintf("added in %.2f s", added.Seconds()), nil
	})
}

func (j *mainJob) add(ctx context.Context, part []task) error {
	group := azbatch.TaskGroup{}
	for _, t := range part {
		group.Value = append(group.Value, azbatch.CreateTaskContent{ID: ptr(t.id), CommandLine: ptr(t.command)})
	}
	got, err := j.batch.CreateTaskCollection(ctx, jobID, group, nil)
	if err != nil {
		return err
	}
	for _, r := range got.Value {
		if !strings.EqualFold(string(val(r.Status)), string(azbatch.TaskAddStatusSuccess)) { // the service writes it with a capital
			why := ""
			if r.Error != nil && r.Error.Message != nil {
				why = val(r.Error.Message.Value)
			}
			return fmt.Errorf("task %s was not added: %s %s", val(r.TaskID), val(r.Status), why)
		}
	}
	return nil
}

// succeeded looks at every task: completed once, with exit code 0.
func (j *mainJob) succeeded(ctx context.Context) error {
	seen, first := 0, ""
	for pager := j.batch.NewListTasksPager(jobID, nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, t := range page.Value {
			seen++
			info := t.ExecutionInfo
			if info != nil && val(info.Result) == azbatch.TaskExecutionResultSuccess && info.ExitCode != nil && *info.ExitCode == 0 {
				continue
			}
			j.times.failures++
			if first == "" {
				first = j.why(ctx, t)
			}
		}
	}
	if seen != len(j.payload.tasks) {
		return fmt.Errorf("%d tasks were added, %d are listed", len(j.payload.tasks), seen)
	}
	if j.times.failures > 0 {
		return fmt.Errorf("%d tasks failed; the first: %s", j.times.failures, first)
	}
	return nil
}

// why says how a task failed, with the end of what it wrote.
func (j *mainJob) why(ctx context.Context, t azbatch.Task) string {
	text := val(t.ID) + ": " + val(t.CommandLine)
	if info := t.ExecutionInfo; info != nil {
		text += fmt.Sprintf(": exit code %d", val(info.ExitCode))
		if info.FailureInfo != nil {
			text += ", " + val(info.FailureInfo.Code) + " " + val(info.FailureInfo.Message)
		}
	}
	if stderr, err := j.fetch(ctx, val(t.ID), "stderr.txt"); err == nil {
		text += "\n" + string(stderr[max(0, len(stderr)-1000):])
	}
	return text
}
