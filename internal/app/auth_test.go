package app

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"millpond/internal/identity"
)

const batchVersion = "?api-version=2024-02-01.19.0"

// A token is refused on every face when one thing about it is wrong, with the
// body Azure answers there: 403 AuthenticationFailed of the data plane, 401 of
// Resource Manager and Graph (facts/wire.md 2b).
func TestEveryFaceRefusesABentToken(t *testing.T) {
	c := compose(t)
	type face struct {
		reach
		target, token string
		batch         bool
		stranger      string // a good token of another tenant; "" where that tenant has its own things to see
	}
	faces := map[string]face{
		"arm":                   {reach{c.tls, "", ""}, "/subscriptions/" + c.start.SubscriptionID + "/resourcegroups?api-version=2021-04-01", c.arm, false, c.strangersARM},
		"arm under its name":    {reach{c.tls, "management.azure.com", ""}, "/subscriptions/" + c.start.SubscriptionID + "/resourcegroups?api-version=2021-04-01", c.arm, false, c.strangersARM},
		"graph":                 {reach{c.tls, "", "/msgraph"}, "/v1.0/servicePrincipals", c.graph, false, ""},
		"graph under its name":  {reach{c.tls, "graph.microsoft.com", ""}, "/v1.0/servicePrincipals", c.graph, false, ""},
		"admin":                 {reach{c.tls, "", "/millpond/v1"}, "/images", c.arm, false, ""},
		"admin to write":        {reach{c.tls, "", "/millpond/v1"}, "/images/a/b/c", c.arm, false, ""},
		"batch, unknown route":  {c.batchFaces()["batch by path"], "/nothing" + batchVersion, c.batch, true, c.stranger},
		"batch, unknown by arm": {c.batchFaces()["batch by host"], "/pools" + batchVersion, c.batch, true, c.stranger},
	}
	for name, at := range c.batchFaces() {
		faces[name] = face{at, "/pools" + batchVersion, c.batch, true, c.stranger}
	}
	now := float64(time.Now().Unix())
	enc := base64.RawURLEncoding
	for name, f := range faces {
		claim := func(claim string, value any) string {
			return c.forge(f.token, func(_, claims map[string]any) { claims[claim] = value })
		}
		parts := strings.Split(f.token, ".")
		flipped := []byte(parts[2])
		flipped[20] ^= 1
		unsigned := enc.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
		bent := map[string]string{
			"no token":            "",
			"signature":           parts[0] + "." + parts[1] + "." + string(flipped),
			"claims":              parts[0] + "." + enc.EncodeToString([]byte(`{"aud":"x"}`)) + "." + parts[2],
			"alg none":            unsigned,
			"alg none, signed":    c.forge(f.token, func(h, _ map[string]any) { h["alg"] = "none" }),
			"alg HS256":           c.forge(f.token, func(h, _ map[string]any) { h["alg"] = "HS256" }),
			"unknown kid":         c.forge(f.token, func(h, _ map[string]any) { h["kid"] = "nobody" }),
			"audience":            claim("aud", "https://vault.azure.net"),
			"issuer":              claim("iss", "https://evil.example/"),
			"expiry":              claim("exp", now-600),
			"not yet":             claim("nbf", now+600),
			"tenant":              claim("tid", "7e0a0000-0000-4000-8000-0000000000ff"),
			"tenant of another":   claim("tid", strangeTenant),
			"issuer of another":   claim("iss", identity.Issuer(strangeTenant)),
			"token of a stranger": f.stranger,
		}
		if f.stranger == "" {
			delete(bent, "token of a stranger")
		}
		for what, token := range bent {
			t.Run(name+"/"+what, func(t *testing.T) {
				r := c.request(f.reach, http.MethodGet, f.target, "")
				if token != "" {
					r.Header.Set("Authorization", "Bearer "+token)
				}
				status, header, text := c.do(f.reach, r)
				if f.batch {
					refusedByBatch(t, status, text)
				} else {
					refusedByARM(t, status, header, text)
				}
				if token != "" && strings.Contains(text, token) {
					t.Error("the answer repeats the token")
				}
			})
		}
		if strings.Contains(f.target, "nothing") || strings.Contains(f.target, "/a/b/c") {
			continue
		}
		r := c.request(f.reach, http.MethodGet, f.target, "")
		r.Header.Set("Authorization", "Bearer "+f.token)
		if status, _, text := c.do(f.reach, r); status != http.StatusOK {
			t.Errorf("%s: the token itself: %d %s", name, status, text)
		}
	}
}

// refusedByBatch checks Azure's body of a refusal, whole.
func refusedByBatch(t *testing.T, status int, text string) {
	t.Helper()
	var body struct {
		Metadata string `json:"odata.metadata"`
		Code     string
		Message  struct{ Lang, Value string }
		Values   []struct{ Key, Value string }
	}
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Errorf("%d %s: %v", status, text, err)
		return
	}
	const sentence = "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.\nRequestId:"
	if status != http.StatusForbidden || body.Code != "AuthenticationFailed" || body.Message.Lang != "en-US" || !strings.HasPrefix(body.Message.Value, sentence) ||
		!strings.HasSuffix(body.Metadata, "$metadata#Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element") ||
		len(body.Values) != 1 || body.Values[0].Key != "AuthenticationErrorDetail" || body.Values[0].Value == "" {
		t.Errorf("%d %s", status, text)
	}
}

func refusedByARM(t *testing.T, status int, header http.Header, text string) {
	t.Helper()
	var body struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Errorf("%d %s: %v", status, text, err)
		return
	}
	if status != http.StatusUnauthorized || body.Error.Code == "" || body.Error.Message == "" || !strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer ") {
		t.Errorf("%d %s %v", status, text, header)
	}
}

// A signed request is refused when anything the signature covers was changed
// after it was signed, on every way to the data plane, and makes nothing.
func TestEveryFaceRefusesABentSignature(t *testing.T) {
	c := compose(t)
	name, key, now := c.start.AccountName, c.start.AccountKey.Reveal(), time.Now()
	const body = `{"id":"bent","poolInfo":{"poolId":"none"}}`
	again := func(at reach, r *http.Request, method, target, body string) *http.Request {
		b := c.request(at, method, target, body)
		b.Header = r.Header
		return b
	}
	type mutation func(at reach, r *http.Request) *http.Request
	header := func(name, value string) mutation {
		return func(_ reach, r *http.Request) *http.Request {
			r.Header.Set(name, value)
			return r
		}
	}
	signed := func(account string, key []byte, at time.Time) mutation {
		return func(_ reach, r *http.Request) *http.Request {
			sign(r, account, key, at)
			return r
		}
	}
	jobs := "/jobs" + batchVersion
	bent := map[string]mutation{
		"signature": func(_ reach, r *http.Request) *http.Request {
			sig := []byte(r.Header.Get("Authorization"))
			sig[len(sig)-5] ^= 1
			r.Header.Set("Authorization", string(sig))
			return r
		},
		"cut off": func(_ reach, r *http.Request) *http.Request {
			r.Header.Set("Authorization", r.Header.Get("Authorization")[:40])
			return r
		},
		"no base64": header("Authorization", "SharedKey "+name+":***"),
		"method":    func(at reach, r *http.Request) *http.Request { return again(at, r, "PUT", jobs, body) },
		"path": func(at reach, r *http.Request) *http.Request {
			return again(at, r, "POST", "/pools"+batchVersion, body)
		},
		"path's escapes": func(at reach, r *http.Request) *http.Request {
			return again(at, r, "POST", "/%6aobs"+batchVersion, body)
		},
		"query value": func(at reach, r *http.Request) *http.Request {
			return again(at, r, "POST", "/jobs?api-version=2023-11-01.18.0", body)
		},
		"query added": func(at reach, r *http.Request) *http.Request { return again(at, r, "POST", jobs+"&timeout=30", body) },
		"query name's case": func(at reach, r *http.Request) *http.Request {
			return again(at, r, "POST", strings.ReplaceAll(jobs, "api-version", "API-version"), body)
		},
		"body length":       func(at reach, r *http.Request) *http.Request { return again(at, r, "POST", jobs, body+" ") },
		"ocp-date":          header("ocp-date", now.Add(time.Second).UTC().Format(http.TimeFormat)),
		"no ocp-date":       func(_ reach, r *http.Request) *http.Request { r.Header.Del("ocp-date"); return r },
		"Date added":        header("Date", now.UTC().Format(http.TimeFormat)),
		"Content-Type":      header("Content-Type", "application/json"),
		"Content-Encoding":  header("Content-Encoding", "identity"),
		"Content-Language":  header("Content-Language", "en"),
		"Content-MD5":       header("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
		"If-Match":          header("If-Match", "*"),
		"If-None-Match":     header("If-None-Match", "*"),
		"If-Modified-Since": header("If-Modified-Since", now.UTC().Format(http.TimeFormat)),
		"If-Unmodified":     header("If-Unmodified-Since", now.UTC().Format(http.TimeFormat)),
		"Range":             header("Range", "bytes=0-1"),
		"ocp-range":         header("ocp-range", "bytes=0-1"),
		"old date":          signed(name, key, now.Add(-16*time.Minute)),
		"early date":        signed(name, key, now.Add(16*time.Minute)),
		"another's key":     signed(name, []byte("a key of somebody else's account"), now),
		"empty key":         signed(name, nil, now),
		"wrong account":     signed("somebody", key, now),
		"no such scheme": func(_ reach, r *http.Request) *http.Request {
			r.Header.Set("Authorization", "SharedKeyLite"+r.Header.Get("Authorization")[9:])
			return r
		},
		"no account": func(_ reach, r *http.Request) *http.Request {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), name, "", 1))
			return r
		},
		"no header": func(_ reach, r *http.Request) *http.Request { r.Header.Del("Authorization"); return r },
	}
	for face, at := range c.batchFaces() {
		for what, bend := range bent {
			t.Run(face+"/"+what, func(t *testing.T) {
				r := c.request(at, http.MethodPost, jobs, body)
				sign(r, name, key, now)
				r = bend(at, r)
				status, _, text := c.do(at, r)
				refusedByBatch(t, status, text)
			})
		}
		r := c.request(at, http.MethodGet, "/jobs"+batchVersion+"&$select=id", "")
		sign(r, name, key, now)
		if status, _, text := c.do(at, r); status != http.StatusOK || strings.Contains(text, "bent") {
			t.Errorf("%s: the jobs after all: %d %s", face, status, text)
		}
	}
	at := c.batchFaces()["batch by path, HTTP/2"]
	r := c.request(at, http.MethodPost, jobs, body)
	sign(r, name, key, now)
	if status, _, text := c.do(at, r); status != http.StatusCreated {
		t.Errorf("the request itself: %d %s", status, text)
	}
}

// The plain listener serves the data plane and nothing where a token or a
// secret would cross the wire in the clear.
func TestPlainHTTPServesNoTokens(t *testing.T) {
	c := compose(t)
	for _, target := range []string{"/" + c.start.TenantID + "/oauth2/token", "/adfs/oauth2/token", "/subscriptions?api-version=2020-01-01", "/millpond/v1/images", "/msgraph/v1.0/servicePrincipals"} {
		at := reach{c.plain, "", ""}
		r := c.request(at, http.MethodGet, target, "")
		r.Header.Set("Authorization", "Bearer "+c.arm)
		if status, _, text := c.do(at, r); status != http.StatusNotFound {
			t.Errorf("%s: %d %s", target, status, text)
		}
	}
}

// A good token of another tenant looks after nothing here.
func TestAStrangerIsNoAdministrator(t *testing.T) {
	c := compose(t)
	at := reach{c.tls, "", "/millpond/v1"}
	for _, ask := range []struct{ method, target, body string }{
		{http.MethodGet, "/images", ""}, {http.MethodPut, "/images/Debian/debian-12/12", `{"source":"host"}`}, {http.MethodPost, "/replicas/verify", ""},
	} {
		r := c.request(at, ask.method, ask.target, ask.body)
		r.Header.Set("Authorization", "Bearer "+c.strangersARM)
		status, _, text := c.do(at, r)
		if status != http.StatusForbidden || !strings.Contains(text, `"code":"AuthorizationFailed"`) {
			t.Errorf("%s %s: %d %s", ask.method, ask.target, status, text)
		}
	}
}
