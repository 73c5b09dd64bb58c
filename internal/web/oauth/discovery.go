package oauth

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/identity"
)

// configuration is the OpenID document, in the members clients read.
type configuration struct {
	Issuer           string   `json:"issuer"`
	Authorization    string   `json:"authorization_endpoint"`
	Token            string   `json:"token_endpoint"`
	DeviceCode       string   `json:"device_authorization_endpoint"`
	Keys             string   `json:"jwks_uri"`
	ResponseTypes    []string `json:"response_types_supported"`
	SubjectTypes     []string `json:"subject_types_supported"`
	Algorithms       []string `json:"id_token_signing_alg_values_supported"`
	AuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	GrantTypes       []string `json:"grant_types_supported"`
	Scopes           []string `json:"scopes_supported"`
	CloudInstance    string   `json:"cloud_instance_name,omitempty"`
	CloudGraphHost   string   `json:"cloud_graph_host_name,omitempty"`
	MSGraphHost      string   `json:"msgraph_host,omitempty"`
	AccessTokenOwner string   `json:"access_token_issuer,omitempty"`
}

// discovery answers for a tenant, common, organizations and adfs. The issuer
// it names is the authority the client asked: newer MSAL refuses a document
// whose issuer has another host. The iss claim of tokens is the tenant's own,
// in every document as access_token_issuer.
func (s *Issuer) discovery(x *exchange) (any, error) {
	name := strings.ToLower(x.tenant())
	tenant := ""
	switch name {
	case "common", "organizations":
	case "adfs":
	default:
		t, err := s.identity.Tenant(x.r.Context(), name)
		if fault.Is(err, "TenantNotFound") {
			return nil, fault.Newf("invalid_request", "AADSTS90002: Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", clip(name))
		} else if err != nil {
			return nil, err
		}
		tenant = t.ID
	}
	base := x.origin + "/" + name
	v2 := strings.Contains(x.r.URL.Path, "/v2.0/")
	c := configuration{
		ResponseTypes: []string{"token"}, SubjectTypes: []string{"pairwise"}, Algorithms: []string{"RS256"},
		AuthMethods: []string{"client_secret_post", "client_secret_basic"}, GrantTypes: []string{"client_credentials"}, Scopes: []string{"openid"},
		CloudInstance: "microsoftonline.com", MSGraphHost: "graph.microsoft.com", CloudGraphHost: "graph.windows.net",
	}
	if tenant != "" {
		c.AccessTokenOwner = identity.Issuer(tenant)
	}
	// Only here does a document name an address, and it is the asker's own.
	switch {
	case name == "adfs":
		c.Issuer, c.Token, c.Keys = base, base+"/oauth2/token", base+"/discovery/keys"
		c.Authorization, c.DeviceCode = base+"/oauth2/authorize", base+"/oauth2/devicecode"
	case v2:
		c.Issuer, c.Token, c.Keys = base+"/v2.0", base+"/oauth2/v2.0/token", base+"/discovery/v2.0/keys"
		c.Authorization, c.DeviceCode = base+"/oauth2/v2.0/authorize", base+"/oauth2/v2.0/devicecode"
	default:
		c.Issuer, c.Token, c.Keys = base+"/", base+"/oauth2/token", base+"/discovery/keys"
		c.Authorization, c.DeviceCode = base+"/oauth2/authorize", base+"/oauth2/devicecode"
	}
	return c, nil
}

// instances is what instance discovery answers.
type instances struct {
	TenantDiscovery string     `json:"tenant_discovery_endpoint"`
	APIVersion      string     `json:"api-version"`
	Metadata        []metadata `json:"metadata"`
}

type metadata struct {
	PreferredNetwork string   `json:"preferred_network"`
	PreferredCache   string   `json:"preferred_cache"`
	Aliases          []string `json:"aliases"`
}

// instance tells that the host the client came by is a known authority, as are
// Azure's public ones when they lead here by interception.
func (s *Issuer) instance(x *exchange) (any, error) {
	asked := x.r.URL.Query().Get("authorization_endpoint")
	if asked == "" {
		return nil, absent("authorization_endpoint")
	}
	u, err := url.Parse(asked)
	tenant := ""
	if err == nil {
		tenant, _, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	}
	if err != nil || u.Host == "" || tenant == "" || !x.ownHost(u.Host) && !slices.Contains(Hosts, strings.ToLower(hostname(u.Host))) {
		return nil, fault.Newf("invalid_instance", "AADSTS50049: Unknown or invalid instance.")
	}
	known := []metadata{{PreferredNetwork: Hosts[0], PreferredCache: Hosts[1], Aliases: Hosts}}
	if !slices.Contains(Hosts, strings.ToLower(hostname(u.Host))) {
		known = append(known, metadata{PreferredNetwork: u.Host, PreferredCache: u.Host, Aliases: []string{u.Host}})
	}
	return instances{
		TenantDiscovery: "https://" + u.Host + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		APIVersion:      "1.1", Metadata: known,
	}, nil
}

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

func (s *Issuer) keys(x *exchange) (any, error) { return s.identity.Keys(x.r.Context()) }
