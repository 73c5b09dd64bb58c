package cli

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// azureNames are the hosts the server answers for, and azureSuffixes the
// domains below which it answers for every name (design.md 1, interception).
var (
	azureNames = map[string]bool{
		"login.microsoftonline.com":   true,
		"login.microsoft.com":         true,
		"login.windows.net":           true,
		"sts.windows.net":             true,
		"management.azure.com":        true,
		"management.core.windows.net": true,
		"graph.microsoft.com":         true,
		"graph.windows.net":           true,
		"batch.core.windows.net":      true,
	}
	azureSuffixes = []string{".batch.azure.com", ".service.batch.azure.com", ".management.azure.com"}
)

func isAzure(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if azureNames[host] {
		return true
	}
	for _, s := range azureSuffixes {
		if strings.HasSuffix(host, s) {
			return true
		}
	}
	return false
}

// proxy tunnels CONNECT requests: Azure's names to the server's one TLS
// listener, the rest to where they belong or nowhere. It sees no plain text.
type proxy struct {
	target  string
	offline bool
}

func (p *proxy) serve(ctx context.Context, l net.Listener) {
	s := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	_ = s.Serve(l)
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := r.URL.Hostname()
	if r.Method == http.MethodConnect {
		host, _, _ = net.SplitHostPort(r.Host)
	}
	if p.offline && !isAzure(host) {
		http.Error(w, "millpond exec --offline: "+host+" is not served here", http.StatusForbidden)
		return
	}
	if r.Method != http.MethodConnect {
		p.forward(w, r)
		return
	}
	to := r.Host
	if isAzure(host) {
		to = p.target
	}
	out, err := (&net.Dialer{Timeout: 30 * time.Second}).DialContext(r.Context(), "tcp", to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer out.Close()
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, "no tunnel over this connection", http.StatusInternalServerError)
		return
	}
	in, buffered, err := hijacker.Hijack()
	if err != nil {
		return
	}
	defer in.Close()
	if _, err := io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(out, buffered); closeWrite(out); done <- struct{}{} }()
	go func() { _, _ = io.Copy(in, out); closeWrite(in); done <- struct{}{} }()
	<-done
	<-done
}

// forward passes a plain-HTTP request on; Azure's names exist over TLS only.
func (p *proxy) forward(w http.ResponseWriter, r *http.Request) {
	if isAzure(r.URL.Hostname()) || r.URL.Host == "" {
		http.Error(w, "millpond exec: Azure's names are served over https only", http.StatusBadRequest)
		return
	}
	r.RequestURI = ""
	r.Header.Del("Proxy-Connection")
	resp, err := http.DefaultTransport.(*http.Transport).RoundTrip(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
