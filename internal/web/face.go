package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/google/uuid"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/resource"
)

// Body limits in bytes. The data plane's is Azure's (facts/wire.md 2b).
const (
	BatchBodyLimit = 1 << 20
	ARMBodyLimit   = 4 << 20
)

// Face is one group of routes with one way of speaking. Fill it, then serve it;
// it is not changed afterwards.
type Face struct {
	Name    string
	Table   *Table
	Dialect Dialect
	// Schema decodes and encodes bodies; its Versions also judge api-version.
	Schema *Schema
	// BodyLimit in bytes; 0 is BatchBodyLimit.
	BodyLimit int64
	Clock     resource.Clock
	Log       *slog.Logger
	// Mount says where the client came in; its errors are answered as they are.
	Mount func(*http.Request) (Mount, error)
	// Authenticate says who asks; it is called for every row that is not Open,
	// and for paths no row knows, so that strangers learn nothing.
	Authenticate func(*Call) (identity.Principal, error)
	// Authorize may refuse a row's Action; nil allows all.
	Authorize func(*Call) error
	// SkipAPIVersionCheck serves unknown api-versions as the newest.
	SkipAPIVersionCheck bool
}

// ServeHTTP runs the steps no handler may forget, in this order: id, mount,
// route, identity, api-version, permission, handler, reply, log.
func (f *Face) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &Call{Request: r, ID: newID(), Now: f.Clock.Now(), face: f}
	out := &recorder{ResponseWriter: w}
	c.Writer = out
	c.query, _ = url.ParseQuery(r.URL.RawQuery) // what parses is kept; a bad pair is as good as absent
	defer f.finish(c, out)
	reply, err := f.handle(c)
	if err == nil {
		err = f.write(c, out, reply)
	}
	if err != nil {
		f.fail(c, out, err)
	}
}

func (f *Face) handle(c *Call) (Reply, error) {
	f.Dialect.begin(c)
	mount, err := f.Mount(c.Request)
	if err != nil {
		return Reply{}, err
	}
	c.Mount = mount
	route, params, missing := f.Table.Match(c.Request.Method, c.path())
	c.Route, c.Params = route, params
	if route == nil || !route.Open {
		if c.Principal, err = f.Authenticate(c); err != nil {
			return Reply{}, err
		}
	}
	if missing != nil {
		if fault.Is(missing, "UnsupportedHttpVerb") {
			c.Writer.Header().Set("Allow", f.Table.allowed(c.path()))
		}
		return Reply{}, missing
	}
	if err := f.version(c); err != nil {
		return Reply{}, err
	}
	if f.Authorize != nil && !route.Open {
		if err := f.Authorize(c); err != nil {
			return Reply{}, err
		}
	}
	if route.Handle == nil {
		return unrouted(c)
	}
	return route.Handle(c)
}

func (f *Face) version(c *Call) error {
	c.Version = c.Query("api-version")
	if f.Schema == nil || f.Schema.Versions == nil || c.Route.Open {
		return nil
	}
	known, err := f.Schema.Versions.Check(c.Version)
	if err != nil && !(f.SkipAPIVersionCheck && c.Version != "") {
		return err
	}
	c.Version = known
	if !within(c.Version, c.Route.Since, c.Route.Until) {
		return fault.New("ResourceNotFound", "").With("Reason",
			"The operation "+c.Route.Operation+" does not exist in api-version "+c.Version)
	}
	return nil
}

// write sends a success; what fails before the first byte can still become an
// error reply.
func (f *Face) write(c *Call, out *recorder, reply Reply) error {
	status := reply.Status
	if status == 0 {
		status = c.Route.Status
	}
	var body []byte
	if reply.Body != nil {
		var err error
		if body, err = f.encode(c, reply); err != nil {
			return err
		}
	}
	h := out.Header()
	f.Dialect.success(c, h, status, reply)
	for name, values := range reply.Header {
		h[name] = values
	}
	if reply.Stream != nil {
		out.WriteHeader(status)
		if c.Request.Method == http.MethodHead {
			return nil
		}
		if err := reply.Stream(out); err != nil {
			f.Log.Info("stream ended early", "request", c.ID, "error", err)
			panic(http.ErrAbortHandler) // the client must not take half a file for a whole one
		}
		return nil
	}
	send(c, out, status, body)
	return nil
}

func (f *Face) encode(c *Call, reply Reply) ([]byte, error) {
	sel, err := c.Select()
	if err != nil {
		return nil, err
	}
	return f.Schema.Encode(f.Dialect.envelope(c, reply), reply.Body, c.Version, sel)
}

// fail sends an error; codes without an entry in the catalogue become 500 and
// keep their text to the log.
func (f *Face) fail(c *Call, out *recorder, err error) {
	if out.status != 0 {
		f.Log.Error("error after the reply began", "request", c.ID, "error", err)
		return
	}
	problem, ok := errors.AsType[*fault.Error](err)
	if !ok {
		problem = fault.New("InternalError", "").Because(err)
	}
	if errors.Is(err, context.Canceled) && c.Request.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	status, body, logged := f.Dialect.failure(c, out.Header(), problem)
	if logged {
		f.Log.Error("internal error", "request", c.ID, "error", err)
	}
	out.code = problem.Code
	send(c, out, status, body)
}

func send(c *Call, out *recorder, status int, body []byte) {
	h := out.Header()
	// A HEAD tells the type of what GET would send.
	if status == http.StatusNotModified || len(body) == 0 && c.Request.Method != http.MethodHead {
		h.Del("Content-Type")
		body = nil
	}
	if status != http.StatusNotModified {
		if h.Get("Content-Length") == "" {
			h.Set("Content-Length", itoa(len(body)))
		}
	}
	out.WriteHeader(status)
	if c.Request.Method != http.MethodHead && len(body) > 0 {
		_, _ = out.Write(body) // a client that left is not our error
	}
}

// finish turns a panic into 500 and writes the request's line in the log.
func (f *Face) finish(c *Call, out *recorder) {
	p := recover()
	if p != nil && p != http.ErrAbortHandler { //nolint:errorlint // compared as net/http does
		f.Log.Error("panic", "request", c.ID, "panic", p, "stack", string(debug.Stack()))
		f.fail(c, out, fault.New("InternalError", ""))
	}
	f.record(c, out)
	if p == http.ErrAbortHandler { //nolint:errorlint // compared as net/http does
		panic(p)
	}
}

func newID() string { return uuid.NewString() }

// PathMount reads the account from the path: prefix "/batch/" makes
// /batch/{account}/pools the account's /pools.
func PathMount(prefix string) func(*http.Request) (Mount, error) {
	return func(r *http.Request) (Mount, error) {
		rest, ok := strings.CutPrefix(r.URL.EscapedPath(), prefix)
		name, _, _ := strings.Cut(rest, "/")
		account, err := url.PathUnescape(name)
		if !ok || err != nil || account == "" {
			return Mount{}, fault.New("InvalidUri", "")
		}
		return Mount{Account: account, Base: Origin(r) + prefix + name, Prefix: prefix + name}, nil
	}
}

// HostMount takes the whole host for the account's name: account and region
// together name one account, the account alone may name several.
func HostMount(r *http.Request) (Mount, error) {
	if account, _, ok := strings.Cut(r.Host, "."); !ok || account == "" {
		return Mount{}, fault.New("InvalidUri", "")
	}
	return Mount{Account: strings.ToLower(r.Host), Base: Origin(r)}, nil
}

// RootMount is for faces that own the whole host.
func RootMount(r *http.Request) (Mount, error) { return Mount{Base: Origin(r)}, nil }

// Origin is the scheme and host the client used.
func Origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
