package web_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/web"
)

// What is signed is the request as it stood on the wire; net/http must not
// change it on the way to us: a Content-Length of 0 is not an absent one, the
// path keeps its escapes, and the query its order and spelling do not matter.
func TestSignedTextSurvivesTheNetwork(t *testing.T) {
	face := kitchen(slog.New(slog.DiscardHandler), web.Batch, &web.Schema{Versions: &web.Versions{Known: []string{"2024-07-01.20.0"}}})
	var signed string
	face.Authenticate = func(c *web.Call) (identity.Principal, error) {
		signed = c.StringToSign("acct")
		return identity.Principal{}, fault.New("AuthenticationFailed", "")
	}
	server := httptest.NewServer(face)
	defer server.Close()
	for name, test := range map[string]struct{ request, want string }{
		"no body, length 0": {
			"POST /batch/acct/dishes/x/cool?timeout=30&api-version=1 HTTP/1.1\nHost: h\nContent-Length: 0\nocp-date: d",
			"POST\n\n\n0\n\n\n\n\n\n\n\n\nocp-date:d\n/acct/batch/acct/dishes/x/cool\napi-version:1\ntimeout:30"},
		"no body, no length": {
			"DELETE /batch/acct/dishes/x?api-version=1 HTTP/1.1\nHost: h\nDate: d",
			"DELETE\n\n\n\n\n\nd\n\n\n\n\n\n/acct/batch/acct/dishes/x\napi-version:1"},
		"escapes": {
			"GET /batch/acct/dishes/a%2Fb%20c:1/smell?%24select=id%2C%20state&api-version=1 HTTP/1.1\nHost: h\nocp-range: bytes=0-3\nocp-date: d\nRange: r",
			"GET\n\n\n\n\n\n\n\n\n\n\nr\nocp-date:d\nocp-range:bytes=0-3\n/acct/batch/acct/dishes/a%2Fb%20c:1/smell\n$select:id, state\napi-version:1"},
		"lower-case escapes stay": {
			"GET /batch/acct/dishes/a%2fb?api-version=1 HTTP/1.1\nHost: h\nocp-date: d",
			"GET\n\n\n\n\n\n\n\n\n\n\n\nocp-date:d\n/acct/batch/acct/dishes/a%2fb\napi-version:1"},
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s\r\n\r\n", strings.ReplaceAll(test.request, "\n", "\r\n"))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(name, err)
		}
		resp.Body.Close()
		conn.Close()
		if resp.StatusCode != http.StatusForbidden || signed != test.want {
			t.Errorf("%s: %d\n got %q\nwant %q", name, resp.StatusCode, signed, test.want)
		}
	}
}
