package armapi

import (
	"strings"

	"millpond/internal/account"
	"millpond/internal/web"
)

func (a *API) providerRoutes() []web.Route {
	const sub = "/subscriptions/{subscriptionId}/providers"
	const read = "Microsoft.Resources/subscriptions/providers/read"
	return []web.Route{
		{Operation: "ProvidersClient.List", Method: "GET", Pattern: sub, Action: read, Status: 200, Handle: a.listProviders},
		{Operation: "ProvidersClient.Get", Method: "GET", Pattern: sub + "/{resourceProviderNamespace}", Action: read, Status: 200, Handle: a.getProvider},
		{Operation: "ProvidersClient.Register", Method: "POST", Pattern: sub + "/{resourceProviderNamespace}/register", Status: 200, Handle: a.registerProvider},
		{Operation: "ProvidersClient.Unregister", Method: "POST", Pattern: sub + "/{resourceProviderNamespace}/unregister", Status: 200, Handle: a.unregisterProvider},
	}
}

func providerBody(s account.Subscription, p account.Provider) *Provider {
	policy := "RegistrationRequired"
	if p.Always {
		policy = "RegistrationFree"
	}
	body := &Provider{
		ID: new(account.SubscriptionID(s.ID) + "/providers/" + p.Namespace), Namespace: &p.Namespace,
		RegistrationPolicy: &policy, RegistrationState: new(s.State(p)), ResourceTypes: []ProviderResourceType{},
	}
	for _, t := range p.Types {
		body.ResourceTypes = append(body.ResourceTypes, ProviderResourceType{
			ResourceType: &t.Name, Locations: displayNames(t.Regional), APIVersions: t.Versions, DefaultAPIVersion: &t.Versions[0], Capabilities: new("None"),
		})
	}
	return body
}

// displayNames lists the regions as providers do, by display name.
func displayNames(regional bool) []string {
	names := []string{}
	if regional {
		for _, r := range account.Regions() {
			names = append(names, r.Display)
		}
	}
	return names
}

func (a *API) listProviders(c *web.Call) (web.Reply, error) {
	s, err := a.Accounts.Subscription(c.Context(), c.Param("subscriptionId"))
	if err != nil {
		return web.Reply{}, err
	}
	var all []*Provider
	for _, p := range account.Providers() {
		all = append(all, providerBody(s, p))
	}
	return values(all), nil
}

func (a *API) getProvider(c *web.Call) (web.Reply, error) {
	s, err := a.Accounts.Subscription(c.Context(), c.Param("subscriptionId"))
	if err != nil {
		return web.Reply{}, err
	}
	p, err := account.ProviderNamed(c.Param("resourceProviderNamespace"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, providerBody(s, p)), nil
}

func (a *API) registerProvider(c *web.Call) (web.Reply, error) {
	if err := a.mayRegister(c, "register"); err != nil {
		return web.Reply{}, err
	}
	s, p, err := a.Accounts.Register(c.Context(), c.Param("subscriptionId"), c.Param("resourceProviderNamespace"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, providerBody(s, p)), nil
}

func (a *API) unregisterProvider(c *web.Call) (web.Reply, error) {
	if err := a.mayRegister(c, "unregister"); err != nil {
		return web.Reply{}, err
	}
	s, p, err := a.Accounts.Unregister(c.Context(), c.Param("subscriptionId"), c.Param("resourceProviderNamespace"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, providerBody(s, p)), nil
}

// mayRegister asks here and not in the row: the permission is the provider's
// own, Microsoft.Batch/register/action.
func (a *API) mayRegister(c *web.Call, verb string) error {
	namespace := c.Param("resourceProviderNamespace")
	if p, err := account.ProviderNamed(namespace); err == nil {
		namespace = p.Namespace
	}
	action := strings.Join([]string{namespace, verb, "action"}, "/")
	return a.Identity.Require(c.Context(), c.Principal, action, account.SubscriptionID(c.Param("subscriptionId")))
}
