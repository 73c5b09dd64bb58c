package armapi_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// A second subscription makes accounts only once the provider is registered in
// it (facts/requirements.md 1B.13).
func TestRegistration(t *testing.T) {
	s := newService(t)
	const sub = "/subscriptions/" + newSub
	const v = "?api-version=2021-04-01"
	state := func(method, path string) string {
		t.Helper()
		w := s.ask(method, path, "newowner", "")
		var body struct {
			Namespace, RegistrationState string
			ResourceTypes                []struct {
				ResourceType           string
				Locations, APIVersions []string
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		for _, kind := range body.ResourceTypes {
			if kind.ResourceType == "batchAccounts" && (len(kind.Locations) < 40 || len(kind.APIVersions) == 0) {
				t.Errorf("%+v", kind)
			}
		}
		if body.Namespace != "Microsoft.Batch" {
			t.Errorf("%s: namespace %s", path, body.Namespace)
		}
		return body.RegistrationState
	}
	make := func() int {
		return s.ask("PUT", sub+"/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct?api-version=2022-10-01", "newowner", `{"location":"eastus"}`).Code
	}
	if w := s.ask("PUT", sub+"/resourcegroups/rg"+v, "newowner", `{"location":"eastus"}`); w.Code != http.StatusCreated {
		t.Fatal(w.Code, w.Body)
	}
	if got := state("GET", sub+"/providers/microsoft.batch"+v); got != "NotRegistered" || make() != http.StatusConflict {
		t.Fatal(got)
	}
	if got := state("POST", sub+"/providers/microsoft.batch/register"+v); got != "Registered" || make() != http.StatusAccepted {
		t.Fatal(got)
	}
	if got := state("POST", sub+"/providers/Microsoft.Batch/unregister"+v); got != "NotRegistered" || make() != http.StatusConflict {
		t.Fatal(got)
	}
	w := s.ask("GET", sub+"/providers"+v, "newowner", "")
	var all struct {
		Value []struct{ Namespace string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || len(all.Value) != 4 {
		t.Fatalf("%d %v", len(all.Value), err)
	}
}

func TestLocations(t *testing.T) {
	s := newService(t)
	w := s.ask("GET", "/subscriptions/"+subID+"/locations?api-version=2022-12-01", "reader", "")
	var all struct {
		Value []struct {
			Name, DisplayName, RegionalDisplayName, Type string
			Metadata                                     struct{ RegionType, GeographyGroup string }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || w.Code != http.StatusOK {
		t.Fatal(w.Code, err)
	}
	for _, l := range all.Value {
		if l.Name == "westeurope" && l.DisplayName == "West Europe" && l.RegionalDisplayName == "(Europe) West Europe" && l.Type == "Region" && l.Metadata.RegionType == "Physical" {
			return
		}
	}
	t.Fatalf("no West Europe among %d", len(all.Value))
}

// Keys come as base64 of 64 bytes, and only the named one changes.
func TestKeysOfAnAccount(t *testing.T) {
	s := newService(t)
	const acct = "/subscriptions/" + subID + "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct"
	const v = "?api-version=2022-10-01"
	if w := s.ask("PUT", acct+v, "owner", `{"location":"westeurope"}`); w.Code != http.StatusAccepted {
		t.Fatal(w.Code, w.Body)
	}
	keys := func(action, body string) (k struct{ AccountName, Primary, Secondary string }) {
		t.Helper()
		w := s.ask("POST", acct+"/"+action+v, "owner", body)
		if err := json.Unmarshal(w.Body.Bytes(), &k); err != nil || w.Code != http.StatusOK || len(k.Primary) != 88 || len(k.Secondary) != 88 || k.AccountName != "acct" {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return k
	}
	before, after := keys("listKeys", ""), keys("regenerateKeys", `{"keyName":"Secondary"}`)
	if before.Primary != after.Primary || before.Secondary == after.Secondary || keys("listkeys", "{}") != after {
		t.Fatal("the wrong key changed")
	}
}
