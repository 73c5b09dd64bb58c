package armapi

import (
	"net/http"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/web"
)

// roleRoutes stand below any scope. The contract names three scopes by
// themselves as well; they are the same handlers.
func (a *API) roleRoutes() []web.Route {
	const auth = "/providers/Microsoft.Authorization"
	const group = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
	const one = group + "/providers/{resourceProviderNamespace}/{resourceType}/{resourceName}"
	const wide = "/{" + wideScope + "...}"
	const assign, define = "Microsoft.Authorization/roleAssignments/", "Microsoft.Authorization/roleDefinitions/"
	rows := []web.Route{
		{Operation: "RoleAssignmentsClient.Create", Method: "PUT", Pattern: wide + auth + "/roleAssignments/{roleAssignmentName}", Action: assign + "write", Status: 201, Handle: a.putAssignment},
		{Operation: "RoleAssignmentsClient.Get", Method: "GET", Pattern: wide + auth + "/roleAssignments/{roleAssignmentName}", Action: assign + "read", Status: 200, Handle: a.getAssignment},
		{Operation: "RoleAssignmentsClient.Delete", Method: "DELETE", Pattern: wide + auth + "/roleAssignments/{roleAssignmentName}", Action: assign + "delete", Status: 200, Handle: a.deleteAssignment},
	}
	for _, at := range []struct{ operation, scope string }{
		{"ListForSubscription", "/subscriptions/{subscriptionId}"}, {"ListForResourceGroup", group}, {"ListForResource", one}, {"ListForScope", wide},
	} {
		rows = append(rows, web.Route{Operation: "RoleAssignmentsClient." + at.operation, Method: "GET", Pattern: at.scope + auth + "/roleAssignments", Action: assign + "read", Status: 200, Handle: a.listAssignments})
	}
	return append(rows,
		web.Route{Operation: "RoleDefinitionsClient.List", Method: "GET", Pattern: wide + auth + "/roleDefinitions", Action: define + "read", Status: 200, Handle: a.listRoles},
		web.Route{Operation: "RoleDefinitionsClient.Get", Method: "GET", Pattern: wide + auth + "/roleDefinitions/{roleDefinitionId}", Action: define + "read", Status: 200, Handle: a.getRole},
		// Built-in roles are the same for everybody; at the root no permission is asked.
		web.Route{Operation: "RoleDefinitionsClient.ListAtRoot", Method: "GET", Pattern: auth + "/roleDefinitions", Status: 200, Handle: a.listRoles},
		web.Route{Operation: "RoleDefinitionsClient.GetAtRoot", Method: "GET", Pattern: auth + "/roleDefinitions/{roleDefinitionId}", Status: 200, Handle: a.getRole})
}

// roleScope is what stands before /providers/Microsoft.Authorization.
func roleScope(c *web.Call) string {
	path := c.Request.URL.Path
	at := strings.LastIndex(strings.ToLower(path), "/providers/microsoft.authorization/")
	if at <= 0 {
		return "/"
	}
	return path[:at]
}

// role is a definition as clients read it; its properties are written by hand
// because the official module's model leaves them out.
type role struct {
	Properties roleProperties `json:"properties"`
	ID         string         `json:"id"`
	Type       string         `json:"type"`
	Name       string         `json:"name"`
}

type roleProperties struct {
	Name        string       `json:"roleName"`
	Type        string       `json:"type"`
	Description string       `json:"description"`
	Scopes      []string     `json:"assignableScopes"`
	Permissions []Permission `json:"permissions"`
	Created     string       `json:"createdOn"`
	Updated     string       `json:"updatedOn"`
	CreatedBy   any          `json:"createdBy"`
	UpdatedBy   any          `json:"updatedBy"`
}

// rolesMade is when Azure made its first built-in roles.
const rolesMade = "2015-02-02T21:55:09.8806423Z"

func roleBody(scope string, r identity.Role) role {
	body := role{
		ID: identity.RoleDefinitionID(scope, r), Type: "Microsoft.Authorization/roleDefinitions", Name: r.ID,
		Properties: roleProperties{
			Name: r.Name, Type: "BuiltInRole", Description: r.Description, Scopes: []string{"/"}, Permissions: []Permission{},
			Created: rolesMade, Updated: rolesMade,
		},
	}
	for _, p := range r.Permissions {
		body.Properties.Permissions = append(body.Properties.Permissions, Permission{
			Actions: orEmpty(p.Actions), NotActions: orEmpty(p.NotActions), DataActions: orEmpty(p.DataActions), NotDataActions: orEmpty(p.NotDataActions),
		})
	}
	return body
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func (a *API) listRoles(c *web.Call) (web.Reply, error) {
	want, err := readFilter(c, "roleName", "type")
	if err != nil {
		return web.Reply{}, err
	}
	scope := roleScope(c)
	all := []role{}
	for _, r := range identity.Roles() {
		if want.matches("roleName", r.Name) && want.matches("type", "BuiltInRole") {
			all = append(all, roleBody(scope, r))
		}
	}
	return values(all), nil
}

func (a *API) getRole(c *web.Call) (web.Reply, error) {
	r, ok := identity.RoleByID(c.Param("roleDefinitionId"))
	if !ok {
		return web.Reply{}, fault.Newf("RoleDefinitionDoesNotExist", "The specified role definition with ID '%s' does not exist.", clip(c.Param("roleDefinitionId")))
	}
	body := roleBody(roleScope(c), r)
	return web.Entity("", 0, &body), nil
}

// assignment is written by hand for its nulls (facts/wire.md 3.5).
type assignment struct {
	Properties assignmentProperties `json:"properties"`
	ID         string               `json:"id"`
	Type       string               `json:"type"`
	Name       string               `json:"name"`
}

type assignmentProperties struct {
	Role             string `json:"roleDefinitionId"`
	Principal        string `json:"principalId"`
	PrincipalType    string `json:"principalType"`
	Scope            string `json:"scope"`
	Condition        any    `json:"condition"`
	ConditionVersion any    `json:"conditionVersion"`
	Created          string `json:"createdOn"`
	Updated          string `json:"updatedOn"`
	CreatedBy        any    `json:"createdBy"`
	UpdatedBy        any    `json:"updatedBy"`
	Delegated        any    `json:"delegatedManagedIdentityResourceId"`
	Description      any    `json:"description"`
}

func assignmentBody(x identity.Assignment) *assignment {
	body := &assignment{
		ID: x.ID, Type: "Microsoft.Authorization/roleAssignments", Name: x.Name,
		Properties: assignmentProperties{
			Role: x.RoleDefinitionID, Principal: x.PrincipalID, PrincipalType: x.PrincipalType, Scope: x.Scope,
			Created: sevenDigits(x.Created), Updated: sevenDigits(x.Updated), CreatedBy: x.CreatedBy, UpdatedBy: x.CreatedBy,
		},
	}
	if x.Description != nil {
		body.Properties.Description = *x.Description
	}
	return body
}

func (a *API) putAssignment(c *web.Call) (web.Reply, error) {
	var body RoleAssignmentCreateParameters
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	p := body.Properties
	for _, sent := range []struct {
		name string
		text *string
	}{
		{"properties.condition", p.Condition}, {"properties.conditionVersion", p.ConditionVersion},
		{"properties.delegatedManagedIdentityResourceId", p.DelegatedManagedIdentityResourceID},
	} {
		if value(sent.text) != "" {
			return web.Reply{}, fault.Unsupported(sent.name, "Conditions and delegation are not offered")
		}
	}
	x, err := a.Identity.Assign(c.Context(), c.Principal, identity.Grant{
		Scope: roleScope(c), Name: c.Param("roleAssignmentName"), Role: value(p.RoleDefinitionID),
		PrincipalID: value(p.PrincipalID), PrincipalType: string(value(p.PrincipalType)), Description: p.Description,
	})
	if err != nil {
		return web.Reply{}, err
	}
	reply := assignmentBody(x)
	reply.Properties.CreatedBy = nil // in the reply to PUT alone
	return web.Entity("", 0, reply), nil
}

func assignmentID(c *web.Call) string {
	return strings.TrimRight(roleScope(c), "/") + "/providers/Microsoft.Authorization/roleAssignments/" + c.Param("roleAssignmentName")
}

func (a *API) getAssignment(c *web.Call) (web.Reply, error) {
	x, err := a.Identity.Assignment(c.Context(), assignmentID(c))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, assignmentBody(x)), nil
}

// deleteAssignment answers 204 for what is not there, as clients accept.
func (a *API) deleteAssignment(c *web.Call) (web.Reply, error) {
	x, err := a.Identity.Unassign(c.Context(), assignmentID(c))
	if fault.Is(err, "RoleAssignmentNotFound") {
		return web.Reply{Status: http.StatusNoContent}, nil
	}
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, assignmentBody(x)), nil
}

func (a *API) listAssignments(c *web.Call) (web.Reply, error) {
	want, err := readFilter(c, "principalId", "assignedTo", "atScope")
	if err != nil {
		return web.Reply{}, err
	}
	_, only := want["atScope"]
	found, err := a.Identity.Assignments(c.Context(), roleScope(c), !only)
	if err != nil {
		return web.Reply{}, err
	}
	all := []*assignment{}
	for _, x := range found {
		if want.matches("principalId", x.PrincipalID) && want.matches("assignedTo", x.PrincipalID) {
			all = append(all, assignmentBody(x))
		}
	}
	return values(all), nil
}
