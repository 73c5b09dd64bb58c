package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"millpond/internal/fault"
	"millpond/internal/identity"
)

const (
	sub     = "/subscriptions/5c0a0000-0000-0000-0000-000000000001"
	group   = sub + "/resourceGroups/RG"
	acct    = group + "/providers/Microsoft.Batch/batchAccounts/acct"
	image   = group + "/providers/Microsoft.Compute/galleries/g/images/d/versions/1.0.0"
	jobs    = "Microsoft.Batch/batchAccounts/jobs/write"
	pools   = "Microsoft.Batch/batchAccounts/pools/write"
	readAny = "Microsoft.Compute/galleries/images/versions/read"
)

func (r *room) principal() identity.Principal {
	return identity.Principal{TenantID: r.tenant.ID, ObjectID: r.app.ObjectID, AppID: r.app.AppID}
}

func (r *room) assign(role, scope string) identity.Assignment {
	r.t.Helper()
	found, ok := identity.RoleByName(role)
	if !ok {
		r.t.Fatalf("no role %s", role)
	}
	a, err := r.Assign(r.t.Context(), r.principal(), identity.Grant{
		Scope: scope, Name: newGUID(r.t), Role: found.ID, PrincipalID: r.app.ObjectID,
	})
	must(r.t, err)
	return a
}

func newGUID(t *testing.T) string {
	t.Helper()
	return uuid.NewString()
}

func TestRolesGiveWhatAzuresGive(t *testing.T) {
	for _, tc := range []struct {
		role, scope, action, at string
		data, want              bool
	}{
		{"Owner", sub, "Microsoft.Authorization/roleAssignments/write", acct, false, true},
		{"Owner", sub, jobs, acct, true, true},
		{"Contributor", sub, "Microsoft.Authorization/roleAssignments/write", acct, false, false},
		{"Contributor", sub, "microsoft.authorization/ROLEASSIGNMENTS/delete", acct, false, false},
		{"Contributor", sub, "Microsoft.Authorization/roleAssignments/read", acct, false, true},
		{"Contributor", sub, "Microsoft.Compute/disks/beginGetAccess/action", image, false, true},
		{"Contributor", sub, jobs, acct, true, true},
		{"Reader", sub, readAny, image, false, true},
		{"Reader", sub, "Microsoft.Compute/disks/beginGetAccess/action", image, false, false},
		{"Reader", sub, "Microsoft.Batch/batchAccounts/jobs/read", acct, true, true},
		{"Reader", sub, jobs, acct, true, false},
		{"Reader", sub, "Microsoft.Batch/batchAccounts/listKeys/action", acct, false, false},
		{"User Access Administrator", sub, "Microsoft.Authorization/roleAssignments/write", acct, false, true},
		{"User Access Administrator", sub, pools, acct, false, false},
		{"Azure Batch Account Contributor", acct, pools, acct, false, true},
		{"Azure Batch Account Contributor", acct, jobs, acct, true, true},
		{"Azure Batch Account Reader", acct, jobs, acct, true, false},
		{"Azure Batch Data Contributor", acct, pools, acct, false, true},
		{"Azure Batch Data Contributor", acct, jobs, acct, true, true},
		{"Azure Batch Data Contributor", acct, "Microsoft.Batch/batchAccounts/write", acct, false, false},
		{"Azure Batch Job Submitter", acct, jobs, acct, true, true},
		{"Azure Batch Job Submitter", acct, "Microsoft.Batch/batchAccounts/pools/read", acct, false, true},
		{"Azure Batch Job Submitter", acct, pools, acct, false, false},
		{"Compute Gallery Image Reader", image, readAny, image, false, true},
		{"Compute Gallery Image Reader", image, "Microsoft.Compute/disks/beginGetAccess/action", image, false, false},
		{"Disk Backup Reader", group, "Microsoft.Compute/disks/beginGetAccess/action", image, false, true},
		// scopes
		{"Owner", group, pools, strings.ToUpper(acct), false, true},
		{"Owner", "/", pools, acct, false, true},
		{"Owner", acct, pools, group, false, false},
		{"Owner", group, pools, group + "2/providers/Microsoft.Batch/batchAccounts/acct", false, false},
		{"Owner", acct, pools, acct + "2", false, false},
	} {
		r := newRoom(t)
		r.assign(tc.role, tc.scope)
		ask := r.Allowed
		if tc.data {
			ask = r.AllowedData
		}
		got, err := ask(t.Context(), r.principal(), tc.action, tc.at)
		must(t, err)
		if got != tc.want {
			t.Errorf("%s at %s: %s on %s is %v", tc.role, tc.scope, tc.action, tc.at, got)
		}
	}
}

func TestGrantsFollowWrites(t *testing.T) {
	r := newRoom(t)
	allowed := func() bool {
		t.Helper()
		ok, err := r.Allowed(t.Context(), r.principal(), pools, acct)
		must(t, err)
		return ok
	}
	if allowed() {
		t.Fatal("allowed without a role")
	}
	a := r.assign("Owner", group)
	if !allowed() {
		t.Fatal("the new role is not seen")
	}
	_, err := r.Unassign(t.Context(), strings.ToUpper(a.ID))
	must(t, err)
	if allowed() {
		t.Fatal("the role outlives its assignment")
	}
	r.assign("Owner", acct)
	must(t, r.DropScope(t.Context(), group))
	must(t, r.DropScope(t.Context(), group))
	if allowed() {
		t.Fatal("the role outlives its group")
	}
	// another server writes: seen when the cache is old
	other := identity.New(r.db, r.clock, r.sealer)
	role, _ := identity.RoleByName("Owner")
	_, err = other.Assign(t.Context(), r.principal(), identity.Grant{Scope: sub, Name: newGUID(t), Role: role.ID, PrincipalID: r.app.ObjectID})
	must(t, err)
	r.clock.advance(11 * time.Second)
	if !allowed() {
		t.Fatal("another server's assignment is never seen")
	}
	if ok, err := r.Allowed(t.Context(), identity.Principal{AccountUID: "x"}, pools, acct); ok || err != nil {
		t.Fatalf("a shared key holds roles: %v %v", ok, err)
	}
	err = r.Require(t.Context(), identity.Principal{ObjectID: "o", AppID: "a"}, pools, acct)
	if !fault.Is(err, "AuthorizationFailed") || !strings.Contains(err.Error(), "The client 'a' with object id 'o' does not have authorization to perform action '"+pools+"'") {
		t.Fatal(err)
	}
}

func TestAssignRules(t *testing.T) {
	r := newRoom(t)
	first := r.assign("Reader", group)
	owner, _ := identity.RoleByName("Owner")
	good := identity.Grant{Scope: group, Name: newGUID(t), Role: sub + "/providers/Microsoft.Authorization/roleDefinitions/" + owner.ID, PrincipalID: r.app.ObjectID}
	for name, tc := range map[string]struct {
		change func(*identity.Grant)
		code   string
	}{
		"name":             {func(g *identity.Grant) { g.Name = "x" }, "InvalidRoleAssignmentId"},
		"principal":        {func(g *identity.Grant) { g.PrincipalID = "x" }, "InvalidPrincipalId"},
		"nobody":           {func(g *identity.Grant) { g.PrincipalID = newGUID(t) }, "PrincipalNotFound"},
		"application id":   {func(g *identity.Grant) { g.PrincipalID = r.app.AppID }, "PrincipalNotFound"},
		"role":             {func(g *identity.Grant) { g.Role = newGUID(t) }, "RoleDefinitionDoesNotExist"},
		"the same again":   {func(g *identity.Grant) { g.Role = identity.RoleReader }, "RoleAssignmentExists"},
		"another of name":  {func(g *identity.Grant) { g.Name = first.Name }, "RoleAssignmentUpdateNotPermitted"},
		"unknown but said": {func(g *identity.Grant) { g.Name, g.PrincipalID, g.PrincipalType = newGUID(t), newGUID(t), "User" }, ""},
	} {
		g := good
		tc.change(&g)
		if _, err := r.Assign(t.Context(), r.principal(), g); fault.CodeOf(err) != tc.code {
			t.Errorf("%s: %v, want %q", name, err, tc.code)
		}
	}
	a, err := r.Assign(t.Context(), r.principal(), good)
	must(t, err)
	again, err := r.Assign(t.Context(), r.principal(), good)
	must(t, err)
	if a.ID != again.ID || a.Created != again.Created || a.PrincipalType != "ServicePrincipal" || !strings.HasPrefix(a.RoleDefinitionID, sub) {
		t.Fatalf("%+v then %+v", a, again)
	}
	here, err := r.Assignments(t.Context(), acct, false)
	must(t, err)
	below, err := r.Assignments(t.Context(), sub, true)
	must(t, err)
	none, err := r.Assignments(t.Context(), sub, false)
	must(t, err)
	if len(here) != 3 || len(below) != 3 || len(none) != 0 {
		t.Fatalf("%d inherited, %d below, %d above", len(here), len(below), len(none))
	}
}
