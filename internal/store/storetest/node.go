package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/pool"
)

func nodeIDs(f *fixture, nodes []*pool.Node, err error) []string {
	f.Helper()
	f.must(err)
	ids := []string{}
	for _, n := range nodes {
		ids = append(ids, n.ID)
	}
	return ids
}

var nodeTests = []subtest{
	{"is read as written", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		code := 3
		want := &pool.Node{
			ID: "tvmps_AB_d", PoolUID: p.UID, AccountUID: account, Number: 4, State: pool.NodeCreating, Scheduling: "enabled",
			Allocated: start, VMSize: "s", IP: "127.0.1.4", Slots: 4, BootID: "b", TokenHash: "h", Epoch: 2, SSHPort: 50000,
			Wish: pool.WishReboot, WishOption: "requeue", TotalRun: 7, TotalSucceeded: 6,
			Start:  &pool.StartTaskInfo{Attempt: 1, State: "completed", ExitCode: &code, Failure: &pool.Failure{Code: "x"}},
			Users:  []pool.NodeUser{{Name: "u", Admin: true, Expiry: start}},
			Errors: []pool.NodeError{{Code: "e", Details: [][2]string{{"a", "b"}}}},
			Recent: []pool.RecentTask{{JobID: "j", TaskID: "t", ExitCode: &code}},
		}
		f.must(f.db.AddNodes(f.ctx, []*pool.Node{want}, by))
		if want.UID == "" || want.Rev != 1 || want.StateAt != start {
			t.Fatalf("not filled: %+v", want)
		}
		got, err := f.db.GetNode(f.ctx, p.UID, "TVMPS_ab_D")
		f.must(err)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(want, f.node(want.UID)); d != "" {
			t.Fatal(d)
		}
	}},
	{"is listed by id and by number", func(t *testing.T, f *fixture) {
		p, q := f.pool("p"), f.pool("q")
		f.nodes(q, 1, 1)
		for i, id := range []string{"c", "a", "b"} {
			f.must(f.db.AddNodes(f.ctx, []*pool.Node{{ID: id, PoolUID: p.UID, Number: i, State: pool.NodeIdle}}, by))
		}
		page, err := f.db.ListNodes(f.ctx, p.UID, "A", 1)
		if d := cmp.Diff([]string{"b"}, nodeIDs(f, page, err)); d != "" {
			t.Fatal(d)
		}
		all, err := f.db.NodesOfPool(f.ctx, p.UID)
		if d := cmp.Diff([]string{"c", "a", "b"}, nodeIDs(f, all, err)); d != "" {
			t.Fatal(d)
		}
		every, err := f.db.AllNodes(f.ctx)
		if n := len(nodeIDs(f, every, err)); n != 4 {
			t.Fatal(n)
		}
	}},
	{"many are added at once or none", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		f.nodes(p, 300, 1)
		more := []*pool.Node{{ID: "new", PoolUID: p.UID, State: pool.NodeIdle}, {ID: "tvmps_000_d", PoolUID: p.UID, State: pool.NodeIdle}}
		f.mustCode(f.db.AddNodes(f.ctx, more, by), "NodeExists")
		_, err := f.db.GetNode(f.ctx, p.UID, "new")
		f.mustCode(err, "NodeNotFound")
	}},
	{"needs a pool that stays", func(t *testing.T, f *fixture) {
		node := []*pool.Node{{ID: "n", PoolUID: "none", State: pool.NodeIdle}}
		f.mustCode(f.db.AddNodes(f.ctx, node, by), "PoolNotFound")
		p := f.pool("p")
		_, err := f.db.UpdatePool(f.ctx, p.UID, by, func(p *pool.Pool) error { p.State = pool.Deleting; return nil })
		f.must(err)
		node[0].PoolUID = p.UID
		f.mustCode(f.db.AddNodes(f.ctx, node, by), "PoolBeingDeleted")
	}},
	{"is changed, its times rise", func(t *testing.T, f *fixture) {
		n := f.nodes(f.pool("p"), 1, 2)[0]
		f.clock.Set(start - 5)
		got, err := f.db.UpdateNode(f.ctx, n.UID, by, func(n *pool.Node) error {
			n.State, n.RunningTasks, n.ID = pool.NodeOffline, 9, "other"
			return nil
		})
		f.must(err)
		if got.StateAt != start+1 || got.Rev != 2 || got.ID != n.ID || got.RunningTasks != 0 {
			t.Fatalf("%+v", got)
		}
		if d := cmp.Diff(got, f.node(n.UID)); d != "" {
			t.Fatal(d)
		}
	}},
	{"missing", func(t *testing.T, f *fixture) {
		_, err := f.db.NodeByUID(f.ctx, "n")
		f.mustCode(err, "NodeNotFound")
		_, err = f.db.UpdateNode(f.ctx, "n", by, func(*pool.Node) error { return nil })
		f.mustCode(err, "NodeNotFound")
		f.mustCode(f.db.RemoveNode(f.ctx, "n", by), "NodeNotFound")
	}},
	{"is idle or running as its tasks say", func(t *testing.T, f *fixture) {
		_, n, _, tasks := f.running(1)
		set := func(state, want string) {
			t.Helper()
			got, err := f.db.UpdateNode(f.ctx, n.UID, by, func(n *pool.Node) error { n.State = state; return nil })
			f.must(err)
			if got.State != want || f.node(n.UID).State != want {
				t.Fatalf("%s became %s", state, got.State)
			}
		}
		set(pool.NodeUnknown, pool.NodeUnknown)
		set(pool.NodeIdle, pool.NodeRunning)
		set(pool.NodeUnknown, pool.NodeUnknown)
		f.report(ended(tasks[0], 0))
		set(pool.NodeRunning, pool.NodeIdle)
	}},
	{"stays while it has tasks", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		n := f.nodes(p, 1, 1)[0]
		f.tasks(f.job("j", nil), "t")
		f.claim(p, offer(n, 1))
		f.mustCode(f.db.RemoveNode(f.ctx, n.UID, by), "NodeBusy")
		_, err := f.db.RequeueNode(f.ctx, n.UID, nil, again)
		f.must(err)
		f.must(f.db.RemoveNode(f.ctx, n.UID, by))
	}},
}
