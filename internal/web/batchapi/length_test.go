package batchapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A body that is not as long as its Content-Length says makes nothing, whether
// it ends early or goes on; here with a real connection, where it matters.
func TestWrongContentLength(t *testing.T) {
	w := busyWorld(t)
	before := everything(t, w)
	server := httptest.NewServer(w.byPath)
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	body := `{"id":"bad","poolInfo":{"poolId":"p"}}`
	for name, test := range map[string]struct {
		length string
		want   int
	}{
		"longer than the body":  {strconv.Itoa(len(body) + 10), 400},
		"shorter than the body": {strconv.Itoa(len(body) - 10), 400},
		"nothing":               {"0", 400},
		"negative":              {"-1", 400},
		"a word":                {"many", 400},
		"beyond the limit":      {"1048577", 413},
		"beyond all":            {"9223372036854775808", 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/batch/acct/jobs"+v, nil)
			r.Header.Set("Content-Length", test.length)
			r.Header.Set("Content-Type", "application/json")
			sign(r, "acct", keys[0], w.clock.Now())
			conn, err := net.Dial("tcp", host)
			must(t, err)
			defer conn.Close()
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\n", r.URL.RequestURI(), host)
			must(t, r.Header.Write(conn))
			_, err = io.WriteString(conn, "\r\n"+body)
			must(t, err)
			must(t, conn.(*net.TCPConn).CloseWrite())
			got, err := http.ReadResponse(bufio.NewReader(conn), r)
			must(t, err)
			defer got.Body.Close()
			if got.StatusCode != test.want {
				text, _ := io.ReadAll(got.Body)
				t.Errorf("%d %s", got.StatusCode, text)
			}
			if diff := cmp.Diff(before, everything(t, w)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
