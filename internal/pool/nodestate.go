package pool

import (
	"millpond/internal/fault"
	"millpond/internal/resource"
)

// NodeEvent is something that moves a node from state to state.
type NodeEvent string

// Events of a node. Tasks move a node between idle and running in the store,
// in the transaction that claims or settles them.
const (
	MachineUp       NodeEvent = "machineUp"       // the provider started the machine
	AgentUp         NodeEvent = "agentUp"         // that boot's agent said hello; nothing to wait for
	AgentUpMustWait NodeEvent = "agentUpMustWait" // hello, and a start task to wait for
	StartTaskDone   NodeEvent = "startTaskDone"   // the start task succeeded
	StartTaskBad    NodeEvent = "startTaskBad"    // it failed for good
	MachineLost     NodeEvent = "machineLost"     // the machine ended by itself, or its host died
	MachineFailed   NodeEvent = "machineFailed"   // the provider could not start it
	RebootAsked     NodeEvent = "rebootAsked"     // POST reboot
	ReimageAsked    NodeEvent = "reimageAsked"    // POST reimage
	RemoveAsked     NodeEvent = "removeAsked"     // removenodes, shrink, pool delete
	OutOfReach      NodeEvent = "outOfReach"      // no contact for long though the machine runs
	WithinReach     NodeEvent = "withinReach"     // contact again
)

// nodeMoves is the whole state machine: what is not in it is refused. Azure's
// walk is creating, starting, (waitingforstarttask), idle, running
// (facts/wire.md 2.5). A lost machine starts again on its disk under its id.
var nodeMoves = map[string]map[NodeEvent]string{
	NodeCreating:        {MachineUp: NodeStarting, MachineFailed: NodeUnusable, MachineLost: NodeStarting, RemoveAsked: NodeLeaving},
	NodeStarting:        {MachineUp: NodeStarting, AgentUp: NodeIdle, AgentUpMustWait: NodeWaiting, MachineLost: NodeStarting, MachineFailed: NodeUnusable, RebootAsked: NodeRebooting, ReimageAsked: NodeReimaging, RemoveAsked: NodeLeaving},
	NodeWaiting:         {AgentUpMustWait: NodeWaiting, StartTaskDone: NodeIdle, StartTaskBad: NodeStartTaskFailed, MachineLost: NodeStarting, RebootAsked: NodeRebooting, ReimageAsked: NodeReimaging, RemoveAsked: NodeLeaving},
	NodeStartTaskFailed: {AgentUp: NodeStartTaskFailed, AgentUpMustWait: NodeStartTaskFailed, MachineLost: NodeStarting, RebootAsked: NodeRebooting, ReimageAsked: NodeReimaging, RemoveAsked: NodeLeaving},
	NodeIdle:            {AgentUp: NodeIdle, AgentUpMustWait: NodeIdle, MachineLost: NodeStarting, OutOfReach: NodeUnknown, RebootAsked: NodeRebooting, ReimageAsked: NodeReimaging, RemoveAsked: NodeLeaving},
	NodeRunning:         {AgentUp: NodeRunning, AgentUpMustWait: NodeRunning, MachineLost: NodeStarting, OutOfReach: NodeUnknown, RebootAsked: NodeRebooting, ReimageAsked: NodeReimaging, RemoveAsked: NodeLeaving},
	NodeUnknown:         {WithinReach: NodeIdle, AgentUp: NodeIdle, AgentUpMustWait: NodeIdle, MachineLost: NodeStarting, RebootAsked: NodeRebooting, ReimageAsked: NodeReimaging, RemoveAsked: NodeLeaving},
	NodeUnusable:        {RebootAsked: NodeRebooting, ReimageAsked: NodeReimaging, RemoveAsked: NodeLeaving},
	NodeRebooting:       {MachineUp: NodeStarting, MachineFailed: NodeUnusable, MachineLost: NodeRebooting, RemoveAsked: NodeLeaving},
	NodeReimaging:       {MachineUp: NodeStarting, MachineFailed: NodeUnusable, MachineLost: NodeReimaging, RemoveAsked: NodeLeaving},
	NodeLeaving:         {MachineUp: NodeLeaving, MachineLost: NodeLeaving, RemoveAsked: NodeLeaving},
}

// Move applies e to the node at now. An event the state does not know gives
// the 409 Azure answers for it and changes nothing.
func (n *Node) Move(e NodeEvent, now resource.Ticks) error {
	to, ok := nodeMoves[n.State][e]
	if !ok {
		return refusal(n.State)
	}
	if to != n.State {
		n.State, n.StateAt = to, now
	}
	return nil
}

// Booted ends the wish that a boot fulfils, or that failed for good; a node that
// shall leave still has to.
func (n *Node) Booted() {
	if n.Wish != WishRemove {
		n.Wish, n.WishOption = "", ""
	}
}

// refusal is Azure's code for a node that cannot do what is asked now.
func refusal(state string) error {
	switch state {
	case NodeCreating:
		return fault.New("NodeBeingCreated", "The specified node is being created.")
	case NodeStarting:
		return fault.New("NodeBeingStarted", "The specified node is being started.")
	case NodeRebooting:
		return fault.New("NodeBeingRebooted", "The specified node is being rebooted.")
	case NodeReimaging:
		return fault.New("NodeBeingReimaged", "The specified node is being reimaged.")
	case NodeUnusable:
		return fault.New("NodeStateUnusable", "The specified node is in an unusable state.")
	default:
		return fault.New("OperationInvalidForCurrentState", "The specified operation is not valid for the current state of the resource.").
			With("Reason", "The node is in state "+state+".")
	}
}

// Usable reports whether the node may be given tasks.
func (n *Node) Usable() bool {
	return (n.State == NodeIdle || n.State == NodeRunning) && n.Scheduling != "disabled" && n.Wish == ""
}

// Reachable reports whether an agent should be answering.
func (n *Node) Reachable() bool {
	switch n.State {
	case NodeIdle, NodeRunning, NodeWaiting, NodeStartTaskFailed, NodeUnknown, NodeOffline:
		return true
	}
	return false
}
