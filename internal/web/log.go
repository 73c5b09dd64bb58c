package web

import (
	"net/http"
	"strconv"
	"time"
)

// recorder remembers what was answered, for the log.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	code   string // of the error, if one was answered
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Now().Add(patience))
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController flush and hijack.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// record writes one line per request. The query is left out: it may hold
// signatures; so are all headers but the client's own request id.
func (f *Face) record(c *Call, out *recorder) {
	args := []any{
		"face", f.Name, "method", c.Request.Method, "path", c.Request.URL.EscapedPath(),
		"status", out.status, "bytes", out.bytes,
		"ms", float64((f.Clock.Now()-c.Now)/1000) / 10,
		"request", c.ID, "principal", c.Principal.Actor(),
	}
	if c.Route != nil {
		args = append(args, "operation", c.Route.Operation)
	}
	if c.Version != "" {
		args = append(args, "version", c.Version)
	}
	if id := clientID(c.Request); id != "" {
		args = append(args, "client", clip(id, 64))
	}
	if out.code != "" {
		args = append(args, "code", out.code)
	}
	f.Log.Info("request", args...)
}

func clientID(r *http.Request) string {
	if id := r.Header.Get("client-request-id"); id != "" {
		return id
	}
	return r.Header.Get("x-ms-client-request-id") // as the Java client sends it
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

func itoa(n int) string { return strconv.Itoa(n) }
