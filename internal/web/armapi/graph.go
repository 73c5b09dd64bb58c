package armapi

import (
	"regexp"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/web"
)

// graphRoutes is what `az role assignment` and `az ad sp show` read. The old
// Graph puts the tenant first.
func (a *API) graphRoutes() []web.Route {
	return []web.Route{
		{Operation: "Graph.ListServicePrincipals", Method: "GET", Pattern: "/v1.0/servicePrincipals", Status: 200, Handle: a.listPrincipals},
		{Operation: "Graph.GetServicePrincipal", Method: "GET", Pattern: "/v1.0/servicePrincipals/{id}", Status: 200, Handle: a.getPrincipal},
		{Operation: "Graph.GetByIds", Method: "POST", Pattern: "/v1.0/directoryObjects/getByIds", Status: 200, Handle: a.principalsByID},
		{Operation: "Graph.ListUsers", Method: "GET", Pattern: "/v1.0/users", Status: 200, Handle: a.nobody},
		{Operation: "Graph.ListGroups", Method: "GET", Pattern: "/v1.0/groups", Status: 200, Handle: a.nobody},
		{Operation: "AADGraph.ListServicePrincipals", Method: "GET", Pattern: "/{tenantId}/servicePrincipals", Status: 200, Handle: a.listPrincipals},
	}
}

// principal is a service principal in both Graphs' words.
type principal struct {
	OData       string   `json:"@odata.type"`
	ID          string   `json:"id"`
	ObjectID    string   `json:"objectId"`
	ObjectType  string   `json:"objectType"`
	AppID       string   `json:"appId"`
	DisplayName string   `json:"displayName"`
	Names       []string `json:"servicePrincipalNames"`
	Type        string   `json:"servicePrincipalType"`
	Enabled     bool     `json:"accountEnabled"`
	Owner       string   `json:"appOwnerOrganizationId"`
}

func principalBody(x identity.Application) *principal {
	return &principal{
		OData: "#microsoft.graph.servicePrincipal", ID: x.ObjectID, ObjectID: x.ObjectID, ObjectType: "ServicePrincipal", AppID: x.AppID,
		DisplayName: x.DisplayName, Names: []string{x.AppID}, Type: "Application", Enabled: true, Owner: x.TenantID,
	}
}

// graphClause is the whole of the filters read here:
//
//	appId eq 'x'  id eq 'x'  displayName eq 'x'  startswith(displayName,'x')
//	servicePrincipalNames/any(c:c eq 'x')
var graphClause = regexp.MustCompile(`^(?i:(appId|id|displayName) eq '((?:[^']|'')*)'|startswith\((displayName), ?'((?:[^']|'')*)'\)|(servicePrincipalNames)/any\((\w+): ?(\w+) eq '((?:[^']|'')*)'\))$`)

func readGraphFilter(clause string) (match func(identity.Application) bool, ok bool) {
	if strings.TrimSpace(clause) == "" {
		return func(identity.Application) bool { return true }, true
	}
	m := graphClause.FindStringSubmatch(strings.TrimSpace(clause))
	if m == nil || m[6] != m[7] {
		return nil, false
	}
	plain := func(s string) string { return strings.ReplaceAll(s, "''", "'") }
	switch {
	case strings.EqualFold(m[1], "appId"):
		return func(x identity.Application) bool { return strings.EqualFold(x.AppID, plain(m[2])) }, true
	case strings.EqualFold(m[1], "id"):
		return func(x identity.Application) bool { return strings.EqualFold(x.ObjectID, plain(m[2])) }, true
	case strings.EqualFold(m[1], "displayName"):
		return func(x identity.Application) bool { return strings.EqualFold(x.DisplayName, plain(m[2])) }, true
	case m[3] != "":
		return func(x identity.Application) bool {
			return strings.HasPrefix(strings.ToLower(x.DisplayName), strings.ToLower(plain(m[4])))
		}, true
	default:
		return func(x identity.Application) bool { return strings.EqualFold(x.AppID, plain(m[8])) }, true
	}
}

func (a *API) listPrincipals(c *web.Call) (web.Reply, error) {
	match, ok := readGraphFilter(c.Query("$filter"))
	if !ok {
		return web.Reply{}, fault.Newf("Request_UnsupportedQuery", "Unsupported or invalid query filter clause: %s.", clip(c.Query("$filter")))
	}
	return a.principals(c, match)
}

// principals lists those of the caller's own tenant that match.
func (a *API) principals(c *web.Call, match func(identity.Application) bool) (web.Reply, error) {
	all, err := a.Identity.Applications(c.Context(), c.Principal.TenantID)
	if err != nil {
		return web.Reply{}, err
	}
	seen := []*principal{}
	for _, x := range all {
		if match(x) {
			seen = append(seen, principalBody(x))
		}
	}
	return values(seen), nil
}

func (a *API) getPrincipal(c *web.Call) (web.Reply, error) {
	x, err := a.Identity.Application(c.Context(), c.Param("id"))
	if fault.Is(err, "ApplicationNotFound") || err == nil && (!strings.EqualFold(x.TenantID, c.Principal.TenantID) || !strings.EqualFold(x.ObjectID, c.Param("id"))) {
		return web.Reply{}, fault.Newf("Request_ResourceNotFound", "Resource '%s' does not exist or one of its queried reference-property objects are not present.", clip(c.Param("id")))
	}
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, principalBody(x)), nil
}

type byIDs struct {
	IDs   []string `json:"ids" wire:"req"`
	Types []string `json:"types"`
}

func (a *API) principalsByID(c *web.Call) (web.Reply, error) {
	var body byIDs
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	wanted := map[string]bool{}
	for _, id := range body.IDs {
		wanted[strings.ToLower(id)] = true
	}
	return a.principals(c, func(x identity.Application) bool { return wanted[strings.ToLower(x.ObjectID)] })
}

// nobody: this directory has service principals only.
func (a *API) nobody(*web.Call) (web.Reply, error) { return values([]*principal{}), nil }
