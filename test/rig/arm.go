package rig

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// computeVersion is the api-version the rig's Resource Manager calls name.
const computeVersion = "2024-03-03"

// ARM is a client of the bearer faces: Resource Manager, the admin API, and the
// data plane with a token.
type ARM struct {
	s      *Server
	http   *http.Client
	tokens map[string]string // by audience
}

// Bearer logs the service principal in.
func (s *Server) Bearer() *ARM {
	s.tb.Helper()
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		s.tb.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	a := &ARM{s: s, tokens: map[string]string{}, http: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}}
	for _, audience := range []string{"https://management.azure.com/", "https://batch.core.windows.net/"} {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.ClientID}, "client_secret": {s.ClientSecret},
			"scope": {audience + ".default"}}
		resp, err := a.http.PostForm(s.LoginURL+"/"+s.TenantID+"/oauth2/v2.0/token", form)
		if err != nil {
			s.tb.Fatal(err)
		}
		defer resp.Body.Close()
		var got struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.AccessToken == "" {
			s.tb.Fatalf("no token: %s %v", resp.Status, err)
		}
		a.tokens[audience] = got.AccessToken
	}
	s.tb.Cleanup(a.http.CloseIdleConnections)
	return a
}

// Try makes one request with a token: below /subscriptions or /millpond to
// Resource Manager or the admin API, else to the Batch account.
func (a *ARM) Try(method, path string, body any) (Answer, error) {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return Answer{}, err
		}
	}
	address, version, audience, kind := a.s.BatchURL+path, APIVersion, "https://batch.core.windows.net/", "application/json; odata=minimalmetadata"
	switch {
	case strings.HasPrefix(path, "https://"):
		address, version, audience, kind = path, "", "https://management.azure.com/", "application/json"
	case strings.HasPrefix(path, "/subscriptions"), strings.HasPrefix(path, "/millpond"):
		address, version, audience, kind = a.s.ARMURL+path, computeVersion, "https://management.azure.com/", "application/json"
	}
	if version != "" {
		sep := "?"
		if strings.Contains(address, "?") {
			sep = "&"
		}
		address += sep + "api-version=" + version
	}
	req, err := http.NewRequestWithContext(context.Background(), method, address, bytes.NewReader(raw))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+a.tokens[audience])
	if raw != nil {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return Answer{resp.StatusCode, resp.Header, text}, err
}

// Do makes a request that must succeed, waits for the operation it starts, and
// reads the answer's JSON into out if that is not nil.
func (a *ARM) Do(method, path string, body, out any) {
	a.s.tb.Helper()
	answer, err := a.Try(method, path, body)
	if err != nil {
		a.s.tb.Fatal(err)
	}
	if answer.Status >= 300 {
		a.s.tb.Fatalf("%s %s: %d %s", method, path, answer.Status, answer.Body)
	}
	if poll := answer.Header.Get("Azure-AsyncOperation"); poll != "" {
		a.await(method+" "+path, poll)
	}
	if out != nil {
		if err := json.Unmarshal(answer.Body, out); err != nil {
			a.s.tb.Fatal(err)
		}
	}
}

func (a *ARM) await(what, poll string) {
	a.s.tb.Helper()
	a.s.Eventually(2*time.Minute, what, func() (bool, string) {
		answer, err := a.Try(http.MethodGet, poll, nil)
		if err != nil {
			return false, err.Error()
		}
		var op struct{ Status string }
		_ = json.Unmarshal(answer.Body, &op)
		if op.Status == "Failed" || op.Status == "Canceled" || answer.Status >= 300 {
			a.s.tb.Fatalf("%s: %d %s", what, answer.Status, answer.Body)
		}
		return op.Status == "Succeeded", string(answer.Body)
	})
}

// Compute is the path of a Microsoft.Compute resource in the first group.
func (s *Server) Compute(kind, name string) string {
	return "/subscriptions/" + s.SubscriptionID + "/resourceGroups/" + s.ResourceGroup + "/providers/Microsoft.Compute/" + kind + "/" + name
}
