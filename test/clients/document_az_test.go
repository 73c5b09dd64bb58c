package clients

import (
	"path/filepath"
	"strings"
	"testing"
)

// azSetup registers the server as a cloud in an az configuration of its own.
func azSetup(t *testing.T, w *world) {
	w.needAz(t)
	// Not t.TempDir: the tests after this one use it.
	dir := filepath.Join(w.Data, "az")
	exports := w.must(t, command{args: []string{w.bin, "az-setup", dir, "--az", filepath.Join(w.azBin, "az")}})
	for line := range strings.Lines(exports) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !ok {
			t.Fatalf("az-setup printed %q", line)
		}
		w.azEnv = append(w.azEnv, name+"="+strings.Trim(value, "'"))
	}
	if len(w.azEnv) == 0 {
		t.Fatal("az-setup printed no exports")
	}
}

// documentAz runs the documents' `az batch pool create` through the registered cloud and, as a user of the public cloud
// would write it, through interception.
func documentAz(t *testing.T, w *world) {
	w.needAz(t)
	t.Run("registered cloud", func(t *testing.T) {
		if w.azEnv == nil {
			t.Fatal("there is no registered cloud: az-setup has failed")
		}
		run := func(t *testing.T, script string) result {
			return w.run(t, command{env: w.azEnv, args: []string{"sh", "-c", script}})
		}
		w.poolOf(t, "000", run)
		w.mismatch(t, "001", run)
		drove(t, "az, registered cloud")
	})
	t.Run("millpond exec", func(t *testing.T) {
		env := []string{"AZURE_CONFIG_DIR=" + t.TempDir()}
		run := func(t *testing.T, script string) result {
			return w.run(t, command{env: env, args: []string{w.bin, "exec", "--", "sh", "-c", script}})
		}
		for _, script := range []string{
			"az login --service-principal -u " + w.ClientID + " -p '" + w.ClientSecret + "' --tenant " + w.TenantID,
			"az batch account login -g " + w.ResourceGroup + " -n " + w.AccountName,
		} {
			if r := run(t, script); r.code != 0 {
				t.Fatal(r)
			}
		}
		w.poolOf(t, "003", run)
		w.mismatch(t, "004", run)
		drove(t, "az, millpond exec")
	})
}

const documentsSKU = `--node-agent-sku-id "batch.node.ubuntu 16.04"`

// poolOf runs a document's command with the agent that fits the image, and waits for the pool's two nodes.
func (w *world) poolOf(t *testing.T, number string, run func(*testing.T, string) result) {
	t.Helper()
	script := placeholders(t, fenced(t, w.document(t, number), "azurecli"), w.imagePlaceholders("host"))
	script = placeholders(t, script, map[string]string{documentsSKU: `--node-agent-sku-id "` + w.images.agentSKU + `"`})
	if r := run(t, script); r.code != 0 {
		t.Fatalf("%s\n%s", script, r)
	}
	w.idle(t, "mypool", 2)
	r := run(t, "az batch node list --pool-id mypool --query 'length([?state==`idle`])' -o tsv")
	if r.code != 0 || strings.TrimSpace(r.stdout) != "2" {
		t.Errorf("az counts other idle nodes: %s", r)
	}
	w.gone(t, "mypool")
}

// mismatch runs a document's command word for word on an image that its agent does not fit.
func (w *world) mismatch(t *testing.T, number string, run func(*testing.T, string) result) {
	t.Helper()
	script := placeholders(t, fenced(t, w.document(t, number), "azurecli"), w.imagePlaceholders("host"))
	r := run(t, script)
	if r.code == 0 || !strings.Contains(r.stderr, "batch.node.ubuntu 16.04") || !strings.Contains(r.stderr, w.images.agentSKU) {
		t.Errorf("expected an error that names both agents, got %s", r)
	}
	if a, err := w.Try("GET", "/pools/mypool", nil); err != nil || a.Status != 404 {
		t.Errorf("a pool was made all the same: %d %v", a.Status, err)
	}
}
