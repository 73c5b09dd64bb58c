package pool

import (
	"testing"

	"millpond/internal/fault"
)

var (
	allStates = []string{NodeCreating, NodeStarting, NodeWaiting, NodeStartTaskFailed, NodeIdle, NodeRunning, NodeOffline,
		NodeRebooting, NodeReimaging, NodeLeaving, NodeUnusable, NodeUnknown, NodePreempted}
	allEvents = []NodeEvent{MachineUp, AgentUp, AgentUpMustWait, StartTaskDone, StartTaskBad, MachineLost, MachineFailed,
		RebootAsked, ReimageAsked, RemoveAsked, OutOfReach, WithinReach}
)

// Every pair of state and event either moves as the table says, noting the
// time only when the state changes, or is refused and changes nothing.
func TestEveryMove(t *testing.T) {
	for _, state := range allStates {
		for _, event := range allEvents {
			n := &Node{State: state, StateAt: 5}
			err := n.Move(event, 9)
			to, legal := nodeMoves[state][event]
			switch {
			case !legal && (fault.CodeOf(err) == "" || n.State != state || n.StateAt != 5):
				t.Errorf("%s on %s: %v, node %+v", event, state, err, n)
			case legal && (err != nil || n.State != to || (n.StateAt == 9) != (to != state)):
				t.Errorf("%s on %s: want %s, got %+v (%v)", event, state, to, n, err)
			}
		}
	}
}

func TestAzuresWalk(t *testing.T) {
	for name, walk := range map[string]struct {
		events []NodeEvent
		states []string
	}{
		"plain":        {[]NodeEvent{MachineUp, AgentUp}, []string{NodeStarting, NodeIdle}},
		"start task":   {[]NodeEvent{MachineUp, AgentUpMustWait, StartTaskDone}, []string{NodeStarting, NodeWaiting, NodeIdle}},
		"bad start":    {[]NodeEvent{MachineUp, AgentUpMustWait, StartTaskBad, RebootAsked, MachineUp}, []string{NodeStarting, NodeWaiting, NodeStartTaskFailed, NodeRebooting, NodeStarting}},
		"lost machine": {[]NodeEvent{MachineUp, AgentUp, MachineLost, MachineUp, AgentUp}, []string{NodeStarting, NodeIdle, NodeStarting, NodeStarting, NodeIdle}},
		"failed start": {[]NodeEvent{MachineFailed, ReimageAsked, MachineUp}, []string{NodeUnusable, NodeReimaging, NodeStarting}},
	} {
		n := &Node{State: NodeCreating}
		for i, e := range walk.events {
			if err := n.Move(e, 1); err != nil || n.State != walk.states[i] {
				t.Errorf("%s, step %d (%s): state %s, %v", name, i, e, n.State, err)
				break
			}
		}
	}
}

// A node can be taken out of its pool from every state it can be in.
func TestAlwaysRemovable(t *testing.T) {
	for state := range nodeMoves {
		n := &Node{State: state}
		if err := n.Move(RemoveAsked, 1); err != nil || n.State != NodeLeaving {
			t.Errorf("%s: %s %v", state, n.State, err)
		}
	}
}
