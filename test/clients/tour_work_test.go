package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tourWork makes a pool of the tour's own image version and works with it.
func tourWork(t *testing.T, w *world) {
	do := func(args ...string) any { t.Helper(); return w.az(t, append([]string{"batch"}, args...)...) }
	image := fmt.Sprintf("/subscriptions/%s/resourceGroups/tour/providers/Microsoft.Compute/galleries/tour/images/ubuntu/versions/1.0.0", w.SubscriptionID)
	do("pool", "create", "--id", "tour", "--vm-size", "Standard_A1_v2", "--target-dedicated-nodes", "1", "--task-slots-per-node", "4", "--image", image,
		"--node-agent-sku-id", "batch.node.ubuntu 18.04", "--start-task-command-line", "/bin/sh -c 'echo started'", "--start-task-wait-for-success")
	has(t, "pools", do("pool", "list"), "id", "tour")
	w.idle(t, "tour", 1)
	tourNode(t, w, do)
	tourJob(t, w, do)

	do("pool", "set", "--pool-id", "tour", "--metadata", "purpose=tour")
	want(t, "metadata", at(do("pool", "show", "--pool-id", "tour"), "metadata", 0, "value"), "tour")
	do("pool", "resize", "--pool-id", "tour", "--target-dedicated-nodes", "2")
	w.idle(t, "tour", 2)
	want(t, "nodes", at(do("pool", "show", "--pool-id", "tour"), "currentDedicatedNodes"), "2")
	do("node", "delete", "--pool-id", "tour", "--node-list", fmt.Sprint(at(do("node", "list", "--pool-id", "tour"), 0, "id")))
	w.idle(t, "tour", 1)
	do("pool", "delete", "--pool-id", "tour", "--yes")
	w.eventually(t, time.Minute, "the end of the pool", func() (bool, string) {
		a, err := w.Try("GET", "/pools/tour", nil)
		return err == nil && a.Status == 404, string(a.Body)
	})
}

func tourNode(t *testing.T, w *world, do func(...string) any) {
	nodes := do("node", "list", "--pool-id", "tour")
	want(t, "node state", at(nodes, 0, "state"), "idle")
	one := []string{"--pool-id", "tour", "--node-id", fmt.Sprint(at(nodes, 0, "id"))}
	do(append([]string{"node", "user", "create", "--name", "tourist", "--password", nodePassword}, one...)...)
	login := do(append([]string{"node", "remote-login-settings", "show"}, one...)...)
	if at(login, "remoteLoginPort") == nil {
		t.Errorf("remote login settings: %v", login)
	}
	do(append([]string{"node", "user", "reset", "--user-name", "tourist", "--password", nodePassword + "x"}, one...)...)
	do(append([]string{"node", "user", "delete", "--user-name", "tourist", "--yes"}, one...)...)
	has(t, "node files", do(append([]string{"node", "file", "list", "--recursive"}, one...)...), "name", "startup/stdout.txt")
	file := filepath.Join(t.TempDir(), "stdout.txt")
	do(append([]string{"node", "file", "download", "--file-path", "startup/stdout.txt", "--destination", file}, one...)...)
	if text, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(text)) != "started" {
		t.Errorf("downloaded %q, %v", text, err)
	}
	before := at(do(append([]string{"node", "show"}, one...)...), "lastBootTime")
	do(append([]string{"node", "reboot"}, one...)...)
	w.eventually(t, time.Minute, "the reboot", func() (bool, string) {
		a, err := w.Try("GET", "/pools/tour/nodes", nil)
		return err == nil && strings.Contains(string(a.Body), `"state":"idle"`) && !strings.Contains(string(a.Body), fmt.Sprint(before)), string(a.Body)
	})
	want(t, "idle", at(do("pool", "node-counts", "list"), 0, "dedicated", "idle"), "1")
}

func tourJob(t *testing.T, w *world, do func(...string) any) {
	do("job", "create", "--id", "tour", "--pool-id", "tour", "--priority", "5")
	has(t, "jobs", do("job", "list"), "id", "tour")
	want(t, "priority", at(do("job", "show", "--job-id", "tour"), "priority"), "5")
	do("job", "set", "--job-id", "tour", "--priority", "7")
	want(t, "priority", at(do("job", "show", "--job-id", "tour"), "priority"), "7")
	do("task", "create", "--job-id", "tour", "--task-id", "hello", "--command-line", "/bin/sh -c 'echo hello from $AZ_BATCH_TASK_ID'")
	file := filepath.Join(t.TempDir(), "tasks.json")
	if err := os.WriteFile(file, []byte(`[{"id": "one", "commandLine": "/bin/sh -c 'exit 3'"}, {"id": "two", "commandLine": "sleep 600"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	do("task", "create", "--job-id", "tour", "--json-file", file)
	completed := func(task string) {
		t.Helper()
		w.eventually(t, time.Minute, "task "+task, func() (bool, string) {
			a, err := w.Try("GET", "/jobs/tour/tasks/"+task, nil)
			if err != nil {
				return false, err.Error()
			}
			return strings.Contains(string(a.Body), `"state":"completed"`), string(a.Body)
		})
	}
	one := []string{"--job-id", "tour", "--task-id", "hello"}
	completed("hello")
	want(t, "exit code", at(do(append([]string{"task", "show"}, one...)...), "executionInfo", "exitCode"), "0")
	completed("one")
	want(t, "exit code", at(do("task", "show", "--job-id", "tour", "--task-id", "one"), "executionInfo", "exitCode"), "3")
	do("task", "stop", "--job-id", "tour", "--task-id", "two")
	completed("two")
	has(t, "tasks", do("task", "list", "--job-id", "tour"), "id", "two")
	has(t, "files", do(append([]string{"task", "file", "list"}, one...)...), "name", "stdout.txt")
	out := filepath.Join(t.TempDir(), "stdout.txt")
	do(append([]string{"task", "file", "download", "--file-path", "stdout.txt", "--destination", out}, one...)...)
	if text, err := os.ReadFile(out); err != nil || strings.TrimSpace(string(text)) != "hello from hello" {
		t.Errorf("downloaded %q, %v", text, err)
	}
	counts := do("job", "task-counts", "show", "--job-id", "tour")
	want(t, "succeeded", at(counts, "taskCounts", "succeeded"), "1")
	want(t, "failed", at(counts, "taskCounts", "failed"), "2")
	do("task", "delete", "--job-id", "tour", "--task-id", "two", "--yes")
	do("job", "stop", "--job-id", "tour", "--terminate-reason", "TourIsOver")
	want(t, "reason", at(do("job", "show", "--job-id", "tour"), "executionInfo", "terminateReason"), "TourIsOver")
	do("job", "delete", "--job-id", "tour", "--yes")
}

// tourSharedKey is az without a login: name, key and endpoint on the command line, over plain HTTP and TLS. Its
// configuration is another one: what `az batch account login` stores wins over a key that is given.
func tourSharedKey(t *testing.T, w *world) {
	for _, address := range []string{w.BatchHTTPURL, w.BatchURL} {
		out := w.must(t, command{
			env: []string{"AZURE_CONFIG_DIR=" + t.TempDir(), "REQUESTS_CA_BUNDLE=" + w.CAFile},
			args: []string{filepath.Join(w.azBin, "az"), "batch", "pool", "supported-images", "list", "--query", "length(@)", "-o", "tsv",
				"--account-name", w.AccountName, "--account-key", w.AccountKey, "--account-endpoint", address},
		})
		if strings.TrimSpace(out) == "" || strings.TrimSpace(out) == "0" {
			t.Errorf("%s: %q images", address, out)
		}
	}
	drove(t, "az, shared key")
}
