package app

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"millpond/internal/web/adminapi"
	"millpond/internal/web/armapi"
	"millpond/internal/web/oauth"
)

// faces are what requests are routed to.
type faces struct {
	oauth, arm, graph, admin, batchPath, batchHost http.Handler
}

// ServeHTTP routes by host first: under interception a client names Azure's
// hosts. On our own hosts the path decides.
func (f *faces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := strings.ToLower(r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	switch {
	case slices.Contains(oauth.Hosts, host):
		f.oauth.ServeHTTP(w, r)
	case slices.Contains(armapi.Hosts, host):
		f.arm.ServeHTTP(w, r)
	case slices.Contains(armapi.GraphHosts, host):
		f.graph.ServeHTTP(w, r)
	case isBatchHost(host):
		f.batchHost.ServeHTTP(w, r)
	case strings.HasPrefix(r.URL.Path, "/batch/"):
		f.batchPath.ServeHTTP(w, r)
	case strings.HasPrefix(r.URL.Path, adminapi.Prefix+"/"):
		f.admin.ServeHTTP(w, r)
	case armapi.Owns(r.URL.Path):
		f.arm.ServeHTTP(w, r)
	case armapi.OwnsGraph(r.URL.Path):
		f.graph.ServeHTTP(w, r)
	case oauth.Owns(r.URL.Path):
		f.oauth.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

// isBatchHost knows {account}.{region}.batch.azure.com and the same below a
// domain of the owner's.
func isBatchHost(host string) bool {
	parts := strings.Split(host, ".")
	return len(parts) >= 4 && parts[2] == "batch"
}

// plainFaces are what the plain-HTTP listener serves: the data plane, where a
// shared key signs each request. Tokens and secrets need TLS, so the path alone
// decides here: by its Host header a request would find every face.
func plainFaces(f *faces) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/batch/"):
			f.batchPath.ServeHTTP(w, r)
		case r.URL.Path == "/metadata/endpoints":
			f.arm.ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	})
}
