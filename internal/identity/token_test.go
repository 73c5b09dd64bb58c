package identity_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"millpond/internal/fault"
	"millpond/internal/identity"
)

const armResource = "https://management.core.windows.net/"

func TestTokenIsGoodThroughEveryName(t *testing.T) {
	r := newRoom(t)
	ours := func(host string) bool { return host == "localhost:8443" || host == "127.0.0.1:8443" }
	for _, tc := range []struct{ resource, audience string }{
		{armResource, identity.AudienceARM},
		{"https://management.azure.com//.default", identity.AudienceARM},
		{"HTTPS://Management.Azure.com/.default", identity.AudienceARM},
		{"https://localhost:8443", identity.AudienceARM},
		{"https://127.0.0.1:8443/.default", identity.AudienceARM},
		{"https://batch.core.windows.net", identity.AudienceBatch},
		{"https://batch.core.windows.net/", identity.AudienceBatch},
		{"https://batch.core.windows.net//.default", identity.AudienceBatch},
		{"ddbf3205-c6bd-46ae-8127-60eb93363864", identity.AudienceBatch},
		{"https://graph.microsoft.com/.default", identity.AudienceGraph},
		{"https://localhost:8443/msgraph/.default", identity.AudienceGraph},
	} {
		for _, tenant := range []string{r.tenant.ID, strings.ToUpper(r.tenant.ID), "", "common", "adfs"} {
			tok, err := r.IssueToken(t.Context(), identity.TokenRequest{Tenant: tenant, AppID: r.app.AppID, Secret: r.secret, Resource: tc.resource, Own: ours})
			must(t, err)
			p, err := r.VerifyToken(t.Context(), tok.Access, tc.audience)
			must(t, err)
			want := identity.Principal{TenantID: r.tenant.ID, ObjectID: r.app.ObjectID, AppID: r.app.AppID, Audience: tc.audience}
			if p != want {
				t.Errorf("%s at %q: %+v, want %+v", tc.resource, tenant, p, want)
			}
		}
	}
}

func TestTokenRefusals(t *testing.T) {
	r := newRoom(t)
	good := identity.TokenRequest{Tenant: r.tenant.ID, AppID: r.app.AppID, Secret: r.secret, Resource: armResource}
	other, err := r.AddTenant(t.Context(), "", "Other")
	must(t, err)
	for name, tc := range map[string]struct {
		change func(*identity.TokenRequest)
		code   string
		number string
	}{
		"secret":          {func(q *identity.TokenRequest) { q.Secret += "x" }, "invalid_client", "AADSTS7000215"},
		"no secret":       {func(q *identity.TokenRequest) { q.Secret = "" }, "invalid_client", "AADSTS7000218"},
		"application":     {func(q *identity.TokenRequest) { q.AppID = "nobody" }, "unauthorized_client", "AADSTS700016"},
		"object id":       {func(q *identity.TokenRequest) { q.AppID = r.app.ObjectID }, "unauthorized_client", "AADSTS700016"},
		"unknown tenant":  {func(q *identity.TokenRequest) { q.Tenant = "11111111-0000-0000-0000-000000000000" }, "invalid_request", "AADSTS90002"},
		"another tenant":  {func(q *identity.TokenRequest) { q.Tenant = other.ID }, "unauthorized_client", "AADSTS700016"},
		"resource":        {func(q *identity.TokenRequest) { q.Resource = "https://vault.azure.net" }, "invalid_resource", "AADSTS500011"},
		"somebody's host": {func(q *identity.TokenRequest) { q.Resource = "https://evil.example" }, "invalid_resource", "AADSTS500011"},
		"scope":           {func(q *identity.TokenRequest) { q.Scoped = true }, "invalid_scope", "AADSTS1002012"},
	} {
		q := good
		tc.change(&q)
		_, err := r.IssueToken(t.Context(), q)
		if fault.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.number) {
			t.Errorf("%s: %v, want %s %s", name, err, tc.code, tc.number)
		}
	}
}

// forge signs claims as the service would, with the key the test took out of
// the store; change may bend header and claims.
func (r *room) forge(change func(header, claims map[string]any)) string {
	r.t.Helper()
	parts := strings.Split(r.token(armResource), ".")
	header, claims := object(r.t, parts[0]), object(r.t, parts[1])
	change(header, claims)
	text := encode(r.t, header) + "." + encode(r.t, claims)
	sealed, err := r.db.GetSecret(r.t.Context(), "identity", "signing-keys")
	must(r.t, err)
	clear, err := r.sealer.Open("identity", "signing-keys", sealed)
	must(r.t, err)
	var keys []struct {
		DER []byte `json:"pkcs8"`
	}
	must(r.t, json.Unmarshal(clear.Reveal(), &keys))
	key, err := x509.ParsePKCS8PrivateKey(keys[0].DER)
	must(r.t, err)
	return text + "." + rs256(r.t, key.(*rsa.PrivateKey), text)
}

func rs256(t *testing.T, key *rsa.PrivateKey, text string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, key, 5, sum[:]) // 5 is crypto.SHA256
	must(t, err)
	return base64.RawURLEncoding.EncodeToString(sig)
}

func object(t *testing.T, part string) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(part)
	must(t, err)
	var m map[string]any
	must(t, json.Unmarshal(raw, &m))
	return m
}

func encode(t *testing.T, m map[string]any) string {
	t.Helper()
	raw, err := json.Marshal(m)
	must(t, err)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func TestEveryMutationOfATokenIsRefused(t *testing.T) {
	r := newRoom(t)
	if _, err := r.VerifyToken(t.Context(), r.forge(func(_, _ map[string]any) {}), identity.AudienceARM); err != nil {
		t.Fatalf("the forger's unchanged token: %v", err)
	}
	claim := func(name string, value any) string {
		return r.forge(func(_, c map[string]any) { c[name] = value })
	}
	now := float64(r.clock.Now().Time().Unix())
	good := r.token(armResource)
	parts := strings.Split(good, ".")
	flipped := []byte(parts[2])
	flipped[10] ^= 1
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	header := func(change func(h map[string]any)) string { return r.forge(func(h, _ map[string]any) { change(h) }) }
	set, err := r.Keys(t.Context())
	must(t, err)
	public, err := x509.MarshalPKIXPublicKey(set.Keys[0].Key)
	must(t, err)
	hs := encode(t, map[string]any{"alg": "HS256", "kid": set.Keys[0].KeyID}) + "." + parts[1]
	m := hmac.New(sha256.New, public)
	m.Write([]byte(hs))

	const invalid, audience, tenant = "InvalidAuthenticationToken", "InvalidAuthenticationTokenAudience", "InvalidAuthenticationTokenTenant"
	for name, tc := range map[string]struct{ token, code string }{
		"signature":           {parts[0] + "." + parts[1] + "." + string(flipped), invalid},
		"no signature":        {parts[0] + "." + parts[1] + ".", invalid},
		"another's claims":    {parts[0] + "." + encode(t, map[string]any{"aud": armResource}) + "." + parts[2], invalid},
		"another's key":       {parts[0] + "." + parts[1] + "." + rs256(t, stranger, parts[0]+"."+parts[1]), invalid},
		"alg none":            {encode(t, map[string]any{"alg": "none", "kid": set.Keys[0].KeyID}) + "." + parts[1] + ".", invalid},
		"alg none, signature": {header(func(h map[string]any) { h["alg"] = "none" }), invalid},
		"alg HS256":           {hs + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil)), invalid},
		"alg PS256":           {header(func(h map[string]any) { h["alg"] = "PS256" }), invalid},
		"kid unknown":         {header(func(h map[string]any) { h["kid"] = "x" }), invalid},
		"kid missing":         {header(func(h map[string]any) { delete(h, "kid") }), invalid},
		"critical header":     {header(func(h map[string]any) { h["crit"] = []string{"x"}; h["x"] = 1 }), invalid},
		"audience of Batch":   {r.token("https://batch.core.windows.net/"), audience},
		"audience unknown":    {claim("aud", "https://vault.azure.net"), audience},
		"audiences two":       {claim("aud", []string{armResource, "https://vault.azure.net"}), audience},
		"audience none":       {claim("aud", []string{}), audience},
		"issuer unknown":      {claim("iss", "https://evil.example/"), tenant},
		"issuer of another":   {claim("iss", identity.Issuer("11111111-0000-0000-0000-000000000000")), tenant},
		"issuer with suffix":  {claim("iss", identity.Issuer(r.tenant.ID)+"x"), tenant},
		"tenant unknown":      {claim("tid", "11111111-0000-0000-0000-000000000000"), tenant},
		"tenant missing":      {claim("tid", ""), tenant},
		"expired":             {claim("exp", now-120), "ExpiredAuthenticationToken"},
		"expiry missing":      {r.forge(func(_, c map[string]any) { delete(c, "exp") }), invalid},
		"expiry a word":       {claim("exp", "soon"), invalid},
		"not yet":             {claim("nbf", now+120), invalid},
		"no object":           {claim("oid", ""), invalid},
		"empty":               {"", invalid},
		"words":               {"a.b.c", invalid},
		"huge":                {strings.Repeat("a", 1<<20), invalid},
	} {
		p, err := r.VerifyToken(t.Context(), tc.token, identity.AudienceARM)
		if fault.CodeOf(err) != tc.code || p != (identity.Principal{}) {
			t.Errorf("%s: %+v %v, want %s", name, p, err, tc.code)
		}
	}
}

func TestTokenExpiresByTheClock(t *testing.T) {
	r := newRoom(t)
	token := r.token(armResource)
	r.clock.advance(identity.TokenLifetime)
	if _, err := r.VerifyToken(t.Context(), token, identity.AudienceARM); err != nil {
		t.Fatalf("within the leeway: %v", err)
	}
	r.clock.advance(2 * time.Minute)
	if _, err := r.VerifyToken(t.Context(), token, identity.AudienceARM); !fault.Is(err, "ExpiredAuthenticationToken") {
		t.Fatal(err)
	}
}

func TestRotationKeepsOlderTokensOnce(t *testing.T) {
	r := newRoom(t)
	old := r.token(armResource)
	must(t, r.RotateKey(t.Context()))
	if _, err := r.VerifyToken(t.Context(), r.token(armResource), identity.AudienceARM); err != nil {
		t.Fatal(err)
	}
	if _, err := r.VerifyToken(t.Context(), old, identity.AudienceARM); err != nil {
		t.Fatalf("the older key: %v", err)
	}
	must(t, r.RotateKey(t.Context()))
	if _, err := r.VerifyToken(t.Context(), old, identity.AudienceARM); !fault.Is(err, "InvalidAuthenticationToken") {
		t.Fatalf("the oldest key: %v", err)
	}
	// another process reads the same keys
	again := identity.New(r.db, r.clock, r.sealer)
	if _, err := again.VerifyToken(t.Context(), r.token(armResource), identity.AudienceARM); err != nil {
		t.Fatal(err)
	}
	set, err := again.Keys(t.Context())
	must(t, err)
	if len(set.Keys) != 2 || set.Keys[0].Algorithm != string(jose.RS256) || !set.Keys[0].IsPublic() {
		t.Fatalf("key set %+v", set)
	}
}

func TestBearerToken(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer  abc ": "abc", "Bearer": "", "Bearer ": "", "Basic abc": "", "abc": "", "Bearer a b": "", "": "",
	} {
		if got, ok := identity.BearerToken(header); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q %v", header, got, ok)
		}
	}
}

func FuzzBearerToken(f *testing.F) {
	for _, s := range []string{"Bearer abc", "bearer\tabc", "Bearer  ", "SharedKey a:b", "Bearer a b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, ok := identity.BearerToken(header)
		if ok && (token == "" || strings.ContainsAny(token, " \t") || !strings.EqualFold(header[:6], "bearer")) {
			t.Fatalf("%q gave %q", header, token)
		}
	})
}

// FuzzVerifyToken looks for anything but a refusal of what nobody signed.
func FuzzVerifyToken(f *testing.F) {
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJhdWQiOiJ4In0.AAAA")
	f.Add(`{"payload":"e30","signatures":[{"protected":"eyJhbGciOiJSUzI1NiJ9","signature":"AA"}]}`)
	var r *room
	f.Fuzz(func(t *testing.T, token string) {
		if r == nil || r.t.Context().Err() != nil {
			r = newRoom(t)
		}
		if _, err := r.VerifyToken(t.Context(), token, identity.AudienceARM); !fault.Is(err, "InvalidAuthenticationToken") {
			t.Fatalf("%q: %v", token, err)
		}
	})
}
