package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

func (f *fixture) begin(guid, id string) {
	f.Helper()
	f.must(f.db.CreateResource(f.ctx, resource.Record{ID: id, UID: "u-" + guid, State: resource.Creating},
		&resource.Operation{GUID: guid, Kind: "k", Location: "westeurope"}))
}

func succeed(rec *resource.Record) error { rec.State = resource.Succeeded; return nil }

var operationTests = []subtest{
	{"is born with its resource and listed while open", func(t *testing.T, f *fixture) {
		f.begin("G1", group)
		f.clock.Set(start + 5)
		f.begin("g0", "/subscriptions/S1/resourceGroups/other")
		open, err := f.db.OpenOperations(f.ctx)
		f.must(err)
		want := []resource.Operation{
			{GUID: "G1", ResourceID: group, UID: "u-G1", Kind: "k", Status: resource.InProgress, Location: "westeurope", Start: start},
			{GUID: "g0", ResourceID: "/subscriptions/S1/resourceGroups/other", UID: "u-g0", Kind: "k", Status: resource.InProgress,
				Location: "westeurope", Start: start + 5},
		}
		if d := cmp.Diff(want, open); d != "" {
			t.Fatal(d)
		}
	}},
	{"ends once, with its resource", func(t *testing.T, f *fixture) {
		f.begin("g", group)
		f.must(f.db.EndOperation(f.ctx, "G", nil, succeed))
		failed := func(rec *resource.Record) error { rec.State = resource.Failed; return nil }
		f.must(f.db.EndOperation(f.ctx, "g", fault.New("Late", ""), failed))
		op, err := f.db.GetOperation(f.ctx, "g")
		f.must(err)
		rec, err := f.db.GetResource(f.ctx, group)
		f.must(err)
		if op.Status != resource.Succeeded || op.Error != nil || op.End <= op.Start || rec.State != resource.Succeeded {
			t.Fatalf("%+v %+v", op, rec)
		}
		open, err := f.db.OpenOperations(f.ctx)
		f.must(err)
		if len(open) != 0 {
			t.Fatal(open)
		}
	}},
	{"keeps why it failed", func(t *testing.T, f *fixture) {
		f.begin("g", group)
		f.must(f.db.EndOperation(f.ctx, "g", fault.New("DiskFull", "no room").With("a", "b"), nil))
		op, err := f.db.GetOperation(f.ctx, "g")
		f.must(err)
		if d := cmp.Diff(fault.New("DiskFull", "no room").With("a", "b"), op.Error); d != "" || op.Status != resource.Failed {
			t.Fatal(op.Status, d)
		}
	}},
	{"never meets a namesake", func(t *testing.T, f *fixture) {
		f.begin("g", group)
		f.must(f.db.DeleteResource(f.ctx, group, nil))
		f.must(f.db.CreateResource(f.ctx, resource.Record{ID: group, UID: "second", State: resource.Creating}, nil))
		f.must(f.db.EndOperation(f.ctx, "g", nil, succeed))
		rec, err := f.db.GetResource(f.ctx, group)
		f.must(err)
		if rec.State != resource.Creating || rec.Rev != 1 {
			t.Fatalf("%+v", rec)
		}
	}},
	{"missing", func(t *testing.T, f *fixture) {
		f.mustCode(f.db.EndOperation(f.ctx, "no", nil, nil), "OperationNotFound")
	}},
}
