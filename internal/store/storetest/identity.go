package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/identity"
)

var identityTests = []subtest{
	{"tenants", func(t *testing.T, f *fixture) {
		one := identity.Tenant{ID: "T1", DisplayName: "one", Created: start}
		f.must(f.db.PutTenant(f.ctx, one))
		one.DisplayName = "renamed"
		f.must(f.db.PutTenant(f.ctx, one))
		got, err := f.db.GetTenant(f.ctx, "t1")
		f.must(err)
		all, err := f.db.ListTenants(f.ctx)
		f.must(err)
		if d := cmp.Diff([]identity.Tenant{one}, all); d != "" || got != one {
			t.Fatal(got, d)
		}
		_, err = f.db.GetTenant(f.ctx, "none")
		f.mustCode(err, "TenantNotFound")
	}},
	{"applications by either id", func(t *testing.T, f *fixture) {
		app := identity.Application{TenantID: "t", AppID: "App", ObjectID: "Obj", SecretHashes: []string{"h1", "h2"}, Created: start}
		f.must(f.db.PutApplication(f.ctx, app))
		app.SecretHashes = []string{"h3"}
		f.must(f.db.PutApplication(f.ctx, app))
		for _, id := range []string{"app", "OBJ"} {
			got, err := f.db.ApplicationByID(f.ctx, id)
			f.must(err)
			if d := cmp.Diff(app, got); d != "" {
				t.Fatal(d)
			}
		}
		all, err := f.db.ListApplications(f.ctx)
		f.must(err)
		if len(all) != 1 {
			t.Fatal(all)
		}
		_, err = f.db.ApplicationByID(f.ctx, "")
		f.mustCode(err, "ApplicationNotFound")
	}},
	{"secrets", func(t *testing.T, f *fixture) {
		none, err := f.db.GetSecret(f.ctx, "o", "n")
		f.must(err)
		if none != nil {
			t.Fatal(none)
		}
		f.must(f.db.PutSecret(f.ctx, "o", "n", []byte{0, 255, 1}))
		f.must(f.db.PutSecret(f.ctx, "o", "n", []byte{0, 254}))
		f.must(f.db.PutSecret(f.ctx, "other", "n", []byte{7}))
		got, err := f.db.GetSecret(f.ctx, "o", "n")
		f.must(err)
		if d := cmp.Diff([]byte{0, 254}, got); d != "" {
			t.Fatal(d)
		}
		f.must(f.db.DeleteSecrets(f.ctx, "o"))
		got, err = f.db.GetSecret(f.ctx, "o", "n")
		f.must(err)
		kept, err := f.db.GetSecret(f.ctx, "other", "n")
		f.must(err)
		if got != nil || len(kept) != 1 {
			t.Fatal(got, kept)
		}
	}},
}

func (f *fixture) assign(scope, role, principal, name string) error {
	return f.db.CreateAssignment(f.ctx, identity.Assignment{
		ID: scope + "/providers/Microsoft.Authorization/roleAssignments/" + name, Name: name, Scope: scope,
		RoleDefinitionID: "/subscriptions/S1/providers/Microsoft.Authorization/roleDefinitions/" + role, PrincipalID: principal,
	})
}

func (f *fixture) assignments(scope string, below bool) []string {
	f.Helper()
	all, err := f.db.ListAssignments(f.ctx, scope, below)
	f.must(err)
	names := []string{}
	for _, a := range all {
		names = append(names, a.Name)
	}
	return names
}

var assignmentTests = []subtest{
	{"listed at, above and below a scope", func(t *testing.T, f *fixture) {
		f.must(f.assign("/subscriptions/S1", "r", "p", "sub"))
		f.must(f.assign(group, "r", "p", "group"))
		f.must(f.assign(group+"2", "r", "p", "neighbour"))
		f.must(f.assign(gallery, "r", "p", "gallery"))
		f.must(f.assign("/", "r", "p", "root"))
		for _, c := range []struct {
			scope string
			below bool
			want  []string
		}{
			{"/subscriptions/s1/resourcegroups/RG", false, []string{"root", "group", "sub"}},
			{group, true, []string{"root", "group", "sub", "gallery"}},
			{"/subscriptions/other", true, []string{"root"}},
			{"", true, []string{"root", "gallery", "group", "neighbour", "sub"}},
			{"/", false, []string{"root"}},
		} {
			got := map[string]bool{}
			for _, n := range f.assignments(c.scope, c.below) {
				got[n] = true
			}
			want := map[string]bool{}
			for _, n := range c.want {
				want[n] = true
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s %v: %s", c.scope, c.below, d)
			}
		}
	}},
	{"once by name and by meaning", func(t *testing.T, f *fixture) {
		f.must(f.assign(group, "Role", "P", "n"))
		f.mustCode(f.assign("/SUBSCRIPTIONS/s1/resourceGroups/rg", "other", "other", "N"), "RoleAssignmentExists")
		f.mustCode(f.assign(group, "role", "p", "n2"), "RoleAssignmentExists")
		f.must(f.assign(gallery, "role", "p", "n3"))
		gone, err := f.db.DeleteAssignment(f.ctx, "/subscriptions/s1/resourcegroups/rg/providers/microsoft.authorization/ROLEASSIGNMENTS/n")
		f.must(err)
		if gone.Name != "n" || gone.Created != start {
			t.Fatalf("%+v", gone)
		}
		_, err = f.db.DeleteAssignment(f.ctx, gone.ID)
		f.mustCode(err, "RoleAssignmentNotFound")
		f.must(f.assign(group, "role", "p", "n4"))
	}},
}
