package oauth_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"millpond/internal/identity"
	"millpond/internal/store"
	"millpond/internal/web/oauth"
	"millpond/internal/web/webtest"
)

const (
	tenantID = "7e0a0000-0000-4000-8000-000000000001"
	appID    = "a9900000-0000-4000-8000-000000000001"
)

// face is the issuer over the real identity room and SQLite.
type face struct {
	*oauth.Issuer
	t      *testing.T
	ids    *identity.Identity
	secret string
	log    *strings.Builder
}

func newFace(t *testing.T) *face {
	t.Helper()
	clock := webtest.NewClock()
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "millpond.db"), Clock: clock})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	sealer, err := identity.NewSealer(make([]byte, identity.SealerKeyLength))
	must(t, err)
	f := &face{t: t, ids: identity.New(db, clock, sealer), log: &strings.Builder{}}
	_, err = f.ids.AddTenant(t.Context(), tenantID, "Test")
	must(t, err)
	_, secret, err := f.ids.AddApplication(t.Context(), identity.Application{TenantID: tenantID, AppID: appID, DisplayName: "app"})
	must(t, err)
	f.secret = string(secret.Reveal())
	f.Issuer = oauth.New(f.ids, clock, slog.New(slog.NewJSONHandler(f.log, nil)))
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// post sends a form; header may hold pairs.
func (f *face) post(path string, form url.Values, header ...string) (int, map[string]any) {
	f.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "https://localhost:8443"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return f.send(r)
}

func (f *face) get(address string) (int, map[string]any) {
	f.t.Helper()
	return f.send(httptest.NewRequest(http.MethodGet, address, nil))
}

func (f *face) send(r *http.Request) (int, map[string]any) {
	f.t.Helper()
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	raw, err := io.ReadAll(w.Body)
	must(f.t, err)
	var body map[string]any
	if err := json.Unmarshal(raw, &body); err != nil {
		f.t.Fatalf("%s: %d %s: %v", r.URL, w.Code, raw, err)
	}
	return w.Code, body
}

func (f *face) form(pairs ...string) url.Values {
	v := url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "client_secret": {f.secret}}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			v.Del(pairs[i])
			continue
		}
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// The requests are those facts/az.md 2 and 5 saw from real clients.
func TestEveryEndpointGivesTokens(t *testing.T) {
	f := newFace(t)
	for _, tc := range []struct {
		path, name, value, audience string
	}{
		{"/adfs/oauth2/token", "scope", "https://localhost:8443/.default", identity.AudienceARM}, // az, MSAL
		{"/adfs/oauth2/token", "scope", "https://batch.core.windows.net//.default", identity.AudienceBatch},
		{"/adfs/oauth2/token", "resource", "https://batch.core.windows.net/", identity.AudienceBatch}, // ADAL
		{"/adfs/oauth2/token", "scope", "https://127.0.0.1:8443/msgraph/.default openid profile offline_access", identity.AudienceGraph},
		{"/" + tenantID + "/oauth2/token", "resource", "https://management.core.windows.net/", identity.AudienceARM},
		{"/" + tenantID + "/oauth2/v2.0/token", "scope", "https://management.azure.com/.default", identity.AudienceARM},
		{"/common/oauth2/v2.0/token", "scope", "https://graph.microsoft.com/.default", identity.AudienceGraph},
		{"/adfs/" + tenantID + "/oauth2/v2.0/token", "scope", "https://management.azure.com/.default", identity.AudienceARM},
	} {
		if !oauth.Owns(tc.path) {
			t.Errorf("%s is not ours", tc.path)
		}
		status, body := f.post(tc.path, f.form(tc.name, tc.value, "client_info", "1", "claims", `{"access_token":{}}`))
		if status != 200 || body["token_type"] != "Bearer" {
			t.Errorf("%s %s: %d %v", tc.path, tc.value, status, body)
			continue
		}
		if _, err := f.ids.VerifyToken(t.Context(), body["access_token"].(string), tc.audience); err != nil {
			t.Errorf("%s %s: %v", tc.path, tc.value, err)
		}
		// version 1 writes numbers as strings and echoes the resource
		if tc.name == "resource" && (body["expires_in"] != "3599" || body["resource"] != tc.value || body["expires_on"] == nil) {
			t.Errorf("%s: %v", tc.path, body)
		}
		if tc.name == "scope" && body["expires_in"] != float64(3599) {
			t.Errorf("%s: %v", tc.path, body)
		}
	}
	if strings.Contains(f.log.String(), f.secret) || strings.Contains(f.log.String(), "eyJ") {
		t.Error("the log holds a secret")
	}
}

func TestClientByBasicAuthentication(t *testing.T) {
	f := newFace(t)
	r := httptest.NewRequest(http.MethodPost, "https://localhost:8443/adfs/oauth2/token",
		strings.NewReader("grant_type=client_credentials&resource=https%3A%2F%2Fbatch.core.windows.net%2F"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.SetBasicAuth(appID, url.QueryEscape(f.secret))
	if status, body := f.send(r); status != 200 {
		t.Fatalf("%d %v", status, body)
	}
	r = httptest.NewRequest(http.MethodPost, "https://localhost:8443/adfs/oauth2/token", strings.NewReader(f.form("resource", "https://batch.core.windows.net/").Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(appID, f.secret)
	if status, body := f.send(r); status != 400 || body["error"] != "invalid_request" {
		t.Fatalf("a client given twice: %d %v", status, body)
	}
}

func TestTokenErrors(t *testing.T) {
	f := newFace(t)
	const v1, v2 = "/" + tenantID + "/oauth2/token", "/" + tenantID + "/oauth2/v2.0/token"
	const arm = "https://management.azure.com/.default"
	for name, tc := range map[string]struct {
		path   string
		form   url.Values
		status int
		err    string
		number float64
	}{
		"secret":         {v2, f.form("scope", arm, "client_secret", "x"), 401, "invalid_client", 7000215},
		"no secret":      {v2, f.form("scope", arm, "client_secret", ""), 401, "invalid_client", 7000218},
		"application":    {v2, f.form("scope", arm, "client_id", "x"), 400, "unauthorized_client", 700016},
		"no application": {v2, f.form("scope", arm, "client_id", ""), 400, "invalid_request", 900144},
		"tenant":         {"/00000000-0000-0000-0000-000000000000/oauth2/v2.0/token", f.form("scope", arm), 400, "invalid_request", 90002},
		"grant":          {v2, f.form("scope", arm, "grant_type", "password"), 400, "unsupported_grant_type", 70003},
		"no grant":       {v2, f.form("scope", arm, "grant_type", ""), 400, "invalid_request", 900144},
		"no resource":    {v1, f.form(), 400, "invalid_request", 900144},
		"no scope":       {v2, f.form(), 400, "invalid_request", 900144},
		"scope":          {v2, f.form("scope", "https://management.azure.com/user_impersonation"), 400, "invalid_scope", 1002012},
		"two scopes":     {v2, f.form("scope", arm+" https://graph.microsoft.com/.default"), 400, "invalid_resource", 500011},
		"resource":       {v1, f.form("resource", "https://vault.azure.net"), 400, "invalid_resource", 500011},
		"another's host": {v1, f.form("resource", "https://localhost:9999"), 400, "invalid_resource", 500011},
		"assertion":      {v2, f.form("scope", arm, "client_assertion", "x"), 401, "invalid_client", 700027},
		"twice":          {v2, url.Values{"grant_type": {"client_credentials", "x"}}, 400, "invalid_request", 90100},
		"no endpoint":    {"/" + tenantID + "/oauth2/devicecode", f.form(), 400, "invalid_request", 900043},
	} {
		status, body := f.post(tc.path, tc.form, "client-request-id", "11111111-2222-3333-4444-555555555555")
		codes, _ := body["error_codes"].([]any)
		if status != tc.status || body["error"] != tc.err || len(codes) != 1 || codes[0] != tc.number {
			t.Errorf("%s: %d %v, want %d %s %v", name, status, body, tc.status, tc.err, tc.number)
		}
		if body["correlation_id"] != "11111111-2222-3333-4444-555555555555" || body["timestamp"] != "2024-02-29 12:00:00Z" || body["trace_id"] == "" {
			t.Errorf("%s: %v", name, body)
		}
	}
	// a secret in the address is not read
	status, body := f.post(v2+"?client_secret="+url.QueryEscape(f.secret), f.form("scope", arm, "client_secret", ""))
	if status != 401 || body["error"] != "invalid_client" {
		t.Errorf("secret in the address: %d %v", status, body)
	}
	r := httptest.NewRequest(http.MethodPost, "https://localhost:8443"+v2, strings.NewReader(`{"grant_type":"client_credentials"}`))
	r.Header.Set("Content-Type", "application/json")
	if status, body := f.send(r); status != 400 || body["error"] != "invalid_request" {
		t.Errorf("JSON: %d %v", status, body)
	}
	if status, body := f.post(v2, f.form("scope", strings.Repeat("x", 100<<10))); status != 400 || body["error"] != "invalid_request" {
		t.Errorf("huge: %d %v", status, body)
	}
}

func TestDiscoveryNamesTheHostThatAsks(t *testing.T) {
	f := newFace(t)
	for _, tc := range []struct{ address, issuer, token, keys string }{
		{"https://localhost:8443/adfs/.well-known/openid-configuration", "https://localhost:8443/adfs", "https://localhost:8443/adfs/oauth2/token", "https://localhost:8443/adfs/discovery/keys"},
		{"https://127.0.0.1:8443/" + tenantID + "/.well-known/openid-configuration", "https://127.0.0.1:8443/" + tenantID + "/", "https://127.0.0.1:8443/" + tenantID + "/oauth2/token", "https://127.0.0.1:8443/" + tenantID + "/discovery/keys"},
		{"https://login.microsoftonline.com/" + tenantID + "/v2.0/.well-known/openid-configuration", "https://login.microsoftonline.com/" + tenantID + "/v2.0", "https://login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/token", "https://login.microsoftonline.com/" + tenantID + "/discovery/v2.0/keys"},
	} {
		status, body := f.get(tc.address)
		if status != 200 || body["issuer"] != tc.issuer || body["token_endpoint"] != tc.token || body["jwks_uri"] != tc.keys || body["authorization_endpoint"] == nil {
			t.Errorf("%s: %d %v", tc.address, status, body)
			continue
		}
		// the keys named there verify a token of the endpoint named there
		u, err := url.Parse(tc.token)
		must(t, err)
		_, token := f.post(u.Path, f.form("resource", "https://batch.core.windows.net/"))
		_, set := f.get(tc.keys)
		raw, err := json.Marshal(set)
		must(t, err)
		var keys jose.JSONWebKeySet
		must(t, json.Unmarshal(raw, &keys))
		parsed, err := jwt.ParseSigned(token["access_token"].(string), []jose.SignatureAlgorithm{jose.RS256})
		must(t, err)
		var claims jwt.Claims
		if err := parsed.Claims(keys.Key(parsed.Headers[0].KeyID)[0].Key, &claims); err != nil || claims.Issuer != body["access_token_issuer"] && tc.issuer != "https://localhost:8443/adfs" {
			t.Errorf("%s: %v %+v", tc.address, err, claims)
		}
		for _, key := range keys.Keys {
			if !key.IsPublic() {
				t.Error("a private key was shown")
			}
		}
	}
	if status, body := f.get("https://localhost:8443/nobody/v2.0/.well-known/openid-configuration"); status != 400 || body["error"] != "invalid_request" {
		t.Errorf("unknown tenant: %d %v", status, body)
	}
}

func TestInstanceDiscovery(t *testing.T) {
	f := newFace(t)
	const ask = "https://login.microsoftonline.com/common/discovery/instance?api-version=1.1&authorization_endpoint="
	status, body := f.get(ask + url.QueryEscape("https://login.microsoftonline.com/"+tenantID+"/oauth2/v2.0/authorize"))
	if status != 200 || body["tenant_discovery_endpoint"] != "https://login.microsoftonline.com/"+tenantID+"/v2.0/.well-known/openid-configuration" || len(body["metadata"].([]any)) != 1 {
		t.Fatalf("%d %v", status, body)
	}
	status, body = f.get("https://localhost:8443/common/discovery/instance?api-version=1.1&authorization_endpoint=" + url.QueryEscape("https://localhost:8443/"+tenantID+"/oauth2/v2.0/authorize"))
	if status != 200 || len(body["metadata"].([]any)) != 2 {
		t.Fatalf("%d %v", status, body)
	}
	for _, bad := range []string{"https://evil.example/x/oauth2/authorize", "x", "", "https://login.microsoftonline.com", "%zz"} {
		if status, body := f.get(ask + url.QueryEscape(bad)); status != 400 {
			t.Errorf("%q: %d %v", bad, status, body)
		}
	}
}

func FuzzForm(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", "grant_type=client_credentials&client_id=x&client_secret=y&scope=z", "Basic eDp5")
	f.Add("text/plain", "%zz", "")
	var server *face
	f.Fuzz(func(t *testing.T, kind, body, authorization string) {
		if server == nil || server.t.Context().Err() != nil {
			server = newFace(t)
		}
		r := httptest.NewRequest(http.MethodPost, "https://localhost:8443/adfs/oauth2/token", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if w.Code == 200 || w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
