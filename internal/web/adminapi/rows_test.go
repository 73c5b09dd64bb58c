package adminapi

import "testing"

// No row serves a stranger, and what changes the deployment asks for more than
// reading does.
func TestEveryRowAsksForAPermission(t *testing.T) {
	for _, r := range (&API{}).Routes() {
		want := "write"
		if r.Method == "GET" {
			want = "read"
		}
		if r.Open || r.Action != want {
			t.Errorf("%s %s asks for %q", r.Operation, r.Method, r.Action)
		}
	}
}
