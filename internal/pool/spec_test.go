package pool

import (
	"errors"
	"strings"
	"testing"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

func goodSpec() Spec {
	s := Spec{ID: "mypool", VMSize: "standard_a1_v2", NodeAgentSKU: "batch.node.debian 12"}
	s.Defaults()
	return s
}

// Each broken rule names its property; the unbroken specification passes.
func TestSpecRules(t *testing.T) {
	if err := new(goodSpec()).Check(1); err != nil {
		t.Fatal(err)
	}
	for property, breakIt := range map[string]func(*Spec){
		"id":                          func(s *Spec) { s.ID = "a b" },
		"displayName":                 func(s *Spec) { s.DisplayName = strings.Repeat("x", 1025) },
		"taskSlotsPerNode":            func(s *Spec) { s.TaskSlotsPerNode = 5 },
		"nodeAgentSKUId":              func(s *Spec) { s.NodeAgentSKU = "" },
		"userAccounts.name":           func(s *Spec) { s.UserAccounts = []UserAccount{{Name: strings.Repeat("u", 21)}} },
		"userAccounts":                func(s *Spec) { s.UserAccounts = []UserAccount{{Name: "ann"}, {Name: "ann"}} },
		"startTask.commandLine":       func(s *Spec) { s.StartTask = &StartTask{} },
		"startTask.maxTaskRetryCount": func(s *Spec) { s.StartTask = &StartTask{CommandLine: "true", MaxRetries: -2} },
		"startTask.userIdentity":      func(s *Spec) { s.StartTask = &StartTask{CommandLine: "true", User: UserIdentity{Username: "nobody1"}} },
	} {
		s := goodSpec()
		breakIt(&s)
		f, ok := errors.AsType[*fault.Error](s.Check(1))
		if !ok || f.Details[0].Key != "PropertyName" || f.Details[0].Value != property {
			t.Errorf("%s: %v", property, f)
		}
	}
}

// All broken rules are told at once.
func TestAllProblemsAtOnce(t *testing.T) {
	s := Spec{ID: "a b", TaskSlotsPerNode: 99}
	f, _ := errors.AsType[*fault.Error](s.Check(0))
	text := f.Error()
	for _, want := range []string{"PropertyName=id", "PropertyName=vmSize", "PropertyName=nodeAgentSKUId", "PropertyName=taskSlotsPerNode"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		dedicated, low int
		timeout        resource.Span
		ok             bool
	}{
		{0, 0, DefaultResizeTimeout, true}, {-1, 0, DefaultResizeTimeout, false}, {0, -1, DefaultResizeTimeout, false},
		{1, 1, MinResizeTimeout - 1, false}, {1, 1, MinResizeTimeout, true}, {1, 1, MaxResizeTimeout + 1, false},
	} {
		if err := CheckTargets(c.dedicated, c.low, c.timeout); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestStartTaskRetries(t *testing.T) {
	task := &StartTask{CommandLine: "false", MaxRetries: 2, WaitForSuccess: true}
	n := &Node{State: NodeWaiting}
	bad := 1
	for attempt := 1; attempt <= 3; attempt++ {
		if got := n.BeginStart(resource.Ticks(attempt)); got != attempt {
			t.Fatalf("attempt %d is called %d", attempt, got)
		}
		if n.HearStart(task, StartNews{Attempt: attempt - 1, Ended: true, ExitCode: new(0)}, 5) || n.Start.State != "running" {
			t.Fatal("news of another attempt was taken")
		}
		again := n.HearStart(task, StartNews{Attempt: attempt, Ended: true, ExitCode: &bad}, 5)
		if again != (attempt < 3) {
			t.Fatalf("after attempt %d: again %v", attempt, again)
		}
	}
	if n.State != NodeStartTaskFailed || n.Start.Retries != 2 || n.Start.Failure == nil || len(n.Errors) != 1 {
		t.Fatalf("%+v %+v", n, n.Start)
	}
	ok := &Node{State: NodeWaiting}
	ok.BeginStart(1)
	if ok.HearStart(task, StartNews{Attempt: 1, Ended: true, At: 7, ExitCode: new(0)}, 8) || ok.State != NodeIdle || ok.Start.Result != "success" {
		t.Fatalf("%+v", ok)
	}
}

func TestAddressesAreLoopbackAndDistinct(t *testing.T) {
	seen := map[string]bool{}
	for n := range 5000 {
		a := Address("some-pool", n)
		if !strings.HasPrefix(a, "127.") || strings.HasPrefix(a, "127.0.") || strings.HasPrefix(a, "127.66.") || seen[a] {
			t.Fatal(n, a)
		}
		seen[a] = true
	}
}
