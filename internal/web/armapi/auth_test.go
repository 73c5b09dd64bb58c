package armapi_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"millpond/internal/identity"
	"millpond/internal/resource"
)

// forge signs the owner's claims with the service's own key after change bent
// them: what is refused then is refused for the claim alone.
func (s *service) forge(change func(header, claims map[string]any)) string {
	s.t.Helper()
	enc := base64.RawURLEncoding
	parts := strings.Split(s.tokens["owner"], ".")
	var object [2]map[string]any
	for i := range object {
		raw, err := enc.DecodeString(parts[i])
		must(s.t, err)
		must(s.t, json.Unmarshal(raw, &object[i]))
	}
	change(object[0], object[1])
	for i := range object {
		raw, err := json.Marshal(object[i])
		must(s.t, err)
		parts[i] = enc.EncodeToString(raw)
	}
	sealed, err := s.db.GetSecret(s.t.Context(), "identity", "signing-keys")
	must(s.t, err)
	clear, err := s.Identity.Sealer().Open("identity", "signing-keys", sealed)
	must(s.t, err)
	var keys []struct {
		DER []byte `json:"pkcs8"`
	}
	must(s.t, json.Unmarshal(clear.Reveal(), &keys))
	key, err := x509.ParsePKCS8PrivateKey(keys[0].DER)
	must(s.t, err)
	text := parts[0] + "." + parts[1]
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, key.(*rsa.PrivateKey), crypto.SHA256, sum[:])
	must(s.t, err)
	return text + "." + enc.EncodeToString(sig)
}

// One mutation each of signature, audience, issuer, expiry, tenant and
// algorithm, refused with Azure's code and body on both faces.
func TestMutatedTokensAreRefused(t *testing.T) {
	s := newService(t)
	good := s.tokens["owner"]
	claim := func(name string, value any) string {
		return s.forge(func(_, claims map[string]any) { claims[name] = value })
	}
	none := s.forge(func(header, _ map[string]any) { header["alg"] = "none" })
	now := float64(s.clock.Now().Time().Unix())
	for name, tc := range map[string]struct{ token, code string }{
		"signature":             {good[:len(good)-6] + "AAAAAA", "InvalidAuthenticationToken"},
		"alg none":              {none[:strings.LastIndexByte(none, '.')+1], "InvalidAuthenticationToken"},
		"alg none with its sig": {none, "InvalidAuthenticationToken"},
		"audience":              {claim("aud", "https://vault.azure.net"), "InvalidAuthenticationTokenAudience"},
		"issuer":                {claim("iss", "https://sts.windows.net/x/"), "InvalidAuthenticationTokenTenant"},
		"expiry":                {claim("exp", now-3600), "ExpiredAuthenticationToken"},
		"tenant":                {claim("tid", "5b000000-0000-4000-8000-0000000000ff"), "InvalidAuthenticationTokenTenant"},
		"another's tenant":      {s.forge(func(_, c map[string]any) { c["tid"], c["iss"] = strange, identity.Issuer(strange) }), "InvalidAuthenticationTokenTenant"},
	} {
		w := s.ask("GET", "/subscriptions/"+subID+"/resourceGroups/rg?api-version=2021-04-01", tc.token, "")
		s.refused(name, w.Code, w.Header(), w.Body.Bytes(), tc.code)
		if name == "another's tenant" {
			continue // Graph knows no subscription to compare with; it shows that tenant's own
		}
		want := tc.code
		w = s.ask("GET", "/msgraph/v1.0/servicePrincipals", tc.token, "")
		if name == "issuer" || name == "tenant" { // these tokens are for Resource Manager: that is looked at first
			want = "InvalidAuthenticationTokenAudience"
		}
		s.refused("graph "+name, w.Code, w.Header(), w.Body.Bytes(), want)
	}
	// However many slashes stand in front: the table finds the row all the same.
	foreign := s.forge(func(_, c map[string]any) { c["tid"], c["iss"] = strange, identity.Issuer(strange) })
	for _, slashes := range []string{"//", "///"} {
		w := s.ask("GET", "https://management.azure.com"+slashes+"subscriptions/"+subID+"?api-version=2021-04-01", foreign, "")
		s.refused(slashes, w.Code, w.Header(), w.Body.Bytes(), "InvalidAuthenticationTokenTenant")
	}
	if w := s.ask("GET", "/subscriptions/"+subID+"/resourceGroups/rg?api-version=2021-04-01", "owner", ""); w.Code != http.StatusOK {
		t.Fatalf("the token itself: %d %s", w.Code, w.Body)
	}
	s.clock.Advance(2 * resource.Hour)
	w := s.ask("GET", "/subscriptions/"+subID+"/resourceGroups/rg?api-version=2021-04-01", "owner", "")
	s.refused("two hours later", w.Code, w.Header(), w.Body.Bytes(), "ExpiredAuthenticationToken")
}

func (s *service) refused(name string, status int, h http.Header, raw []byte, code string) {
	s.t.Helper()
	var body struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		s.t.Errorf("%s: %s: %v", name, raw, err)
	}
	if status != http.StatusUnauthorized || body.Error.Code != code || body.Error.Message == "" || !strings.HasPrefix(h.Get("WWW-Authenticate"), "Bearer ") {
		s.t.Errorf("%s: %d %s %v, want 401 %s", name, status, raw, h, code)
	}
}
