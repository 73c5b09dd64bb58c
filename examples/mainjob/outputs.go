package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// fetchers is how many files are fetched at a time.
const fetchers = 8

// outputs fetches each task's output from its node through the file API, checks it and writes it to the output folder.
func (j *mainJob) outputs(ctx context.Context) error {
	return j.do1("outputs fetched and checked", func() (string, error) {
		todo := make(chan task)
		go func() {
			defer close(todo)
			for _, t := range j.payload.tasks {
				select {
				case todo <- t:
				case <-ctx.Done():
					return
				}
			}
		}()
		var (
			mu    sync.Mutex
			wg    sync.WaitGroup
			first error
			bytes int
			files int
		)
		for range fetchers {
			wg.Go(func() {
				for t := range todo {
					n, err := j.output(ctx, t)
					mu.Lock()
					if err != nil && first == nil {
						first = fmt.Errorf("output of task %s: %w", t.id, err)
					}
					if err == nil {
						files, bytes = files+1, bytes+n
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if first == nil && files != len(j.payload.tasks) {
			first = ctx.Err()
		}
		return fmt.Sprintf("%d files, %.1f MB", files, float64(bytes)/1e6), first
	})
}

func (j *mainJob) output(ctx context.Context, t task) (int, error) {
	data, err := j.fetch(ctx, t.id, "wd/"+t.output)
	if err != nil {
		return 0, err
	}
	if err := t.check(data); err != nil {
		return 0, err
	}
	return len(data), os.WriteFile(filepath.Join(j.out, t.output), data, 0o644) //nolint:gosec // pictures are for everybody
}

// fetch reads a file of a task.
func (j *mainJob) fetch(ctx context.Context, taskID, path string) ([]byte, error) {
	got, err := j.batch.GetTaskFile(ctx, jobID, taskID, path, nil)
	if err != nil {
		return nil, err
	}
	defer got.Body.Close()
	return io.ReadAll(got.Body)
}
