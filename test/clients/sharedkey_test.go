package clients

import (
	"strings"
	"testing"
)

// pythonSharedKey drives the data plane with the account key, at the address of plain HTTP and at that of TLS, both with
// the account in the path.
func pythonSharedKey(t *testing.T, w *world) {
	w.needPython(t)
	w.Do("POST", "/pools", w.Pool("shared-key", 1, 4), nil)
	w.idle(t, "shared-key", 1)
	for _, address := range []string{w.BatchHTTPURL, w.BatchURL} {
		scheme, _, _ := strings.Cut(address, ":")
		t.Run(scheme, func(t *testing.T) {
			out := w.must(t, command{
				env:  []string{"REQUESTS_CA_BUNDLE=" + w.CAFile},
				args: []string{w.python, "testdata/shared_key.py", address, w.AccountName, w.AccountKey, "shared-key", "job-" + scheme},
			})
			if !strings.HasSuffix(strings.TrimSpace(out), "all good") {
				t.Errorf("it printed %q", out)
			}
			drove(t, "azure-batch for Python, shared key, "+scheme)
		})
	}
	w.gone(t, "shared-key")
}
