package pool

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millpond/internal/resource"
)

func anyPool(t *rapid.T) (*Pool, []*Node, Capacity) {
	p := &Pool{State: rapid.SampledFrom([]string{Active, Active, Deleting}).Draw(t, "state"),
		Allocation:        rapid.SampledFrom([]string{Resizing, Resizing, Steady, Stopping}).Draw(t, "allocation"),
		TargetDedicated:   rapid.IntRange(0, 12).Draw(t, "dedicated"),
		TargetLowPriority: rapid.IntRange(0, 12).Draw(t, "low"),
		ResizeTimeout:     15 * resource.Minute}
	if p.State == Deleting {
		p.TargetDedicated, p.TargetLowPriority = 0, 0
	}
	var nodes []*Node
	for i := range rapid.IntRange(0, 15).Draw(t, "nodes") {
		n := &Node{UID: fmt.Sprint("n", i), Number: i * 2, Dedicated: rapid.Bool().Draw(t, "dedicated"),
			State: rapid.SampledFrom([]string{NodeCreating, NodeStarting, NodeIdle, NodeRunning, NodeUnusable, NodeLeaving}).Draw(t, "state")}
		if rapid.IntRange(0, 5).Draw(t, "wish") == 0 {
			n.Wish = WishRemove
		}
		if rapid.IntRange(0, 3).Draw(t, "departing") == 0 {
			p.Departing = append(p.Departing, n.UID)
		}
		nodes = append(nodes, n)
	}
	room := Capacity{CoresPerNode: rapid.IntRange(1, 4).Draw(t, "cores"), DedicatedCores: rapid.IntRange(0, 60).Draw(t, "quota"),
		LowPriorityCores: rapid.IntRange(0, 60).Draw(t, "low quota"), Machines: rapid.IntRange(-1, 20).Draw(t, "machines")}
	return p, nodes, room
}

// Laws of a plan: counts never pass target or quota, numbers are not used
// twice, no node is told to leave twice, and a missing node has its reason.
func TestPlanLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, nodes, room := anyPool(t)
		plan := Next(p, nodes, room, 100)
		staying, used := map[bool]int{}, map[int]bool{}
		leaves := map[string]bool{}
		for _, uid := range plan.Remove {
			if leaves[uid] {
				t.Fatalf("%s leaves twice", uid)
			}
			leaves[uid] = true
		}
		left := 0
		for _, n := range nodes {
			used[n.Number] = true
			gone := n.State == NodeLeaving || n.Wish == WishRemove
			if gone && leaves[n.UID] {
				t.Fatalf("%s is told to leave again", n.UID)
			}
			if gone || leaves[n.UID] {
				left++
				continue
			}
			if p.Allocation == Resizing && slices.Contains(p.Departing, n.UID) {
				t.Fatalf("%s was named and is not told to leave", n.UID)
			}
			staying[n.Dedicated]++
		}
		have := map[bool]int{true: staying[true], false: staying[false]}
		for _, c := range plan.Create {
			if used[c.Number] {
				t.Fatalf("number %d used twice", c.Number)
			}
			used[c.Number] = true
			staying[c.Dedicated]++
		}
		target := map[bool]int{true: p.TargetDedicated, false: p.TargetLowPriority}
		quota := map[bool]int{true: room.DedicatedCores, false: room.LowPriorityCores}
		if p.Allocation == Resizing || p.State == Deleting {
			for _, kind := range []bool{true, false} {
				if staying[kind] > target[kind] {
					t.Fatalf("%d nodes for a target of %d", staying[kind], target[kind])
				}
				if staying[kind] < target[kind] && len(plan.Errors) == 0 {
					t.Fatal("a node is missing without a reason")
				}
				if staying[kind] > have[kind] && staying[kind]*room.CoresPerNode > quota[kind] {
					t.Fatal("more cores than the quota")
				}
			}
		} else if len(plan.Create)+len(plan.Remove) > 0 {
			t.Fatal("a pool that is not resizing changes its nodes")
		}
		if plan.Gone != (p.State == Deleting && len(nodes) == 0) {
			t.Fatalf("gone: %v", plan.Gone)
		}
		if plan.Settled && p.Allocation == Resizing && left > 0 {
			t.Fatal("steady before the last leaver is gone")
		}
	})
}

// Carrying out plans again and again ends steady at the target.
func TestPlansEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, nodes, room := anyPool(t)
		p.State, p.Allocation = Active, Resizing
		room.DedicatedCores, room.LowPriorityCores, room.Machines = 1000, 1000, -1
		for range 4 {
			plan := Next(p, nodes, room, 100)
			leave := map[string]bool{}
			for _, uid := range plan.Remove {
				leave[uid] = true
			}
			var next []*Node
			for _, n := range nodes {
				if !leave[n.UID] && n.State != NodeLeaving && n.Wish != WishRemove {
					next = append(next, n)
				}
			}
			for _, c := range plan.Create {
				next = append(next, &Node{UID: fmt.Sprint("new", c.Number), Number: c.Number, Dedicated: c.Dedicated, State: NodeCreating})
			}
			nodes = next
			if plan.Settled && len(nodes) == p.TargetDedicated+p.TargetLowPriority {
				return
			}
		}
		t.Fatalf("%d nodes, not settled", len(nodes))
	})
}

func TestLeaversAreTheIdleLast(t *testing.T) {
	nodes := []*Node{{UID: "run", State: NodeRunning, Number: 9}, {UID: "idle0", State: NodeIdle, Number: 0},
		{UID: "idle5", State: NodeIdle, Number: 5}, {UID: "bad", State: NodeUnusable, Number: 1}}
	got := ""
	for _, n := range pickLeavers(nodes, 3) {
		got += n.UID + " "
	}
	if got != "bad idle5 idle0 " {
		t.Fatal(got)
	}
}

func TestStopLeavesItsReason(t *testing.T) {
	p := &Pool{Allocation: Stopping, State: Active, TargetDedicated: 2, TargetLowPriority: 1}
	plan := Next(p, []*Node{{Dedicated: true, State: NodeIdle}, {Dedicated: true, State: NodeIdle}}, Capacity{}, 1)
	if !plan.Settled || len(plan.Errors) != 1 || plan.Errors[0].Code != "ResizeStopped" ||
		plan.Errors[0].Message != "Desired number of low priority nodes could not be allocated due to a stop resize operation" {
		t.Fatalf("%+v", plan)
	}
}
