package adminapi

import (
	"net/http"
	"testing"
)

// No row serves a stranger, and what changes the deployment asks for more than
// reading does.
func TestEveryRowAsksForAPermission(t *testing.T) {
	for _, r := range (&API{}).Routes() {
		want := "write"
		if r.Method == http.MethodGet {
			want = "read"
		}
		if r.Open || r.Action != want {
			t.Errorf("%s %s asks for %q", r.Operation, r.Method, r.Action)
		}
	}
}
