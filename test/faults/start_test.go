package faults

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"millpond/test/rig"
)

const (
	starts     = 4 // pools started one after the other
	startKills = 9 // while each starts
	startNodes = 4
)

// TestPoolsStartUnderKills kills the server, the node host and agents in turn
// while pools start whose nodes wait for a start task. Every node comes up all
// the same, its start task counted in its present boot alone: a boot that died
// under it is no failure of the task.
func TestPoolsStartUnderKills(t *testing.T) {
	random := draws(t)
	s := rig.Start(t)
	for round := range starts {
		id := fmt.Sprint("start", round)
		body := s.Pool(id, startNodes, 1)
		body["startTask"] = map[string]any{"waitForSuccess": true, "maxTaskRetryCount": 0,
			"commandLine": `/bin/sh -c 'sleep 0.1 && echo done >> $AZ_BATCH_NODE_SHARED_DIR/started'`}
		s.Do("POST", "/pools", body, nil)
		for k := range startKills {
			<-time.After(time.Duration(random.IntN(150)) * time.Millisecond)
			kill(t, s, k, random)
		}
		s.Eventually(time.Minute, "all nodes of "+id+" idle", func() (bool, string) {
			states, err := s.NodeStates(id)
			return err == nil && states["idle"] == startNodes && len(states) == 1, fmt.Sprint(err, states)
		})
		var list struct {
			Value []struct {
				ID    string
				Start struct {
					State, Result string
					RetryCount    int
				} `json:"startTaskInfo"`
			} `json:"value"`
		}
		s.Do("GET", "/pools/"+id+"/nodes", nil, &list)
		for _, n := range list.Value {
			if n.Start.State != "completed" || n.Start.Result != "success" || n.Start.RetryCount != 0 {
				t.Errorf("%s: %+v", n.ID, n.Start)
			}
		}
		if ran, err := filepath.Glob(filepath.Join(s.Data, "nodes", "*", "tasks", "shared", "started")); err != nil || len(ran) != startNodes {
			t.Errorf("the start task left its mark on %d nodes of %d: %v", len(ran), startNodes, err)
		}
		deletePool(s, id)
	}
	nothingLeft(t, s)
}
