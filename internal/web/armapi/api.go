package armapi

import (
	"log/slog"
	"net"
	"net/http"
	"strings"

	"millpond/internal/account"
	"millpond/internal/identity"
	"millpond/internal/resource"
	"millpond/internal/web"
)

// API is the face's dependencies. Fill it, then take Face and Graph.
type API struct {
	Identity  *identity.Identity
	Accounts  *account.Accounts
	Resources resource.Store
	Clock     resource.Clock
	Log       *slog.Logger
	Compute   Compute // rooms of Microsoft.Compute
}

// Routes is every row of Resource Manager.
func (a *API) Routes() []web.Route {
	var all []web.Route
	for _, rows := range [][]web.Route{
		a.metadataRoutes(), a.subscriptionRoutes(), a.groupRoutes(), a.providerRoutes(),
		a.accountRoutes(), a.roleRoutes(), a.operationRoutes(), a.computeRoutes(),
	} {
		all = append(all, rows...)
	}
	return all
}

// Face serves Routes on hosts that are ours and on management.azure.com.
func (a *API) Face() *web.Face {
	return &web.Face{
		Name: "arm", Table: web.NewTable(web.Merge(a.Routes(), contract), true), Dialect: web.ARM, Schema: Wire, BodyLimit: web.ARMBodyLimit,
		Clock: a.Clock, Log: a.Log, Mount: web.RootMount,
		Authenticate: a.bearer(identity.AudienceARM), Authorize: a.authorize,
	}
}

// Graph serves the directory's few reads below /msgraph, below /graph, and on
// graph.microsoft.com. Graph has no api-version.
func (a *API) Graph() *web.Face {
	return &web.Face{
		Name: "graph", Table: web.NewTable(a.graphRoutes(), true), Dialect: web.ARM, Schema: &web.Schema{FoldNames: true}, BodyLimit: web.ARMBodyLimit,
		Clock: a.Clock, Log: a.Log, Mount: graphMount,
		Authenticate: a.bearer(identity.AudienceGraph),
	}
}

// Hosts of Azure that this face answers for under interception.
var (
	Hosts      = []string{"management.azure.com", "management.core.windows.net"}
	GraphHosts = []string{"graph.microsoft.com", "graph.windows.net"}
)

// Owns reports whether a path of a host shared with other faces is Resource
// Manager's, and OwnsGraph whether it is Graph's.
func Owns(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch strings.ToLower(first) {
	case "metadata", "subscriptions", "tenants", "providers":
		return true
	}
	return false
}

// OwnsGraph is Owns for Graph.
func OwnsGraph(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return strings.EqualFold(first, "msgraph") || strings.EqualFold(first, "graph")
}

func graphMount(r *http.Request) (web.Mount, error) {
	for _, prefix := range []string{"/msgraph", "/graph"} {
		if strings.HasPrefix(r.URL.EscapedPath(), prefix+"/") {
			return web.Mount{Base: web.Origin(r) + prefix, Prefix: prefix}, nil
		}
	}
	return web.RootMount(r)
}

// intercepted reports whether the client believes it talks to Azure itself:
// then every address we name is Azure's form of it.
func intercepted(r *http.Request) bool {
	name := r.Host
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		name = host
	}
	for _, h := range Hosts {
		if strings.EqualFold(name, h) {
			return true
		}
	}
	return false
}

// accountEndpoint is an account's address without scheme, as seen by the
// client that asks: Azure's host under interception, else our path style.
func accountEndpoint(r *http.Request, acct account.Account) string {
	if intercepted(r) {
		return acct.Name + "." + acct.Location + ".batch.azure.com"
	}
	return r.Host + "/batch/" + acct.Name
}
