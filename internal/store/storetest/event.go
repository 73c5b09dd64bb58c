package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"millpond/internal/pool"
	"millpond/internal/store"
)

var eventTests = []subtest{
	{"tells who changed what", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		n := f.nodes(p, 1, 1)[0]
		j := f.job("j", nil)
		task := f.tasks(j, "t")[0]
		f.clock.Set(start + 7)
		got := f.claim(p, offer(n, 1))[0].Task
		f.report(ended(got, 0))
		// Our own change of something that is no state is no event.
		_, err := f.db.UpdateNode(f.ctx, n.UID, pool.Event{}, func(n *pool.Node) error { n.IP = "x"; return nil })
		f.must(err)
		events, err := f.db.Events(f.ctx, 0, 100)
		f.must(err)
		want := []store.Event{
			{At: start, Actor: by.Actor, Noun: "pool", UID: p.UID, To: "active/steady", Cause: by.Cause},
			{At: start, Actor: by.Actor, Noun: "node", UID: n.UID, To: "idle", Cause: by.Cause},
			{At: start, Actor: by.Actor, Noun: "job", UID: j.UID, To: "active", Cause: by.Cause},
			{At: start, Noun: "job", UID: j.UID, From: "active", To: "active", Cause: "tasks added"},
			{At: start + 7, Noun: "task", UID: task.UID, From: "active", To: "running", Attempt: 1},
			{At: start + 7, Noun: "task", UID: task.UID, From: "running", To: "completed", Cause: "success", Attempt: 1},
		}
		if d := cmp.Diff(want, events, cmpopts.IgnoreFields(store.Event{}, "Seq")); d != "" {
			t.Fatal(d)
		}
		rest, err := f.db.Events(f.ctx, events[1].Seq, 2)
		f.must(err)
		if d := cmp.Diff(events[2:4], rest); d != "" {
			t.Fatal(d)
		}
	}},
	{"is not written when the change fails", func(t *testing.T, f *fixture) {
		p := f.pool("p")
		_, err := f.db.UpdatePool(f.ctx, p.UID, by, func(*pool.Pool) error { return errStop })
		if err == nil {
			t.Fatal("no error")
		}
		events, err := f.db.Events(f.ctx, 0, 100)
		f.must(err)
		if len(events) != 1 {
			t.Fatal(events)
		}
	}},
	{"is pruned by age and numbers go on", func(t *testing.T, f *fixture) {
		f.pool("a")
		f.clock.Set(start + 10)
		f.pool("b")
		before, err := f.db.Events(f.ctx, 0, 100)
		f.must(err)
		n, err := f.db.PruneEvents(f.ctx, start+10)
		f.must(err)
		left, err := f.db.Events(f.ctx, 0, 100)
		f.must(err)
		if d := cmp.Diff(before[1:], left); d != "" || n != 1 {
			t.Fatal(n, d)
		}
		if _, err := f.db.PruneEvents(f.ctx, start+100); err != nil {
			t.Fatal(err)
		}
		f.pool("c")
		left, err = f.db.Events(f.ctx, before[1].Seq, 100)
		f.must(err)
		if len(left) != 1 {
			t.Fatalf("a pruned number was given again: %+v", left)
		}
	}},
}
