package storetest

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/resource"
)

const (
	group   = "/subscriptions/S1/resourceGroups/Rg"
	gallery = group + "/providers/Microsoft.Compute/galleries/Gal"
	image   = gallery + "/images/Def"
	version = image + "/versions/1.0.0"
)

var errStop = errors.New("stop")

func (f *fixture) resource(id string) resource.Record {
	f.Helper()
	rec := resource.Record{ID: id, UID: "uid of " + id, State: resource.Succeeded, Location: "westeurope"}
	f.must(f.db.CreateResource(f.ctx, rec, nil))
	return rec
}

func (f *fixture) resourceIDs(q resource.Query) []string {
	f.Helper()
	recs, err := f.db.ListResources(f.ctx, q)
	f.must(err)
	ids := []string{}
	for _, r := range recs {
		ids = append(ids, r.ID)
	}
	return ids
}

var resourceTests = []subtest{
	{"is read as written, in any casing", func(t *testing.T, f *fixture) {
		f.resource(group)
		want := resource.Record{ID: gallery, UID: "u", State: resource.Creating, Location: "westeurope",
			Tags: map[string]string{"K": "v"}, Body: json.RawMessage(`{"x":[1,"é"]}`), Created: start, Modified: start, Rev: 1}
		f.must(f.db.CreateResource(f.ctx, want, nil))
		got, err := f.db.GetResource(f.ctx, "/SUBSCRIPTIONS/s1/resourcegroups/RG/providers/microsoft.compute/GALLERIES/gal")
		f.must(err)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	}},
	{"exists once", func(t *testing.T, f *fixture) {
		f.resource(group)
		f.mustCode(f.db.CreateResource(f.ctx, resource.Record{ID: "/subscriptions/s1/resourceGroups/RG"}, nil), "ResourceExists")
	}},
	{"missing ones and bad ids", func(t *testing.T, f *fixture) {
		_, err := f.db.GetResource(f.ctx, group)
		f.mustCode(err, "ResourceGroupNotFound")
		_, err = f.db.GetResource(f.ctx, version)
		f.mustCode(err, "ResourceNotFound")
		_, err = f.db.UpdateResource(f.ctx, gallery, nil, func(*resource.Record) error { return nil })
		f.mustCode(err, "ResourceNotFound")
		_, err = f.db.GetResource(f.ctx, "gal")
		f.mustCode(err, "LinkedInvalidPropertyId")
		f.must(f.db.DeleteResource(f.ctx, version, nil))
	}},
	{"needs a parent that stays", func(t *testing.T, f *fixture) {
		f.mustCode(f.db.CreateResource(f.ctx, resource.Record{ID: gallery}, nil), "ResourceGroupNotFound")
		f.resource(group)
		f.mustCode(f.db.CreateResource(f.ctx, resource.Record{ID: image}, nil), "ParentResourceNotFound")
		f.resource(gallery)
		leave := func(rec *resource.Record) error { rec.State = resource.Deleting; return nil }
		_, err := f.db.UpdateResource(f.ctx, gallery, nil, leave)
		f.must(err)
		f.mustCode(f.db.CreateResource(f.ctx, resource.Record{ID: image}, nil), "OperationNotAllowed")
		_, err = f.db.UpdateResource(f.ctx, group, nil, leave)
		f.must(err)
		f.mustCode(f.db.CreateResource(f.ctx, resource.Record{ID: group + "/providers/Microsoft.Compute/disks/d"}, nil),
			"ResourceGroupBeingDeleted")
	}},
	{"is listed by scope, type and state, bytewise", func(t *testing.T, f *fixture) {
		other := "/subscriptions/S1/resourceGroups/Rg-2" // "-" sorts before "/"
		for _, id := range []string{group, other, gallery, group + "/providers/Microsoft.Compute/galleries/Gal_2",
			other + "/providers/Microsoft.Compute/galleries/a", image, version} {
			f.resource(id)
		}
		for _, c := range []struct {
			q    resource.Query
			want []string
		}{
			{resource.Query{Under: gallery}, []string{image, version}},
			{resource.Query{Under: group, Type: "microsoft.compute/GALLERIES"}, []string{gallery, gallery + "_2"}},
			{resource.Query{Type: "Microsoft.Compute/galleries"},
				[]string{other + "/providers/Microsoft.Compute/galleries/a", gallery, gallery + "_2"}},
			{resource.Query{Type: "Microsoft.Resources/resourceGroups", Under: "/subscriptions/s1"}, []string{group, other}},
			{resource.Query{State: resource.Failed}, []string{}},
		} {
			if d := cmp.Diff(c.want, f.resourceIDs(c.q)); d != "" {
				t.Errorf("%+v: %s", c.q, d)
			}
		}
	}},
	{"is changed whole or not at all", func(t *testing.T, f *fixture) {
		f.resource(group)
		got, err := f.db.UpdateResource(f.ctx, group, nil, func(rec *resource.Record) error {
			rec.Tags = map[string]string{"a": "b"}
			rec.ID, rec.UID = "other", "other" // a change cannot rename
			return nil
		})
		f.must(err)
		read, err := f.db.GetResource(f.ctx, group)
		f.must(err)
		if d := cmp.Diff(got, read); d != "" || read.Rev != 2 || read.ID != group {
			t.Fatalf("%+v %s", read, d)
		}
		_, err = f.db.UpdateResource(f.ctx, group, &resource.Operation{GUID: "g"}, func(rec *resource.Record) error {
			rec.Tags = nil
			return errStop
		})
		if !errors.Is(err, errStop) {
			t.Fatal(err)
		}
		after, err := f.db.GetResource(f.ctx, group)
		f.must(err)
		if d := cmp.Diff(read, after); d != "" {
			t.Fatal(d)
		}
		_, err = f.db.GetOperation(f.ctx, "g")
		f.mustCode(err, "OperationNotFound")
	}},
	{"its times only rise", func(t *testing.T, f *fixture) {
		f.resource(group)
		f.clock.Set(start - 1000)
		rec, err := f.db.UpdateResource(f.ctx, group, nil, func(rec *resource.Record) error {
			rec.Modified = f.clock.Now()
			return nil
		})
		f.must(err)
		if rec.Modified != start+1 {
			t.Fatalf("modified %d, want one after %d", rec.Modified, start)
		}
	}},
	{"takes what is below it along", func(t *testing.T, f *fixture) {
		for _, id := range []string{group, gallery, gallery + "2", image, version} {
			f.resource(id)
		}
		f.must(f.db.DeleteResource(f.ctx, "/subscriptions/s1/resourceGroups/rg/providers/microsoft.compute/galleries/GAL",
			&resource.Operation{GUID: "op"}))
		if d := cmp.Diff([]string{group, gallery + "2"}, f.resourceIDs(resource.Query{})); d != "" {
			t.Fatal(d)
		}
		op, err := f.db.GetOperation(f.ctx, "op")
		f.must(err)
		if op.Status != resource.Succeeded || op.ResourceID != gallery || op.End <= op.Start {
			t.Fatalf("%+v", op)
		}
	}},
}
