package cli

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestIsAzure(t *testing.T) {
	for host, want := range map[string]bool{
		"login.microsoftonline.com": true, "LOGIN.microsoftonline.com": true, "management.azure.com": true, "management.azure.com.": true,
		"batch.core.windows.net": true, "millpond.westeurope.batch.azure.com": true, "westeurope.management.azure.com": true,
		"example.org": false, "azure.com": false, "batch.azure.com": false, "evilmanagement.azure.com": false, "management.azure.com.evil.org": false,
		"": false, "127.0.0.1": false, "acct.blob.core.windows.net": false, "xbatch.azure.com": false,
	} {
		if got := isAzure(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// through gives a client of a proxy before a server that stands for Millpond.
func through(t *testing.T, offline bool) (c *http.Client, server *httptest.Server) {
	t.Helper()
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "millpond for "+r.Host) }))
	t.Cleanup(server.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	p := &proxy{target: strings.TrimPrefix(server.URL, "https://"), offline: offline}
	go func() { defer close(done); p.serve(ctx, l) }()
	t.Cleanup(func() { cancel(); <-done })
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	at := &url.URL{Scheme: "http", Host: l.Addr().String()}
	// The test server's certificate is for example.com; which name was asked for is the tunnel's business.
	transport := &http.Transport{Proxy: http.ProxyURL(at), TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, server
}

func get(t *testing.T, c *http.Client, address string) (int, string) {
	t.Helper()
	resp, err := c.Get(address)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestProxyLeadsAzuresNamesToTheServer(t *testing.T) {
	c, server := through(t, true)
	for _, host := range []string{"management.azure.com", "login.microsoftonline.com", "a.westeurope.batch.azure.com"} {
		if code, text := get(t, c, "https://"+host+"/x"); code != 200 || text != "millpond for "+host {
			t.Errorf("%s: %d %s", host, code, text)
		}
	}
	if _, text := get(t, c, server.URL); !strings.Contains(text, "Forbidden") {
		t.Errorf("--offline let %s through: %s", server.URL, text)
	}
	if code, text := get(t, c, "http://example.org/"); code != 403 || !strings.Contains(text, "example.org is not served here") {
		t.Errorf("--offline let plain HTTP through: %d %s", code, text)
	}
}

func TestProxyPassesTheRestOn(t *testing.T) {
	c, server := through(t, false)
	if code, text := get(t, c, server.URL+"/x"); code != 200 || !strings.HasPrefix(text, "millpond for 127.0.0.1:") {
		t.Errorf("%d %s", code, text)
	}
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen", r.Header.Get("Proxy-Connection"))
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.Copy(w, r.Body)
	}))
	defer plain.Close()
	if code, _ := get(t, c, plain.URL); code != http.StatusTeapot {
		t.Errorf("plain HTTP: %d", code)
	}
	if code, text := get(t, c, "http://management.azure.com/"); code != 400 || !strings.Contains(text, "https only") {
		t.Errorf("Azure's name over plain HTTP: %d %s", code, text)
	}
	plain.Close()
	if code, _ := get(t, c, plain.URL); code != http.StatusBadGateway {
		t.Errorf("a server that is gone: %d", code)
	}
}

// A request for the proxy itself, and nonsense, are refused and not looped.
func TestProxyRefusesNonsense(t *testing.T) {
	c, _ := through(t, true)
	at, _ := c.Transport.(*http.Transport).Proxy(&http.Request{URL: &url.URL{}})
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT nonsense HTTP/1.1\r\nHost: nonsense\r\n\r\n", "CONNECT :443 HTTP/1.1\r\nHost: :443\r\n\r\n"} {
		conn, err := net.Dial("tcp", at.Host)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode/100 != 4 {
			t.Errorf("%q: %v %v", request, resp, err)
		} else {
			resp.Body.Close()
		}
		conn.Close()
	}
}

func TestChildEnvironment(t *testing.T) {
	got := childEnv([]string{"A=b", "HTTPS_PROXY=http://corporate:1", "no_proxy=*", "SSL_CERT_FILE=/old", "PATH=/bin"}, "http://p:2", "/ca.pem")
	for _, want := range []string{"A=b", "PATH=/bin", "HTTPS_PROXY=http://p:2", "https_proxy=http://p:2", "SSL_CERT_FILE=/ca.pem", "REQUESTS_CA_BUNDLE=/ca.pem"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in %v", want, got)
		}
	}
	seen := map[string]bool{}
	for _, entry := range got {
		name, v, _ := strings.Cut(entry, "=")
		if seen[name] {
			t.Errorf("%s twice", name)
		}
		seen[name] = true
		if strings.EqualFold(name, "no_proxy") && v == "*" || strings.Contains(v, "corporate") || v == "/old" {
			t.Errorf("left over: %s", entry)
		}
	}
}

// The bundle is the system's certificates and ours; made from its own output it does not grow.
func TestBundle(t *testing.T) {
	dir := t.TempDir()
	system := filepath.Join(dir, "system.pem")
	ca := filepath.Join(dir, "ca.pem")
	for path, text := range map[string]string{system: "SYSTEM\n", ca: "OURS\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SSL_CERT_FILE", system)
	path, err := bundle(ca)
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path)
	if err != nil || string(first) != "SYSTEM\n\nOURS\n" {
		t.Errorf("%q %v", first, err)
	}
	t.Setenv("SSL_CERT_FILE", path)
	if _, err := bundle(ca); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(path); err != nil || strings.Count(string(second), "OURS") != 1 {
		t.Errorf("%v: %d times ours", err, strings.Count(string(second), "OURS"))
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{"a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$(x)`y`": "'$(x)`y`'"} {
		if got := quote(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	if got := redact("a secret in secret", "secret"); got != "a *** in ***" {
		t.Errorf("%q", got)
	}
}
