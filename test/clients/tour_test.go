package clients

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// az runs az in the registered cloud and gives what it printed as JSON; nil for nothing.
func (w *world) az(t *testing.T, args ...string) any {
	t.Helper()
	out := w.must(t, command{env: w.azEnv, args: append([]string{filepath.Join(w.azBin, "az")}, append(args, "-o", "json")...)})
	if strings.TrimSpace(out) == "" {
		return nil
	}
	var v any
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("az %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return v
}

// at walks into JSON by names and indexes; what is not there is nil.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// want compares a value of az's output, without regard to case, as ARM's ids and names have none.
func want(t *testing.T, what string, got, expected any) {
	t.Helper()
	if !strings.EqualFold(fmt.Sprint(got), fmt.Sprint(expected)) {
		t.Errorf("%s: %v, expected %v", what, got, expected)
	}
}

// column is one member of each item of a list.
func column(v any, name string) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		out = append(out, strings.ToLower(fmt.Sprint(at(item, name))))
	}
	return out
}

// has insists that a list has an item of that name.
func has(t *testing.T, what string, list any, member, value string) {
	t.Helper()
	for _, got := range column(list, member) {
		if strings.EqualFold(got, value) {
			return
		}
	}
	t.Errorf("%s: no %s %s in %v", what, member, value, column(list, member))
}

// azTour is what a user does with az in a day, from login to clearing up.
func azTour(t *testing.T, w *world) {
	w.needAz(t)
	if w.azEnv == nil {
		t.Fatal("there is no registered cloud: az-setup has failed")
	}
	for _, part := range []struct {
		name string
		run  func(*testing.T, *world)
	}{{"account", tourAccount}, {"images", tourImages}, {"roles", tourRoles}, {"pool, job, task", tourWork}, {"shared key", tourSharedKey}} {
		t.Run(part.name, func(t *testing.T) {
			below := *w
			below.Server = w.For(t)
			part.run(t, &below)
		})
	}
	if !t.Failed() {
		w.az(t, "group", "delete", "-n", "tour", "--yes")
		want(t, "group exists", w.az(t, "group", "exists", "-n", "tour"), "false")
	}
	drove(t, "az, tour")
}

func tourAccount(t *testing.T, w *world) {
	want(t, "subscription", at(w.az(t, "account", "show"), "id"), w.SubscriptionID)
	want(t, "group", at(w.az(t, "group", "create", "-n", "tour", "-l", "northeurope"), "properties", "provisioningState"), "Succeeded")
	groups := w.az(t, "group", "list")
	has(t, "group list", groups, "name", "tour")
	has(t, "group list", groups, "name", w.ResourceGroup)
	has(t, "account list", w.az(t, "batch", "account", "list"), "name", w.AccountName)
	keys := w.az(t, "batch", "account", "keys", "list", "-g", w.ResourceGroup, "-n", w.AccountName)
	want(t, "primary key", at(keys, "primary") == w.AccountKey, true)
	has(t, "locations", w.az(t, "account", "list-locations"), "name", w.Location)
	w.az(t, "provider", "register", "-n", "Microsoft.Batch")
	want(t, "provider", at(w.az(t, "provider", "show", "-n", "Microsoft.Batch"), "registrationState"), "Registered")
	second := []string{"-g", "tour", "-n", "touraccount"}
	made := w.az(t, append([]string{"batch", "account", "create", "-l", "northeurope"}, second...)...)
	want(t, "account", at(made, "provisioningState"), "Succeeded")
	before := at(w.az(t, append([]string{"batch", "account", "keys", "list"}, second...)...), "primary")
	after := at(w.az(t, append([]string{"batch", "account", "keys", "renew", "--key-name", "primary"}, second...)...), "primary")
	if before == nil || after == nil || before == after {
		t.Error("the key was not renewed")
	}
	w.az(t, append([]string{"batch", "account", "delete", "--yes"}, second...)...)
	has(t, "supported images", w.az(t, "batch", "pool", "supported-images", "list"), "nodeAgentSkuId", "batch.node.ubuntu 18.04")
}

func tourImages(t *testing.T, w *world) {
	g := []string{"-g", "tour"}
	do := func(args ...string) any { t.Helper(); return w.az(t, append(args, g...)...) }
	want(t, "disk", at(do("disk", "create", "-n", "os", "-l", w.Location, "--image-reference", ubuntu+":latest"), "provisioningState"), "Succeeded")
	want(t, "snapshot", at(do("snapshot", "create", "-n", "os", "-l", w.Location, "--source", "os"), "provisioningState"), "Succeeded")
	want(t, "image", at(do("image", "create", "-n", "os", "-l", w.Location, "--source", "os", "--os-type", "Linux", "--hyper-v-generation", "V1"), "provisioningState"), "Succeeded")
	want(t, "gallery", at(do("sig", "create", "-r", "tour", "-l", w.Location), "provisioningState"), "Succeeded")
	def := do("sig", "image-definition", "create", "-r", "tour", "-i", "ubuntu", "-l", w.Location, "--os-type", "Linux", "--os-state", "Generalized",
		"--hyper-v-generation", "V1", "-p", "me", "-f", "tour", "-s", "1")
	want(t, "definition", at(def, "provisioningState"), "Succeeded")
	id := fmt.Sprintf("/subscriptions/%s/resourceGroups/tour/providers/Microsoft.Compute/images/os", w.SubscriptionID)
	do("sig", "image-version", "create", "-r", "tour", "-i", "ubuntu", "-e", "1.0.0", "-l", w.Location, "--managed-image", id,
		"--target-regions", w.Location+"=2", "northeurope=1")
	has(t, "versions", do("sig", "image-version", "list", "-r", "tour", "-i", "ubuntu"), "name", "1.0.0")
	shown := do("sig", "image-version", "show", "-r", "tour", "-i", "ubuntu", "-e", "1.0.0", "--expand", "ReplicationStatus")
	want(t, "replication", at(shown, "replicationStatus", "aggregatedState"), "Completed")
	want(t, "replicas", at(shown, "publishingProfile", "targetRegions", 0, "regionalReplicaCount"), "2")
	has(t, "galleries", do("sig", "list"), "name", "tour")
}

func tourRoles(t *testing.T, w *world) {
	has(t, "role definitions", w.az(t, "role", "definition", "list", "-n", "Reader"), "roleName", "Reader")
	scope := "/subscriptions/" + w.SubscriptionID + "/resourceGroups/tour"
	const nobody = "0c9a7d5e-6d5c-4c52-a2b8-6a4b7f1b7a11"
	made := w.az(t, "role", "assignment", "create", "--assignee-object-id", nobody, "--assignee-principal-type", "ServicePrincipal",
		"--role", "Reader", "--scope", scope)
	want(t, "principal", at(made, "principalId"), nobody)
	has(t, "assignments", w.az(t, "role", "assignment", "list", "--scope", scope), "principalId", nobody)
	w.az(t, "role", "assignment", "delete", "--ids", fmt.Sprint(at(made, "id")))
}
