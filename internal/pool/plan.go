package pool

import (
	"fmt"
	"slices"

	"millpond/internal/resource"
)

// Plan is what the pool loop does next for one pool: pure output of Next.
type Plan struct {
	// Create has one entry a node to make.
	Create []NewNode
	// Remove lists uids of nodes that shall leave, with the pool's option.
	Remove []string
	// Settled says that the allocation has ended: steady, with Errors.
	Settled bool
	Errors  []ResizeError
	// Gone says that a deleting pool has no node left: its row can go.
	Gone bool
}

// NewNode is a node to be made.
type NewNode struct {
	Number    int
	Dedicated bool
}

// Capacity is how many cores the account may still take, not counting the
// pool's present nodes, and how many machines the provider has left.
type Capacity struct {
	CoresPerNode     int
	DedicatedCores   int
	LowPriorityCores int
	Machines         int // < 0 = no limit
}

// Next decides how a pool's allocation goes on. It reads nothing but its
// arguments, so the same facts give the same plan after any crash.
func Next(p *Pool, nodes []*Node, room Capacity, now resource.Ticks) Plan {
	if p.State == Deleting {
		return farewell(nodes)
	}
	staying := map[bool][]*Node{}
	leaving := 0
	used := map[int]bool{}
	var named []string
	for _, n := range nodes {
		used[n.Number] = true
		switch {
		case n.State == NodeLeaving || n.Wish == WishRemove:
			leaving++
		case p.Allocation == Resizing && slices.Contains(p.Departing, n.UID):
			named = append(named, n.UID)
		default:
			staying[n.Dedicated] = append(staying[n.Dedicated], n)
		}
	}
	switch p.Allocation {
	case Steady:
		return Plan{}
	case Stopping:
		return Plan{Settled: true, Errors: stopErrors(p, len(staying[true]), len(staying[false]))}
	}
	plan := Plan{Remove: named}
	number := 0
	for _, kind := range []struct {
		dedicated bool
		target    int
		cores     int
		word      string
	}{
		{true, p.TargetDedicated, room.DedicatedCores, "dedicated"},
		{false, p.TargetLowPriority, room.LowPriorityCores, "low priority"},
	} {
		have := staying[kind.dedicated]
		for _, n := range pickLeavers(have, len(have)-kind.target) {
			plan.Remove = append(plan.Remove, n.UID)
		}
		want := kind.target - len(have)
		if want <= 0 {
			continue
		}
		can := min(want, kind.cores/max(room.CoresPerNode, 1)-len(have))
		if can < want {
			plan.Errors = append(plan.Errors, ResizeError{
				Code:    "AccountCoreQuotaReached",
				Message: "The specified account has reached core quota",
				Values: [][2]string{{"Reason", fmt.Sprintf(
					"The %s core quota of the account leaves room for %d of the %d %s nodes asked for.",
					kind.word, max(can, 0)+len(have), kind.target, kind.word)}},
			})
		}
		if room.Machines >= 0 && can > room.Machines-len(plan.Create) {
			can = max(room.Machines-len(plan.Create), 0)
			plan.Errors = append(plan.Errors, ResizeError{
				Code:    "AllocationFailed",
				Message: "Desired number of " + kind.word + " nodes could not be allocated",
				Values:  [][2]string{{"Reason", "The machine provider has no room for more nodes."}},
			})
		}
		for range max(can, 0) {
			for used[number] {
				number++
			}
			used[number] = true
			plan.Create = append(plan.Create, NewNode{Number: number, Dedicated: kind.dedicated})
		}
	}
	late := now >= p.ResizeStarted.Add(p.ResizeTimeout)
	if late && leaving > 0 {
		plan.Errors = append(plan.Errors, ResizeError{
			Code:    "AllocationTimedout",
			Message: "Desired number of dedicated nodes could not be allocated as the resize timeout was reached",
		})
	}
	// Azure calls a pool steady when its nodes are allocated, though they may
	// still be creating; a shrink ends when the last leaver is gone.
	plan.Settled = len(plan.Remove) == 0 && (leaving == 0 || late)
	return plan
}

// farewell is the plan of a pool that is deleted: all nodes leave, and those
// that were to finish their tasks first no longer wait for them.
func farewell(nodes []*Node) Plan {
	plan := Plan{Gone: len(nodes) == 0}
	for _, n := range nodes {
		if n.State != NodeLeaving && (n.Wish != WishRemove || n.WishOption == "taskcompletion") {
			plan.Remove = append(plan.Remove, n.UID)
		}
	}
	return plan
}

// pickLeavers chooses n nodes to give up: first those that cannot work, then
// idle ones, then the highest numbers, so that a pool shrinks from its end.
func pickLeavers(nodes []*Node, n int) []*Node {
	if n <= 0 {
		return nil
	}
	rank := func(x *Node) int {
		switch {
		case x.State == NodeRunning:
			return 2
		case x.State == NodeIdle:
			return 1
		default:
			return 0
		}
	}
	sorted := slices.Clone(nodes)
	slices.SortStableFunc(sorted, func(a, b *Node) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return b.Number - a.Number
	})
	return sorted[:n]
}

// stopErrors is what a stopped resize leaves behind (facts/wire.md 2.2).
func stopErrors(p *Pool, dedicated, lowPriority int) []ResizeError {
	var errs []ResizeError
	note := func(word string) {
		errs = append(errs, ResizeError{Code: "ResizeStopped",
			Message: "Desired number of " + word + " nodes could not be allocated due to a stop resize operation"})
	}
	if dedicated != p.TargetDedicated {
		note("dedicated")
	}
	if lowPriority != p.TargetLowPriority {
		note("low priority")
	}
	return errs
}
