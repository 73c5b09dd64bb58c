package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"millpond/test/rig"
)

const (
	manyNodes = 500
	manyTasks = 10_000
)

// BenchmarkNodesIdle starts 500 nodes and waits until the API shows them all
// idle. The base line is a bare fork and exec of the same agent, two at a time,
// measured right before and right after.
func BenchmarkNodesIdle(b *testing.B) {
	s := rig.Start(b)
	warm(b, s)
	for b.Loop() {
		before := forkExec(b, manyNodes)
		began := time.Now()
		s.Do("POST", "/pools", s.Pool("many", manyNodes, 1), nil)
		s.Eventually(2*time.Minute, "all idle", func() (bool, string) {
			a, err := s.Try("GET", "/nodecounts?$filter=poolId%20eq%20%27many%27", nil)
			return err == nil && strings.Contains(string(a.Body), fmt.Sprintf(`"idle":%d`, manyNodes)), fmt.Sprint(err, string(a.Body))
		})
		took := time.Since(began)
		after := forkExec(b, manyNodes)
		base := (before + after) / 2
		b.ReportMetric(took.Seconds(), "s/500-nodes-idle")
		b.ReportMetric(float64(took.Microseconds())/1000/manyNodes, "ms/node")
		b.ReportMetric(float64(base.Microseconds())/1000/manyNodes, "ms/bare-fork-exec")
		b.ReportMetric(took.Seconds()/base.Seconds(), "x-bare")
		drop(b, s, "many")
	}
}

// BenchmarkTasks submits 10,000 tasks in collections of 100 to 4 nodes of 4
// slots and waits until all are completed; each has its own directory and runs
// as the nodes' user. The base line is `xargs -P2` of the same command.
func BenchmarkTasks(b *testing.B) {
	for _, c := range []struct{ name, command string }{
		{"true", "true"},
		{"witness", `/bin/sh -c 'echo $AZ_BATCH_TASK_ID >> $AZ_BATCH_NODE_SHARED_DIR/witness'`},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := rig.Start(b)
			s.Do("POST", "/pools", s.Pool("p", 4, 4), nil)
			s.Eventually(time.Minute, "idle", func() (bool, string) {
				states, err := s.NodeStates("p")
				return err == nil && states["idle"] == 4, fmt.Sprint(states, err)
			})
			for b.Loop() {
				before := xargs(b, c.command)
				took := runTasks(b, s, c.command)
				after := xargs(b, c.command)
				base := (before + after) / 2
				b.ReportMetric(manyTasks/took.Seconds(), "tasks/s")
				b.ReportMetric(manyTasks/base.Seconds(), "xargs/s")
				b.ReportMetric(base.Seconds()/took.Seconds(), "of-xargs")
				if c.name == "witness" {
					witnessed(b, s)
				}
			}
		})
	}
}

func runTasks(b *testing.B, s *rig.Server, command string) time.Duration {
	began := time.Now()
	s.Do("POST", "/jobs", map[string]any{"id": "j", "poolInfo": map[string]string{"poolId": "p"}}, nil)
	for from := 0; from < manyTasks; from += 100 {
		var list []any
		for i := from; i < from+100; i++ {
			list = append(list, map[string]any{"id": fmt.Sprintf("t%05d", i), "commandLine": command})
		}
		s.Do("POST", "/jobs/j/addtaskcollection", map[string]any{"value": list}, nil)
	}
	var counts struct {
		TaskCounts struct{ Completed, Succeeded int }
	}
	s.Eventually(5*time.Minute, "all completed", func() (bool, string) {
		a, err := s.Try("GET", "/jobs/j/taskcounts", nil)
		if err == nil {
			err = json.Unmarshal(a.Body, &counts)
		}
		return err == nil && counts.TaskCounts.Completed == manyTasks, fmt.Sprint(err, counts)
	})
	took := time.Since(began)
	if counts.TaskCounts.Succeeded != manyTasks {
		b.Fatalf("%+v", counts)
	}
	return took
}

// witnessed counts the lines the tasks themselves wrote on their nodes.
func witnessed(b *testing.B, s *rig.Server) {
	files, _ := filepath.Glob(filepath.Join(s.Data, "nodes", "*", "tasks", "shared", "witness"))
	seen := map[string]bool{}
	lines := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		for _, id := range strings.Fields(string(text)) {
			seen[id] = true
			lines++
		}
	}
	if len(seen) != manyTasks || lines != manyTasks {
		b.Fatalf("the witness saw %d tasks in %d lines, of %d", len(seen), lines, manyTasks)
	}
}

// warm makes the image's tree before anything is measured.
func warm(b *testing.B, s *rig.Server) {
	s.Do("POST", "/pools", s.Pool("warm", 1, 1), nil)
	s.Eventually(time.Minute, "warm", func() (bool, string) {
		states, err := s.NodeStates("warm")
		return err == nil && states["idle"] == 1, fmt.Sprint(states, err)
	})
	drop(b, s, "warm")
}

func drop(b *testing.B, s *rig.Server, pool string) {
	b.Helper()
	s.Do("DELETE", "/pools/"+pool, nil, nil)
	s.Eventually(2*time.Minute, "gone", func() (bool, string) {
		a, err := s.Try("GET", "/pools/"+pool, nil)
		return err == nil && a.Status == 404, fmt.Sprint(err, a.Status)
	})
}

// forkExec starts and ends the agent's binary n times, two at a time, without
// namespaces, mounts or a session: what no node start can go below.
func forkExec(b *testing.B, n int) time.Duration {
	agent := filepath.Join(filepath.Dir(rig.Binary(b)), "millpond-node")
	began := time.Now()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range n / 2 {
				// Without a boot message the agent ends at once; its exit code says so.
				_ = exec.CommandContext(context.Background(), agent).Run()
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

func xargs(b *testing.B, command string) time.Duration {
	dir := b.TempDir()
	script := "seq " + fmt.Sprint(manyTasks) + " | xargs -P2 -n1 true"
	if command != "true" {
		script = "seq " + fmt.Sprint(manyTasks) + ` | xargs -P2 -n1 /bin/sh -c 'echo $0 >> ` + dir + `/witness'`
	}
	began := time.Now()
	if out, err := exec.CommandContext(context.Background(), "/bin/sh", "-c", script).CombinedOutput(); err != nil {
		b.Fatalf("%v %s", err, out)
	}
	return time.Since(began)
}
