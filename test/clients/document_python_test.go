package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const samplePool = "LinuxNodesSamplePoolPython"

// documentPython runs the gallery sample of each document word for word but for its placeholders, and reads its start
// task's output back.
func documentPython(t *testing.T, w *world) {
	w.needPython(t)
	for _, number := range []string{"000", "001", "003", "004"} {
		t.Run(number, func(t *testing.T) {
			code := placeholders(t, fenced(t, w.document(t, number), "python"), w.imagePlaceholders("ubuntu"))
			code = placeholders(t, code, map[string]string{
				"{batch-account-name}": w.AccountName,
				"{batch-account-url}":  "https://" + w.AccountName + "." + w.Location + ".batch.azure.com",
				"{sp-client-id}":       w.ClientID, "{tenant-id}": w.TenantID, "{sp-secret}": w.ClientSecret,
			})
			file := filepath.Join(t.TempDir(), "sample.py")
			if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
			w.must(t, command{args: []string{w.bin, "exec", "--", w.python, file}})
			w.idle(t, samplePool, 1)
			if got := w.startupOutput(t, samplePool); got != "/mnt/batch/tasks/startup" {
				t.Errorf("the start task wrote %q", got)
			}
			w.gone(t, samplePool)
			drove(t, "azure-batch for Python, Azure AD, millpond exec")
		})
	}
}

// startupOutput is what the start task of the pool's first node wrote.
func (w *world) startupOutput(t *testing.T, pool string) string {
	t.Helper()
	var list struct {
		Value []struct {
			ID string `json:"id"`
		} `json:"value"`
	}
	w.Do("GET", "/pools/"+pool+"/nodes", nil, &list)
	if len(list.Value) == 0 {
		t.Fatalf("pool %s has no nodes", pool)
	}
	a, err := w.Try("GET", "/pools/"+pool+"/nodes/"+list.Value[0].ID+"/files/startup%2Fstdout.txt", nil)
	if err != nil || a.Status != 200 {
		t.Fatalf("stdout.txt: %d %s %v", a.Status, a.Body, err)
	}
	return strings.TrimSpace(string(a.Body))
}
