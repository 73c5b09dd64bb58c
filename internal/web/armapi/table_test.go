package armapi

import (
	"strings"
	"testing"

	"millpond/internal/identity"
)

// A row of a published operation carries its published name, so that the log
// and the list of what is written speak the contract's language.
func TestRowsCarryTheContractsNames(t *testing.T) {
	published := map[string]string{}
	for _, r := range contract {
		published[r.Shape()] = r.Operation
	}
	for _, r := range (&API{}).Routes() {
		// One path of the published table has two names: with and without $expand.
		if want, ok := published[r.Shape()]; ok && want != r.Operation && want != "VirtualMachineImagesClient.ListWithProperties" {
			t.Errorf("%s %s is %s, not %s", r.Method, r.Pattern, want, r.Operation)
		}
		if r.Handle == nil || r.Status == 0 {
			t.Errorf("%s has no handler or status", r.Operation)
		}
	}
}

// Every row that names no permission is here, with the reason.
func TestRowsWithoutAPermissionAreFew(t *testing.T) {
	free := map[string]string{
		"Metadata.Endpoints":                "needs no identity",
		"Client.List":                       "shows what the caller holds a role in",
		"Client.Get":                        "asks for any role in the subscription",
		"Client.ListLocations":              "asks for any role in the subscription",
		"TenantsClient.List":                "shows the caller's own tenant",
		"Client.ListByResourceGroup":        "shows what the caller may read",
		"ResourceGroupsClient.List":         "shows what the caller may read",
		"ProvidersClient.Register":          "asks for the provider's own permission",
		"ProvidersClient.Unregister":        "asks for the provider's own permission",
		"BatchLocationClient.AccountResult": "asks for read on the account that was deleted",
		"ResourceGroupsClient.DeleteResult": "asks for read on the group that is deleted",
		"Operations.capsOperations":         "asks for read on the operation's resource",
		"Operations.operations":             "asks for read on the operation's resource",
		"Operations.DiskOperations":         "asks for read on the operation's resource",
		"RoleDefinitionsClient.ListAtRoot":  "built-in roles are public",
		"RoleDefinitionsClient.GetAtRoot":   "built-in roles are public",
	}
	for _, r := range (&API{}).Routes() {
		if r.Action == "" && free[r.Operation] == "" {
			t.Errorf("%s %s names no permission", r.Method, r.Pattern)
		}
		if r.Open && r.Operation != "Metadata.Endpoints" {
			t.Errorf("%s is open to strangers", r.Operation)
		}
	}
}

func TestScopeOf(t *testing.T) {
	for path, want := range map[string]string{
		"/":                               "/",
		"/subscriptions":                  "/",
		"/tenants":                        "/",
		"/subscriptions/s":                "/subscriptions/s",
		"/subscriptions/s/":               "/subscriptions/s",
		"/subscriptions/s/resourcegroups": "/subscriptions/s",
		"/subscriptions/s/resourceGroups/g/resources":                                                         "/subscriptions/s/resourceGroups/g",
		"/subscriptions/s/providers":                                                                          "/subscriptions/s",
		"/subscriptions/s/providers/Microsoft.Batch":                                                          "/subscriptions/s",
		"/subscriptions/s/providers/Microsoft.Batch/register":                                                 "/subscriptions/s",
		"/subscriptions/s/providers/Microsoft.Batch/batchAccounts":                                            "/subscriptions/s",
		"/subscriptions/s/providers/Microsoft.Batch/locations/l/quotas":                                       "/subscriptions/s/providers/Microsoft.Batch/locations/l",
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/a":                         "/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/a",
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/a/listKeys":                "/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/a",
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/g/images/d/versions":         "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/g/images/d",
		"/subscriptions/s/resourceGroups/g/providers/N/t/x/providers/Microsoft.Authorization/roleAssignments": "/subscriptions/s/resourceGroups/g/providers/N/t/x",
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Authorization/roleAssignments/r":               "/subscriptions/s/resourceGroups/g/providers/Microsoft.Authorization/roleAssignments/r",
		"/providers/Microsoft.Authorization/roleDefinitions/r":                                                "/providers/Microsoft.Authorization/roleDefinitions/r",
	} {
		if got := scopeOf(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// What is asked for can never lie outside what the path names.
func FuzzScopeOf(f *testing.F) {
	f.Add("/subscriptions/s/resourceGroups/g/providers/N/t/x/action")
	f.Add("/providers/providers/providers")
	f.Fuzz(func(t *testing.T, path string) {
		scope := scopeOf(path)
		if scope != "/" && !strings.HasPrefix("/"+strings.Trim(path, "/")+"/", scope+"/") {
			t.Fatalf("%q asks at %q", path, scope)
		}
	})
}

func FuzzGraphFilter(f *testing.F) {
	f.Add("servicePrincipalNames/any(c:c eq 'x')", "x")
	f.Add("displayName eq 'it''s'", "it's")
	f.Add("startswith(displayName, 'a')", "abc")
	f.Fuzz(func(t *testing.T, clause, name string) {
		if match, ok := readGraphFilter(clause); ok {
			match(identity.Application{AppID: name, ObjectID: name, DisplayName: name})
		}
	})
}
