package batchapi_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

var requestID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// What every reply carries, whatever it is: success with a body and without,
// error, HEAD, 304, a file (facts/wire.md 1.1).
func TestEveryReplyHas(t *testing.T) {
	w := busyWorld(t)
	ids := map[string]bool{}
	for _, ask := range []struct {
		method, target, header, value string
		status                        int
	}{
		{"GET", "/pools/p", "", "", 200},
		{"GET", "/pools", "", "", 200},
		{"HEAD", "/pools/p", "", "", 200},
		{"HEAD", "/pools/none", "", "", 404},
		{"GET", "/pools/none", "", "", 404},
		{"GET", "/pools/p", "If-None-Match", "*", 304},
		{"GET", "/pools/p", "If-Match", "0x1", 412},
		{"GET", "/pools/p", "Authorization", "none", 403},
		{"GET", "/jobschedules", "", "", 501},
		{"PUT", "/pools", "", "", 405},
		{"GET", "/jobs/j/tasks/t/files/stdout.txt", "", "", 200},
		{"HEAD", "/jobs/j/tasks/t/files/stdout.txt", "", "", 200},
		{"POST", "/jobs/j/terminate", "", "", 202},
		{"DELETE", "/jobs/j/tasks/t", "", "", 200},
	} {
		r := httptest.NewRequestWithContext(t.Context(), ask.method, ask.target+v, nil)
		r.Host = "acct.westeurope.batch.azure.com"
		if ask.header != "" {
			r.Header.Set(ask.header, ask.value)
		}
		got := w.once(r, ask.target+v, nil)
		what, h := ask.method+" "+ask.target+" "+ask.header, got.Header()
		if got.Code != ask.status {
			t.Errorf("%s: %d %s", what, got.Code, got.Body)
		}
		for name, want := range map[string]string{"Server": "Microsoft-HTTPAPI/2.0", "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
			"X-Content-Type-Options": "nosniff", "Date": "Thu, 29 Feb 2024 12:00:00 GMT", "client-request-id": ""} {
			if h.Get(name) != want {
				t.Errorf("%s: %s: %q", what, name, h.Get(name))
			}
		}
		if values := h["DataServiceVersion"]; len(values) != 1 || values[0] != "3.0" { //nolint:staticcheck // written in the case of Azure
			t.Errorf("%s: DataServiceVersion: %q", what, values)
		}
		id := h.Get("request-id")
		if !requestID.MatchString(id) || ids[id] {
			t.Errorf("%s: request-id %q", what, id)
		}
		ids[id] = true
		body := got.Body.String()
		if ask.status >= 400 && ask.method != http.MethodHead && !strings.Contains(body, `\nRequestId:`+id+`\nTime:2024-02-29T12:00:00.1234567Z`) {
			t.Errorf("%s: its error does not name request %s: %s", what, id, body)
		}
		if (ask.method == http.MethodHead || ask.status == http.StatusNotModified) && body != "" {
			t.Errorf("%s: a body: %s", what, body)
		}
		if body == "" && ask.method != http.MethodHead && h.Get("Content-Type") != "" {
			t.Errorf("%s: a type of nothing: %s", what, h.Get("Content-Type"))
		}
		if strings.HasPrefix(body, "{") && h.Get("Content-Type") != "application/json;odata=minimalmetadata" {
			t.Errorf("%s: Content-Type %s", what, h.Get("Content-Type"))
		}
	}
}
