package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Whatever host a client names, the plain listener leads to the data plane.
func TestThePlainListenerIsTheDataPlaneAlone(t *testing.T) {
	named := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	}
	f := &faces{oauth: named("oauth"), arm: named("arm"), graph: named("graph"), admin: named("admin"),
		batchPath: named("batch"), batchHost: named("batchHost")}
	h := plainFaces(f)
	for _, host := range []string{"127.0.0.1:8080", "login.microsoftonline.com", "management.azure.com", "graph.microsoft.com"} {
		for path, want := range map[string]string{
			"/batch/acct/pools":       "batch",
			"/batch/oauth2/token":     "batch",
			"/batch/../subscriptions": "batch",
			"/metadata/endpoints":     "arm",
			"/metadata/oauth2/token":  "404 page not found\n",
			"/metadata/../tenants":    "404 page not found\n",
			"/tenant/oauth2/token":    "404 page not found\n",
			"/millpond/v1/images":     "404 page not found\n",
			"/subscriptions":          "404 page not found\n",
		} {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = host
			h.ServeHTTP(w, r)
			if w.Body.String() != want {
				t.Errorf("%s %s: %q, want %q", host, path, w.Body, want)
			}
		}
	}
}
