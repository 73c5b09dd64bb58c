package armapi

import (
	"encoding/json"

	"millpond/internal/fault"
	"millpond/internal/web"
)

func (a *API) metadataRoutes() []web.Route {
	return []web.Route{
		{Operation: "Metadata.Endpoints", Method: "GET", Pattern: "/metadata/endpoints", Open: true, Status: 200, Handle: a.endpoints},
	}
}

// flatCloud is the answer to api-versions before 2018: `az cloud register` and
// msrestazure read it (facts/az.md 1, way A).
type flatCloud struct {
	Gallery        string    `json:"galleryEndpoint"`
	Graph          string    `json:"graphEndpoint"`
	Portal         string    `json:"portalEndpoint"`
	Authentication flatLogin `json:"authentication"`
}

type flatLogin struct {
	Login     string   `json:"loginEndpoint"`
	Audiences []string `json:"audiences"`
}

// cloud is one entry of the newer forms: a list since 2018, one object since
// 2022.
type cloud struct {
	Name            string        `json:"name"`
	Portal          string        `json:"portal"`
	Authentication  cloudLogin    `json:"authentication"`
	ResourceManager string        `json:"resourceManager"`
	GraphAudience   string        `json:"graphAudience"`
	Graph           string        `json:"graph"`
	MicrosoftGraph  string        `json:"microsoftGraphResourceId"`
	Batch           string        `json:"batch"`
	Gallery         string        `json:"gallery"`
	Suffixes        cloudSuffixes `json:"suffixes"`
}

type cloudLogin struct {
	Login     string   `json:"loginEndpoint"`
	Audiences []string `json:"audiences"`
	Tenant    string   `json:"tenant"`
	Provider  string   `json:"identityProvider"`
}

type cloudSuffixes struct {
	Storage  string `json:"storage"`
	KeyVault string `json:"keyVaultDns"`
	Registry string `json:"acrLoginServer"`
}

// batchAudience is what clients ask Batch tokens for; the slash is Azure's.
const batchAudience = "https://batch.core.windows.net/"

// endpoints describes this cloud as its clients reach it. The authority is
// /adfs in every form: that turns off MSAL's question to Azure whether it knows
// the host (facts/az.md 2). Readers of the newest form put the tenant behind it,
// and /adfs/TENANT/oauth2/v2.0/token is served too.
func (a *API) endpoints(c *web.Call) (web.Reply, error) {
	version := c.Query("api-version")
	if version == "" {
		return web.Reply{}, fault.New("MissingApiVersionParameter", "")
	}
	base, login, audiences := c.Mount.Base, c.Mount.Base+"/adfs", []string{c.Mount.Base}
	graph, msgraph := base+"/graph", base+"/msgraph"
	if intercepted(c.Request) {
		login = "https://login.microsoftonline.com/"
		audiences = []string{"https://management.core.windows.net/", "https://management.azure.com/"}
		graph, msgraph = "https://graph.windows.net/", "https://graph.microsoft.com/"
	}
	if version < "2018" {
		return web.Entity("", 0, &flatCloud{
			Gallery: base + "/gallery", Graph: graph, Portal: base + "/portal",
			Authentication: flatLogin{Login: login, Audiences: audiences},
		}), nil
	}
	one := cloud{
		Name: "Millpond", Portal: base + "/portal", ResourceManager: base,
		Authentication: cloudLogin{Login: login, Audiences: audiences, Tenant: "adfs", Provider: "ADFS"},
		GraphAudience:  graph, Graph: graph, MicrosoftGraph: msgraph, Batch: batchAudience, Gallery: base + "/gallery",
		Suffixes: cloudSuffixes{Storage: c.Request.Host, KeyVault: "vault." + c.Request.Host, Registry: "acr." + c.Request.Host},
	}
	if version < "2022" {
		raw, err := json.Marshal([]cloud{one})
		return web.Reply{Body: json.RawMessage(raw)}, err
	}
	one.Authentication.Tenant, one.Authentication.Provider = "common", "AAD"
	return web.Entity("", 0, &one), nil
}
