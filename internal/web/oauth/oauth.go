package oauth

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/resource"
	"millpond/internal/web"
)

// Issuer serves the face.
type Issuer struct {
	identity *identity.Identity
	clock    resource.Clock
	log      *slog.Logger
	mux      *http.ServeMux
}

// New makes the face. Mount it wherever Owns says so, and on the whole of the
// hosts in Hosts.
func New(id *identity.Identity, clock resource.Clock, log *slog.Logger) *Issuer {
	s := &Issuer{identity: id, clock: clock, log: log, mux: http.NewServeMux()}
	for _, r := range []struct {
		pattern string
		handle  func(*exchange) (any, error)
	}{
		{"POST /adfs/oauth2/token", s.token},
		{"POST /adfs/oauth2/v2.0/token", s.token},
		{"POST /{tenant}/oauth2/token", s.token},
		{"POST /{tenant}/oauth2/v2.0/token", s.token},
		// A login endpoint of .../adfs with a tenant behind it, as some clients join them.
		{"POST /adfs/{tenant}/oauth2/token", s.token},
		{"POST /adfs/{tenant}/oauth2/v2.0/token", s.token},

		{"GET /{tenant}/.well-known/openid-configuration", s.discovery},
		{"GET /{tenant}/v2.0/.well-known/openid-configuration", s.discovery},
		{"GET /common/discovery/instance", s.instance},

		{"GET /{tenant}/discovery/keys", s.keys},
		{"GET /{tenant}/discovery/v2.0/keys", s.keys},
	} {
		s.mux.HandleFunc(r.pattern, s.serve(r.handle))
	}
	s.mux.HandleFunc("/", s.serve(func(x *exchange) (any, error) {
		return nil, fault.Newf("invalid_request", "AADSTS900043: There is no endpoint %s %s.", x.r.Method, clip(x.r.URL.Path))
	}))
	return s
}

// Hosts are the names under which Azure's clients know the issuer.
var Hosts = []string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"}

// Owns reports whether a path of a host shared with other faces is ours.
func Owns(path string) bool {
	if strings.HasPrefix(path, "/adfs/") {
		return true
	}
	parts := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 3)
	if len(parts) < 3 || parts[0] == "" {
		return false
	}
	rest := parts[1] + "/" + parts[2]
	switch rest {
	case "oauth2/token", "oauth2/v2.0/token", "discovery/instance", "discovery/keys", "discovery/v2.0/keys",
		".well-known/openid-configuration", "v2.0/.well-known/openid-configuration":
		return true
	}
	return false
}

// ServeHTTP satisfies http.Handler.
func (s *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// exchange is one request.
type exchange struct {
	r      *http.Request
	id     string // trace_id
	origin string // scheme and host the client came by
}

// tenant as in the path; "" for the adfs forms without one.
func (x *exchange) tenant() string { return x.r.PathValue("tenant") }

// serve runs the steps no handler may forget.
func (s *Issuer) serve(handle func(*exchange) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{r: r, id: uuid.NewString(), origin: web.Origin(r)}
		h := w.Header()
		h.Set("Cache-Control", "no-store, no-cache")
		h.Set("Pragma", "no-cache")
		h.Set("Expires", "-1")
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("x-ms-request-id", x.id)
		if id := r.Header.Get("client-request-id"); id != "" && len(id) <= 64 {
			h.Set("client-request-id", id)
		}
		status := http.StatusOK
		end := web.Hurry(w)
		body, err := handle(x)
		end()
		if err != nil {
			status, body = s.problem(x, h, err)
		}
		s.log.Info("request", "face", "oauth", "method", r.Method, "path", clip(r.URL.Path), "status", status, "request", x.id)
		raw, err := json.Marshal(body)
		if err != nil {
			s.log.Error("answer", "request", x.id, "error", err)
			status, raw = http.StatusInternalServerError, nil
		}
		h.Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write(raw) // a client that left is not our error
	}
}

// ownHost tells whether host:port is an address of this service: the one the
// client came by, or another name of this machine with the same port.
func (x *exchange) ownHost(host string) bool {
	if strings.EqualFold(host, x.r.Host) {
		return true
	}
	theirs, ours := split(host), split(x.r.Host)
	return theirs.port == ours.port && loopback(theirs.name) && loopback(ours.name)
}

type address struct{ name, port string }

func split(host string) address {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return address{strings.Trim(host, "[]"), "443"}
	}
	return address{name, port}
}

func loopback(name string) bool {
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}

// clip keeps what a stranger sent from filling our replies and logs.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}
