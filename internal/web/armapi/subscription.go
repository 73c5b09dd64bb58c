package armapi

import (
	"millpond/internal/account"
	"millpond/internal/resource"
	"millpond/internal/web"
)

func (a *API) subscriptionRoutes() []web.Route {
	return []web.Route{
		{Operation: "Client.List", Method: "GET", Pattern: "/subscriptions", Status: 200, Handle: a.listSubscriptions},
		{Operation: "Client.Get", Method: "GET", Pattern: "/subscriptions/{subscriptionId}", Status: 200, Handle: a.getSubscription},
		{Operation: "Client.ListLocations", Method: "GET", Pattern: "/subscriptions/{subscriptionId}/locations", Status: 200, Handle: a.listLocations},
		{Operation: "TenantsClient.List", Method: "GET", Pattern: "/tenants", Status: 200, Handle: a.listTenants},
		{Operation: "Client.List", Method: "GET", Pattern: "/subscriptions/{subscriptionId}/resources", Status: 200, Handle: a.listResources},
		{Operation: "Client.ListByResourceGroup", Method: "GET", Pattern: "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/resources", Status: 200, Handle: a.listResources},
	}
}

func subscriptionBody(s account.Subscription) *Subscription {
	return &Subscription{
		ID: new(account.SubscriptionID(s.ID)), AuthorizationSource: new("RoleBased"), ManagedByTenants: []ManagedByTenant{},
		SubscriptionID: &s.ID, TenantID: &s.TenantID, DisplayName: &s.DisplayName, State: new(SubscriptionState("Enabled")),
		SubscriptionPolicies: &SubscriptionPolicies{
			LocationPlacementID: new("Public_2014-09-01"), QuotaID: new("PayAsYouGo_2014-09-01"), SpendingLimit: new(SpendingLimit("Off")),
		},
	}
}

// listSubscriptions shows those in which the caller holds any role anywhere.
func (a *API) listSubscriptions(c *web.Call) (web.Reply, error) {
	all, err := a.Accounts.Subscriptions(c.Context(), c.Principal.TenantID)
	if err != nil {
		return web.Reply{}, err
	}
	var seen []*Subscription
	for _, s := range all {
		ok, err := a.Identity.HoldsAny(c.Context(), c.Principal, account.SubscriptionID(s.ID))
		if err != nil {
			return web.Reply{}, err
		}
		if ok {
			seen = append(seen, subscriptionBody(s))
		}
	}
	return values(seen), nil
}

// visible finds a subscription the caller holds a role in, as Azure shows it.
func (a *API) visible(c *web.Call) (account.Subscription, error) {
	s, err := a.Accounts.Subscription(c.Context(), c.Param("subscriptionId"))
	if err != nil {
		return s, err
	}
	ok, err := a.Identity.HoldsAny(c.Context(), c.Principal, account.SubscriptionID(s.ID))
	if err == nil && !ok {
		err = a.Identity.Require(c.Context(), c.Principal, "Microsoft.Resources/subscriptions/read", account.SubscriptionID(s.ID))
	}
	return s, err
}

func (a *API) getSubscription(c *web.Call) (web.Reply, error) {
	s, err := a.visible(c)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, subscriptionBody(s)), nil
}

func (a *API) listLocations(c *web.Call) (web.Reply, error) {
	s, err := a.visible(c)
	if err != nil {
		return web.Reply{}, err
	}
	var all []Location
	for _, r := range account.Regions() {
		all = append(all, Location{
			ID: new(account.SubscriptionID(s.ID) + "/locations/" + r.Name), Name: &r.Name, Type: new(LocationType("Region")),
			DisplayName: &r.Display, RegionalDisplayName: new("(" + r.Geography + ") " + r.Display),
			Metadata: &LocationMetadata{
				RegionType: new(RegionType("Physical")), RegionCategory: new(RegionCategory("Recommended")), GeographyGroup: &r.Geography,
			},
		})
	}
	return values(all), nil
}

// listTenants shows the caller's own: a principal belongs to one.
func (a *API) listTenants(c *web.Call) (web.Reply, error) {
	t, err := a.Identity.Tenant(c.Context(), c.Principal.TenantID)
	if err != nil {
		return web.Reply{}, err
	}
	return values([]TenantIDDescription{{
		ID: new("/tenants/" + t.ID), TenantID: &t.ID, DisplayName: &t.DisplayName, TenantCategory: new(TenantCategory("Home")),
	}}), nil
}

// generic is a resource of any kind in a list.
type generic struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Type     string            `json:"type"`
	Location string            `json:"location,omitempty"`
	Tags     map[string]string `json:"tags"`
}

func (a *API) listResources(c *web.Call) (web.Reply, error) {
	want, err := readFilter(c, "resourceGroup", "resourceType", "name", "location", "tagName", "tagValue")
	if err != nil {
		return web.Reply{}, err
	}
	held, err := a.Accounts.Held(c.Context(), c.Param("subscriptionId"), c.Param("resourceGroupName"))
	if err != nil {
		return web.Reply{}, err
	}
	var seen []generic
	for _, rec := range held {
		id, err := resource.ParseID(rec.ID)
		if err != nil {
			return web.Reply{}, err
		}
		if !chosen(want, id, rec) {
			continue
		}
		ok, err := a.may(c, id.Type()+"/read", rec.ID)
		if err != nil {
			return web.Reply{}, err
		}
		if ok {
			seen = append(seen, generic{ID: rec.ID, Name: id.Name(), Type: id.Type(), Location: rec.Location, Tags: orNone(rec.Tags)})
		}
	}
	return values(seen), nil
}

// chosen applies the $filter of a list of resources.
func chosen(want equalities, id resource.ID, rec resource.Record) bool {
	return want.matches("resourceGroup", id.ResourceGroup) && want.matches("resourceType", id.Type()) &&
		want.matches("name", id.Name()) && want.matches("location", rec.Location) && want.tagged(rec.Tags)
}
