package rig

import (
	"encoding/json"
	"fmt"
	"time"
)

// Node is a node as the API tells it.
type Node struct {
	ID            string
	State         string
	LastBootTime  string
	IPAddress     string
	StartTaskInfo *Execution
	Errors        []struct{ Code, Message string }
}

// Execution is the execution information of a task or start task.
type Execution struct {
	State       string
	Result      string
	ExitCode    *int
	RetryCount  int
	FailureInfo *struct{ Category, Code, Message string }
}

// Nodes lists a pool's nodes.
func (s *Server) Nodes(pool string) []Node {
	s.tb.Helper()
	var list struct{ Value []Node }
	s.Do("GET", "/pools/"+pool+"/nodes", nil, &list)
	return list.Value
}

// Idle waits until a pool has n nodes and all are idle, and gives them.
func (s *Server) Idle(pool string, n int) []Node {
	s.tb.Helper()
	s.Eventually(time.Minute, fmt.Sprintf("%d idle nodes in %s", n, pool), func() (bool, string) {
		states, err := s.NodeStates(pool)
		return err == nil && states["idle"] == n && len(states) == 1, fmt.Sprint(states, err)
	})
	return s.Nodes(pool)
}

// NodeIn waits until a node is in a state.
func (s *Server) NodeIn(pool, node, state string) Node {
	s.tb.Helper()
	var n Node
	s.Eventually(time.Minute, node+" "+state, func() (bool, string) {
		a, err := s.Try("GET", "/pools/"+pool+"/nodes/"+node, nil)
		if err != nil {
			return false, err.Error()
		}
		n = Node{}
		return json.Unmarshal(a.Body, &n) == nil && n.State == state, string(a.Body)
	})
	return n
}

// Outcome is how a task ended.
type Outcome struct {
	Execution
	Node           string // id
	Stdout, Stderr string
}

// Run runs a task to its end; with are more properties of it.
func (s *Server) Run(job, id, command string, with map[string]any) Outcome {
	s.tb.Helper()
	s.Add(job, id, command, with)
	return s.Ended(job, id)
}

// Script is a command line for sh; the script has no single quotes.
func Script(script string) string {
	return "/bin/sh -c '" + script + "'"
}

// Add adds a task.
func (s *Server) Add(job, id, command string, with map[string]any) {
	s.tb.Helper()
	body := map[string]any{"id": id, "commandLine": command}
	for name, v := range with {
		body[name] = v
	}
	s.Do("POST", "/jobs/"+job+"/tasks", body, nil)
}

// Ended waits for a task's end and fetches what it wrote.
func (s *Server) Ended(job, id string) Outcome {
	s.tb.Helper()
	var t struct {
		State         string
		ExecutionInfo Execution
		NodeInfo      struct{ NodeID string }
	}
	path := "/jobs/" + job + "/tasks/" + id
	s.Eventually(time.Minute, "task "+id+" completed", func() (bool, string) {
		a, err := s.Try("GET", path, nil)
		if err != nil {
			return false, err.Error()
		}
		return json.Unmarshal(a.Body, &t) == nil && t.State == "completed", string(a.Body)
	})
	o := Outcome{Execution: t.ExecutionInfo, Node: t.NodeInfo.NodeID}
	o.Stdout, o.Stderr = s.File(path+"/files/stdout.txt"), s.File(path+"/files/stderr.txt")
	return o
}

// File reads a file by its path in the API; "" when it cannot be had.
func (s *Server) File(path string) string {
	s.tb.Helper()
	a, err := s.Try("GET", path, nil)
	if err != nil {
		s.tb.Fatal(err)
	}
	if a.Status != 200 {
		return ""
	}
	return string(a.Body)
}

// Elevated is the property of a task under which it has root's rights in its node.
func Elevated() map[string]any {
	return map[string]any{"userIdentity": map[string]any{"autoUser": map[string]any{"scope": "pool", "elevationLevel": "admin"}}}
}
