package storetest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/pool"
)

func (f *fixture) poolIDs(pools []*pool.Pool, err error) []string {
	f.Helper()
	f.must(err)
	ids := []string{}
	for _, p := range pools {
		ids = append(ids, p.Spec.ID)
	}
	return ids
}

var poolTests = []subtest{
	{"is read as written", func(t *testing.T, f *fixture) {
		want := &pool.Pool{
			AccountUID: account, State: pool.Active, Allocation: pool.Resizing, TargetDedicated: 3, TargetLowPriority: 1,
			ResizeTimeout: 9, ResizeStarted: start, Deallocation: "requeue",
			ResizeErrors: []pool.ResizeError{{Code: "c", Message: "m", Values: [][2]string{{"k", "v"}}}},
			Image:        pool.Image{ExactVersion: "1.0.0", Region: "westeurope"},
			Spec: pool.Spec{ID: "MyPool", VMSize: "standard_a1_v2", TaskSlotsPerNode: 2, EmptyCertificates: true,
				Metadata:  []pool.Metadata{{Name: "n", Value: "é\u0000"}},
				StartTask: &pool.StartTask{CommandLine: "true", MaxRetries: -1}},
		}
		f.must(f.db.CreatePool(f.ctx, want, by))
		if want.UID == "" || want.Rev != 1 || want.Created != start || want.Modified != start || want.StateAt != start {
			t.Fatalf("not filled: %+v", want)
		}
		got, err := f.db.GetPool(f.ctx, account, "MYPOOL")
		f.must(err)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		byUID, err := f.db.PoolByUID(f.ctx, want.UID)
		f.must(err)
		if d := cmp.Diff(want, byUID); d != "" {
			t.Fatal(d)
		}
	}},
	{"exists once in its account", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		again := func() error {
			return f.db.CreatePool(f.ctx, &pool.Pool{AccountUID: account, State: pool.Active, Spec: pool.Spec{ID: "P"}}, by)
		}
		f.mustCode(again(), "PoolExists")
		f.must(f.db.CreatePool(f.ctx, &pool.Pool{AccountUID: "other", State: pool.Active, Spec: pool.Spec{ID: "P"}}, by))
		_, err := f.db.UpdatePool(f.ctx, p.UID, by, func(p *pool.Pool) error { p.State = pool.Deleting; return nil })
		f.must(err)
		f.mustCode(again(), "PoolBeingDeleted")
		f.must(f.db.RemovePool(f.ctx, p.UID))
		f.must(again())
		fresh, err := f.db.GetPool(f.ctx, account, "p")
		f.must(err)
		if fresh.UID == p.UID {
			t.Fatal("the namesake has the uid of the first")
		}
	}},
	{"missing", func(t *testing.T, f *fixture) {
		_, err := f.db.GetPool(f.ctx, account, "p")
		f.mustCode(err, "PoolNotFound")
		_, err = f.db.PoolByUID(f.ctx, "p")
		f.mustCode(err, "PoolNotFound")
		_, err = f.db.UpdatePool(f.ctx, "p", by, func(*pool.Pool) error { return nil })
		f.mustCode(err, "PoolNotFound")
		f.mustCode(f.db.RemovePool(f.ctx, "p"), "PoolNotFound")
	}},
	{"is listed in pages, bytewise", func(t *testing.T, f *fixture) {
		for _, id := range []string{"b", "A_1", "a-1", "a1", "B2", "Z"} {
			f.pool(id)
		}
		want := []string{"a-1", "a1", "A_1", "b", "B2", "Z"}
		if d := cmp.Diff(want, f.poolIDs(f.db.ListPools(f.ctx, account, "", 100))); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff([]string{"A_1", "b"}, f.poolIDs(f.db.ListPools(f.ctx, account, "A1", 2))); d != "" {
			t.Fatal(d)
		}
		n, err := f.db.CountPools(f.ctx, account)
		f.must(err)
		if n != 6 {
			t.Fatal(n)
		}
	}},
	{"a change that fails changes nothing", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		_, err := f.db.UpdatePool(f.ctx, p.UID, by, func(p *pool.Pool) error { p.TargetDedicated = 9; return errStop })
		if !errors.Is(err, errStop) {
			t.Fatal(err)
		}
		got, err := f.db.PoolByUID(f.ctx, p.UID)
		f.must(err)
		if d := cmp.Diff(p, got); d != "" {
			t.Fatal(d)
		}
	}},
	{"its times only rise and state changes are dated", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		f.clock.Set(start - 10)
		got, err := f.db.UpdatePool(f.ctx, p.UID, by, func(p *pool.Pool) error {
			p.Allocation = pool.Resizing
			p.Modified = f.clock.Now()
			return nil
		})
		f.must(err)
		if got.Modified != start+1 || got.AllocationAt != start+1 || got.StateAt != start || got.Rev != 2 {
			t.Fatalf("%+v", got)
		}
		f.clock.Set(start + 50)
		got, err = f.db.UpdatePool(f.ctx, p.UID, by, func(p *pool.Pool) error { p.Allocation = pool.Steady; return nil })
		f.must(err)
		if got.AllocationAt != start+50 || got.Modified != start+1 {
			t.Fatalf("%+v", got)
		}
	}},
	{"is unsettled until its nodes add up", func(t *testing.T, f *fixture) {
		unsettled := func(want ...string) {
			t.Helper()
			if d := cmp.Diff(append([]string{}, want...), f.poolIDs(f.db.UnsettledPools(f.ctx))); d != "" {
				t.Fatal(d)
			}
		}
		p, q := f.pool("p"), f.pool("q")
		unsettled()
		set := func(uid string, change func(*pool.Pool)) {
			t.Helper()
			_, err := f.db.UpdatePool(f.ctx, uid, by, func(p *pool.Pool) error { change(p); return nil })
			f.must(err)
		}
		set(p.UID, func(p *pool.Pool) { p.TargetDedicated = 2 })
		unsettled("p")
		nodes := f.nodes(p, 2, 1)
		unsettled()
		_, err := f.db.UpdateNode(f.ctx, nodes[0].UID, by, func(n *pool.Node) error { n.State = pool.NodeLeaving; return nil })
		f.must(err)
		unsettled("p")
		got, err := f.db.PoolByUID(f.ctx, p.UID)
		f.must(err)
		if got.CurrentDedicated != 1 || got.CurrentLowPriority != 0 {
			t.Fatalf("%+v", got)
		}
		set(q.UID, func(p *pool.Pool) { p.State = pool.Deleting })
		unsettled("p", "q")
	}},
	{"counts nodes by state", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		f.pool("empty")
		nodes := f.nodes(p, 3, 1)
		_, err := f.db.UpdateNode(f.ctx, nodes[2].UID, by, func(n *pool.Node) error { n.State = pool.NodeRebooting; return nil })
		f.must(err)
		got, err := f.db.NodeCounts(f.ctx, account)
		f.must(err)
		want := map[string]map[bool]map[string]int{p.UID: {true: {pool.NodeIdle: 2, pool.NodeRebooting: 1}}}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	}},
	{"stays while it has nodes", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		n := f.nodes(p, 1, 1)[0]
		f.mustCode(f.db.RemovePool(f.ctx, p.UID), "PoolBeingDeleted")
		f.must(f.db.RemoveNode(f.ctx, n.UID, by))
		f.must(f.db.RemovePool(f.ctx, p.UID))
	}},
}
