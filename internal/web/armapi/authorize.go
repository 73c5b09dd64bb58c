package armapi

import (
	"strings"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/web"
)

// bearer proves the token of a request, made for the audience.
func (a *API) bearer(audience string) func(*web.Call) (identity.Principal, error) {
	return func(c *web.Call) (identity.Principal, error) {
		header := c.Header("Authorization")
		if header == "" {
			return identity.Principal{}, fault.New("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
		}
		token, ok := identity.BearerToken(header)
		if !ok {
			return identity.Principal{}, fault.New("AuthenticationFailedInvalidHeader", "Authentication failed. The 'Authorization' header is provided in an invalid format.")
		}
		return a.Identity.VerifyToken(c.Context(), token, audience)
	}
}

// authorize is the one place that asks for a row's Action. It also refuses
// subscriptions that do not exist or belong to another tenant, so that no
// handler need think of it.
func (a *API) authorize(c *web.Call) error {
	for _, p := range c.Params {
		// An escaped slash would let a name reach out of the scope that is checked.
		if strings.Contains(p.Value, "/") && p.Name != wideScope {
			return fault.New("InvalidUri", "")
		}
	}
	if err := a.checkSubscription(c); err != nil {
		return err
	}
	if c.Route.Action == "" {
		return nil // the handler shows only what the caller may see
	}
	return a.Identity.Require(c.Context(), c.Principal, c.Route.Action, scopeOf(c.Request.URL.Path))
}

func (a *API) checkSubscription(c *web.Call) error {
	// As Table.Match and scopeOf read it: whatever slashes stand in front.
	parts := strings.Split(strings.Trim(c.Request.URL.Path, "/"), "/")
	if len(parts) < 2 || !strings.EqualFold(parts[0], "subscriptions") || parts[1] == "" {
		return nil
	}
	tenant, err := a.Accounts.Tenant(c.Context(), parts[1])
	if err != nil {
		return err
	}
	if !strings.EqualFold(tenant, c.Principal.TenantID) {
		return fault.Newf("InvalidAuthenticationTokenTenant",
			"The access token is from the wrong issuer '%s'. It must match the tenant '%s' associated with this subscription. Please use the authority (URL) 'https://login.windows.net/%s' to get the token.",
			identity.Issuer(c.Principal.TenantID), identity.Issuer(tenant), tenant)
	}
	return nil
}

// wideScope is the capture of rows that stand below any scope.
const wideScope = "scope"

// scopeOf is the resource a path is about: whole pairs of type and name, so
// that a list's or action's last word falls away.
func scopeOf(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	end := 0 // of what is whole
	for i := 0; i < len(parts); {
		if strings.EqualFold(parts[i], "providers") {
			i += 2 // the namespace belongs to the first pair behind it
		}
		if i+1 >= len(parts) {
			break
		}
		if !strings.EqualFold(parts[i], "providers") {
			i += 2
			end = i
		}
	}
	if end == 0 {
		return "/"
	}
	return "/" + strings.Join(parts[:end], "/")
}

// may filters a list by what the caller may read.
func (a *API) may(c *web.Call, action, scope string) (bool, error) {
	return a.Identity.Allowed(c.Context(), c.Principal, action, scope)
}
