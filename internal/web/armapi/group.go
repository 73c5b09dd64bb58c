package armapi

import (
	"net/http"

	"millpond/internal/account"
	"millpond/internal/fault"
	"millpond/internal/web"
)

func (a *API) groupRoutes() []web.Route {
	const one = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
	const read, write, del = "Microsoft.Resources/subscriptions/resourceGroups/read", "Microsoft.Resources/subscriptions/resourceGroups/write", "Microsoft.Resources/subscriptions/resourceGroups/delete"
	return []web.Route{
		{Operation: "ResourceGroupsClient.List", Method: "GET", Pattern: "/subscriptions/{subscriptionId}/resourceGroups", Status: 200, Handle: a.listGroups},
		{Operation: "ResourceGroupsClient.CreateOrUpdate", Method: "PUT", Pattern: one, Action: write, Status: 201, Handle: a.putGroup},
		{Operation: "ResourceGroupsClient.Update", Method: "PATCH", Pattern: one, Action: write, Status: 200, Handle: a.patchGroup},
		{Operation: "ResourceGroupsClient.Get", Method: "GET", Pattern: one, Action: read, Status: 200, Handle: a.getGroup},
		{Operation: "ResourceGroupsClient.CheckExistence", Method: "HEAD", Pattern: one, Action: read, Status: 204, Handle: a.hasGroup},
		{Operation: "ResourceGroupsClient.Delete", Method: "DELETE", Pattern: one, Action: del, Status: 202, Handle: a.deleteGroup},
	}
}

func groupBody(g account.Group) *ResourceGroup {
	return &ResourceGroup{
		ID: new(g.ID.String()), Name: &g.ID.ResourceGroup, Type: new(account.TypeGroup), Location: &g.Location, Tags: orNone(g.Tags),
		Properties: &ResourceGroupProperties{ProvisioningState: &g.State},
	}
}

func (a *API) putGroup(c *web.Call) (web.Reply, error) {
	var body ResourceGroup
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	if value(body.ManagedBy) != "" {
		return web.Reply{}, fault.Unsupported("managedBy", "Groups managed by another resource are not offered")
	}
	g, created, err := a.Accounts.PutGroup(c.Context(), c.Param("subscriptionId"), c.Param("resourceGroupName"), value(body.Location), body.Tags)
	if err != nil {
		return web.Reply{}, err
	}
	reply := web.Entity("", 0, groupBody(g))
	if !created {
		reply.Status = http.StatusOK
	}
	return reply, nil
}

func (a *API) patchGroup(c *web.Call) (web.Reply, error) {
	var body ResourceGroupPatchable
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	g, err := a.Accounts.TagGroup(c.Context(), c.Param("subscriptionId"), c.Param("resourceGroupName"), body.Tags)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, groupBody(g)), nil
}

func (a *API) getGroup(c *web.Call) (web.Reply, error) {
	g, err := a.Accounts.Group(c.Context(), c.Param("subscriptionId"), c.Param("resourceGroupName"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, groupBody(g)), nil
}

func (a *API) hasGroup(c *web.Call) (web.Reply, error) {
	_, err := a.Accounts.Group(c.Context(), c.Param("subscriptionId"), c.Param("resourceGroupName"))
	return web.Reply{}, err
}

// listGroups shows the groups the caller may read, by roles at the
// subscription or at the group.
func (a *API) listGroups(c *web.Call) (web.Reply, error) {
	want, err := readFilter(c, "tagName", "tagValue")
	if err != nil {
		return web.Reply{}, err
	}
	all, err := a.Accounts.Groups(c.Context(), c.Param("subscriptionId"))
	if err != nil {
		return web.Reply{}, err
	}
	var seen []*ResourceGroup
	for _, g := range all {
		ok, err := a.may(c, "Microsoft.Resources/subscriptions/resourceGroups/read", g.ID.String())
		if err != nil {
			return web.Reply{}, err
		}
		if ok && want.tagged(g.Tags) {
			seen = append(seen, groupBody(g))
		}
	}
	return values(seen), nil
}

func (a *API) deleteGroup(c *web.Call) (web.Reply, error) {
	op, err := a.Accounts.DeleteGroup(c.Context(), c.Param("subscriptionId"), c.Param("resourceGroupName"))
	if err != nil {
		return web.Reply{}, err
	}
	return a.running(c, "/subscriptions/"+c.Param("subscriptionId")+"/operationresults/"+op.GUID), nil
}
