package armapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"millpond/internal/identity"
)

const computeBase = computeGroup + "/providers/Microsoft.Compute"

// TestComputePolls follows each form an official client follows: the
// Azure-AsyncOperation of 201 and 202, and the Location of 202.
func TestComputePolls(t *testing.T) {
	c := newCompute(t)
	disk := computeBase + "/disks/d?api-version=2022-07-02"
	status, header, _ := c.ask("PUT", disk, `{"location":"westeurope","properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":1}}`, "X-Hold", "1")
	if status != 202 || header.Get("Retry-After") != "1" {
		t.Fatal(status, header)
	}
	async, location := header.Get("Azure-AsyncOperation"), header.Get("Location")
	if status, header, body := c.ask("GET", async, "", "X-Hold", "1"); status != 200 || body["status"] != "InProgress" || header.Get("Retry-After") != "1" {
		t.Fatal(status, header, body)
	}
	if status, header, _ := c.ask("GET", location, "", "X-Hold", "1"); status != 202 || header.Get("Retry-After") != "1" || header.Get("Location") == "" {
		t.Fatal(status, header)
	}
	c.work(t.Context())
	status, header, body := c.ask("GET", async, "")
	output, _ := body["properties"].(map[string]any)
	if status != 200 || body["status"] != "Succeeded" || output["output"].(map[string]any)["name"] != "d" || header.Get("Retry-After") != "" {
		t.Fatal(status, header, body)
	}
	if status, _, body := c.ask("GET", location, ""); status != 200 || body["name"] != "d" {
		t.Fatal(status, body)
	}
	if status, _, body := c.ask("GET", location, "", "X-Who", "nobody", "Authorization", "Bearer x"); status != 401 {
		t.Fatal(status, body)
	}
	status, header, _ = c.ask("DELETE", disk, "", "X-Hold", "1")
	if status != 202 {
		t.Fatal(status)
	}
	if status, _, body := c.ask("PUT", disk, `{"location":"westeurope","properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":1}}`, "X-Hold", "1"); status != 409 {
		t.Fatal("a disk that is being deleted is no disk: ", status, body)
	}
	c.work(t.Context())
	if status, _, body := c.ask("GET", header.Get("Azure-AsyncOperation"), ""); status != 200 || body["status"] != "Succeeded" {
		t.Fatal(status, body)
	}
	if status, _, _ := c.ask("GET", header.Get("Location"), ""); status != 200 {
		t.Fatal(status)
	}
}

// TestFailedOperationSaysWhy: a machine whose base cannot be had.
func TestFailedOperationSaysWhy(t *testing.T) {
	c := newCompute(t)
	_, header, _ := c.ask("PUT", computeBase+"/disks/d?api-version=2022-07-02",
		`{"location":"westeurope","properties":{"creationData":{"createOption":"FromImage","imageReference":{"id":"/subscriptions/`+computeSub+
			`/providers/Microsoft.Compute/locations/westeurope/publishers/canonical/artifacttypes/vmimage/offers/ubuntuserver/skus/18.04-lts/versions/latest"}}}}`)
	status, _, body := c.ask("GET", header.Get("Azure-AsyncOperation"), "")
	problem, _ := body["error"].(map[string]any)
	if status != 200 || body["status"] != "Failed" || !strings.Contains(problem["message"].(string), "--alias Canonical:UbuntuServer:18.04-LTS=SOURCE") {
		t.Fatal(status, body)
	}
	if _, _, body = c.ask("GET", computeBase+"/disks/d?api-version=2022-07-02", ""); body["properties"].(map[string]any)["provisioningState"] != "Failed" {
		t.Fatal(body)
	}
}

// TestWhatWasReadCanBeSentBack: clients update by GET, change, PUT.
func TestWhatWasReadCanBeSentBack(t *testing.T) {
	c := newCompute(t)
	image := `"imageReference":{"publisher":"Debian","offer":"debian-12","sku":"12","version":"latest"}`
	vm := `{"location":"westeurope","properties":{"hardwareProfile":{"vmSize":"Standard_B1s"},"priority":"Regular","extensionsTimeBudget":"PT1H30M",` +
		`"osProfile":{"computerName":"vm","adminUsername":"me","adminPassword":"Secret-1234"},"storageProfile":{` + image + `}}}`
	for _, step := range []struct{ path, body string }{
		{"/virtualMachines/vm", vm},
		{"/disks/d", `{"location":"westeurope","properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":1}}`},
		{"/snapshots/s", `{"location":"westeurope","properties":{"creationData":{"createOption":"Copy","sourceResourceId":"` + computeBase + `/disks/os"}}}`},
		{"/images/i", `{"location":"westeurope","properties":{"storageProfile":{"osDisk":{"osType":"Linux","osState":"Generalized","managedDisk":{"id":"` + computeBase + `/disks/os"}}}}}`},
		{"/galleries/g", `{"location":"westeurope"}`},
		{"/galleries/g/images/d", `{"location":"westeurope","properties":{"osType":"Linux","osState":"Generalized","identifier":{"publisher":"p","offer":"o","sku":"s"},"features":[{"name":"SecurityType","value":"None"}],"purchasePlan":{"name":"n","publisher":"p","product":"x"},"endOfLifeDate":"2030-01-01T00:00:00Z","architecture":"x64"}}`},
		{"/galleries/g/images/d/versions/1.0.0", `{"location":"westeurope","properties":{"storageProfile":{"source":{"id":"` + computeBase + `/images/i"}}}}`},
	} {
		if step.path == "/snapshots/s" { // from the machine's own disk
			_, _, body := c.ask("GET", computeBase+"/virtualMachines/vm?api-version=2022-08-01", "")
			step.body = strings.ReplaceAll(step.body, computeBase+"/disks/os", osDiskOf(body))
		}
		if step.path == "/images/i" {
			_, _, body := c.ask("GET", computeBase+"/virtualMachines/vm?api-version=2022-08-01", "")
			step.body = strings.ReplaceAll(step.body, computeBase+"/disks/os", osDiskOf(body))
		}
		url := computeBase + step.path + "?api-version=2022-08-01"
		if status, _, body := c.ask("PUT", url, step.body); status > 202 {
			t.Fatal(step.path, status, body)
		}
		status, _, read := c.ask("GET", url+"&$expand=ReplicationStatus", "")
		if status != 200 {
			t.Fatal(step.path, status, read)
		}
		back, err := json.Marshal(read)
		check(t, err)
		if status, _, body := c.ask("PUT", url, string(back)); status > 202 {
			t.Fatalf("%s: %d %v\n%s", step.path, status, body, back)
		}
		_, _, again := c.ask("GET", url+"&$expand=ReplicationStatus", "")
		if now, _ := json.Marshal(again); string(now) != string(back) {
			t.Errorf("%s changed\nfrom %s\nto   %s", step.path, back, now)
		}
	}
}

func osDiskOf(vm map[string]any) string {
	storage := vm["properties"].(map[string]any)["storageProfile"].(map[string]any)
	return storage["osDisk"].(map[string]any)["managedDisk"].(map[string]any)["id"].(string)
}

// TestLinkedScopesAreAsked: who may write in one group may not copy from
// another he has no role in.
func TestLinkedScopesAreAsked(t *testing.T) {
	c := newCompute(t)
	c.ask("PUT", computeBase+"/disks/d?api-version=2022-07-02", `{"location":"westeurope","properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":1}}`)
	c.ask("PUT", "/subscriptions/"+computeSub+"/resourceGroups/mine?api-version=2021-04-01", `{"location":"westeurope"}`)
	mine := "/subscriptions/" + computeSub + "/resourceGroups/mine"
	token := c.login("Contributor", mine, "55555555-3333-3333-3333-333333333333")
	body := `{"location":"westeurope","properties":{"creationData":{"createOption":"Copy","sourceResourceId":"` + computeBase + `/disks/d"}}}`
	status, _, answer := c.ask("PUT", mine+"/providers/Microsoft.Compute/snapshots/s?api-version=2022-03-02", body, "Authorization", "Bearer "+token)
	problem, _ := answer["error"].(map[string]any)
	if status != 403 || problem["code"] != "LinkedAccessCheckFailed" {
		t.Fatal(status, answer)
	}
	_, err := c.ids.Assign(t.Context(), identity.Principal{}, identity.Grant{Scope: computeGroup, Name: "66666666-3333-3333-3333-333333333333",
		Role: roleID(t, "Contributor"), PrincipalID: c.objects["55555555-3333-3333-3333-333333333333"]})
	check(t, err)
	if status, _, answer = c.ask("PUT", mine+"/providers/Microsoft.Compute/snapshots/s?api-version=2022-03-02", body, "Authorization", "Bearer "+token); status != 202 {
		t.Fatal(status, answer)
	}
}
