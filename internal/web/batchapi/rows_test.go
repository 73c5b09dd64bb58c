package batchapi

import (
	"net/http"
	"testing"
)

// No row serves a stranger, and each says what it asks for: reading rows to read,
// the others never to read alone.
func TestEveryRowAsksForAPermission(t *testing.T) {
	for _, r := range (&API{}).Routes() {
		reading := r.Method == http.MethodGet || r.Method == http.MethodHead
		asksRead := r.Action == "read" || len(r.Action) > 5 && r.Action[len(r.Action)-5:] == "/read"
		if r.Open || r.Action == "" || reading != asksRead {
			t.Errorf("%s %s %s asks for %q", r.Operation, r.Method, r.Pattern, r.Action)
		}
	}
}
