package app

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"millpond/internal/cli"
	"millpond/internal/identity"
	"millpond/internal/provider/local"
	"millpond/internal/resource"
	"millpond/internal/store"
	"millpond/internal/web"
)

// composed is the server as it is put together, with every face behind real
// listeners; only the machine provider was never opened and no loop runs.
type composed struct {
	*App
	t            *testing.T
	tls, tls2    *httptest.Server // HTTP/1.1 and HTTP/2
	plain        *httptest.Server
	logged       *logBuffer
	arm, batch   string // the owner's tokens
	graph        string
	stranger     string // for Batch, of another tenant
	strangersARM string
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

const strangeTenant = "7e0a0000-0000-4000-8000-000000000002"

func compose(t *testing.T) *composed {
	t.Helper()
	c := &composed{t: t, logged: &logBuffer{}}
	data := t.TempDir()
	c.App = &App{up: cli.Up{Data: data, Offline: true}, clock: resource.SystemClock(), folder: folder(data), provider: new(local.Provider),
		log: slog.New(slog.NewTextHandler(c.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	var err error
	c.db, err = store.Open(t.Context(), store.Config{SQLite: c.folder.path("millpond.db"), Clock: c.clock, Log: c.log})
	must(t, err)
	t.Cleanup(func() { must(t, c.db.Close()) })
	sealer, err := identity.OpenSealer(c.folder.path("secret.key"))
	must(t, err)
	c.identity = identity.New(c.db, c.clock, sealer)
	c.App.tls, err = listen("127.0.0.1:0", "--listen")
	must(t, err)
	t.Cleanup(func() { _ = c.App.tls.Close() })
	c.wire()
	must(t, c.bootstrap(t.Context()))
	c.tls, c.tls2, c.plain = httptest.NewTLSServer(c.faces), httptest.NewUnstartedServer(c.faces), httptest.NewServer(plainFaces(c.faces))
	c.tls2.EnableHTTP2 = true
	c.tls2.StartTLS()
	for _, s := range []*httptest.Server{c.tls, c.tls2, c.plain} {
		t.Cleanup(s.Close)
	}
	c.arm, c.batch, c.graph = c.token("https://management.azure.com/"), c.token("https://batch.core.windows.net/"), c.token("https://graph.microsoft.com/")
	_, err = c.identity.AddTenant(t.Context(), strangeTenant, "Strangers")
	must(t, err)
	app, secret, err := c.identity.AddApplication(t.Context(), identity.Application{TenantID: strangeTenant,
		AppID: "a9900000-0000-4000-8000-000000000009", ObjectID: "0b1ec700-0000-4000-8000-000000000009", DisplayName: "stranger"})
	must(t, err)
	c.stranger = c.issue(app.AppID, secret, "https://batch.core.windows.net/")
	c.strangersARM = c.issue(app.AppID, secret, "https://management.azure.com/")
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *composed) token(audience string) string {
	return c.issue(c.start.ClientID, c.start.ClientSecret, audience)
}

func (c *composed) issue(appID string, secret identity.Secret, audience string) string {
	c.t.Helper()
	token, err := c.identity.IssueToken(c.t.Context(), identity.TokenRequest{AppID: appID, Secret: string(secret.Reveal()), Resource: audience})
	must(c.t, err)
	return token.Access
}

// forge signs a token's claims with the service's own key after change bent
// them: what is refused then is refused for the change alone.
func (c *composed) forge(token string, change func(header, claims map[string]any)) string {
	c.t.Helper()
	enc := base64.RawURLEncoding
	parts := strings.Split(token, ".")
	var object [2]map[string]any
	for i := range object {
		raw, err := enc.DecodeString(parts[i])
		must(c.t, err)
		must(c.t, json.Unmarshal(raw, &object[i]))
	}
	change(object[0], object[1])
	for i := range object {
		raw, err := json.Marshal(object[i])
		must(c.t, err)
		parts[i] = enc.EncodeToString(raw)
	}
	text := parts[0] + "." + parts[1]
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, c.signingKey(), crypto.SHA256, sum[:])
	must(c.t, err)
	return text + "." + enc.EncodeToString(sig)
}

func (c *composed) signingKey() *rsa.PrivateKey {
	c.t.Helper()
	sealed, err := c.db.GetSecret(context.Background(), "identity", "signing-keys")
	must(c.t, err)
	clear, err := c.identity.Sealer().Open("identity", "signing-keys", sealed)
	must(c.t, err)
	var keys []struct {
		DER []byte `json:"pkcs8"`
	}
	must(c.t, json.Unmarshal(clear.Reveal(), &keys))
	key, err := x509.ParsePKCS8PrivateKey(keys[0].DER)
	must(c.t, err)
	return key.(*rsa.PrivateKey)
}

// reach is a way to a face.
type reach struct {
	server *httptest.Server
	host   string // "" is the server's own
	prefix string
}

// batchFaces are the ways to the data plane.
func (c *composed) batchFaces() map[string]reach {
	name := c.start.AccountName
	return map[string]reach{
		"batch by path":           {c.tls, "", "/batch/" + name},
		"batch by path, HTTP/2":   {c.tls2, "", "/batch/" + name},
		"batch by host":           {c.tls, name + "." + c.start.Location + ".batch.azure.com", ""},
		"batch by host and port":  {c.tls, strings.ToUpper(name) + "." + c.start.Location + ".Batch.azure.com:8443", ""},
		"batch over plain HTTP":   {c.plain, "", "/batch/" + name},
		"batch by host and HTTP2": {c.tls2, name + "." + c.start.Location + ".batch.azure.com", ""},
	}
}

// request makes a request to a face; target is below the prefix.
func (c *composed) request(at reach, method, target, body string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, at.server.URL+at.prefix+target, strings.NewReader(body))
	must(c.t, err)
	if at.host != "" {
		r.Host = at.host
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json; odata=minimalmetadata; charset=utf-8")
	}
	return r
}

// do sends a request and gives the answer's status and body.
func (c *composed) do(at reach, r *http.Request) (int, http.Header, string) {
	c.t.Helper()
	got, err := at.server.Client().Do(r)
	must(c.t, err)
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	must(c.t, err)
	return got.StatusCode, got.Header, string(text)
}

// sign puts a shared-key signature over the request as it is now.
func sign(r *http.Request, account string, key []byte, at time.Time) {
	if !at.IsZero() {
		r.Header.Set("ocp-date", at.UTC().Format(http.TimeFormat))
	}
	signed := r.Header.Clone()
	if r.ContentLength > 0 || r.Method != http.MethodGet && r.Method != http.MethodHead {
		signed.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(web.StringToSign(r.Method, account, r.URL.EscapedPath(), r.URL.RawQuery, signed)))
	r.Header.Set("Authorization", "SharedKey "+account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
