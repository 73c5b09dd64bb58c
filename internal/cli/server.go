package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Admin is admin.json: how to reach the server of a data folder, and as whom.
type Admin struct {
	TenantID        string `json:"tenantId"`
	SubscriptionID  string `json:"subscriptionId"`
	ClientID        string `json:"clientId"`
	ClientSecret    string `json:"clientSecret"`
	ResourceGroup   string `json:"resourceGroup"`
	Location        string `json:"location"`
	AccountName     string `json:"accountName"`
	AccountKey      string `json:"accountKey"`
	AccountEndpoint string `json:"accountEndpoint"`
	BatchURL        string `json:"batchUrl"`
	BatchHTTPURL    string `json:"batchHttpUrl"`
	ARMURL          string `json:"armUrl"`
	LoginURL        string `json:"loginUrl"`
	CAFile          string `json:"caFile"`
}

func loadAdmin(c *cobra.Command) (Admin, error) {
	var a Admin
	dir, err := dataDir(c)
	if err != nil {
		return a, err
	}
	path := filepath.Join(dir, "admin.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return a, fmt.Errorf("no server was started with the data folder %s (no admin.json there); run 'millpond up' or give --data", dir)
	}
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// server is an authenticated client of the admin API.
type server struct {
	Admin
	http  *http.Client
	token string
}

func connect(ctx context.Context, a Admin) (*server, error) {
	pem, err := os.ReadFile(a.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", a.CAFile)
	}
	s := &server{Admin: a, http: &http.Client{Timeout: 10 * time.Minute,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {a.ClientID},
		"client_secret": {a.ClientSecret}, "scope": {"https://management.azure.com/.default"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.LoginURL+"/"+a.TenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := s.send(req, &got); err != nil {
		return nil, err
	}
	s.token = got.AccessToken
	return s, nil
}

// call asks the admin API; in and out may be nil.
func (s *server) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.ARMURL+"/millpond/v1"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return s.send(req, out)
}

func (s *server) send(req *http.Request, out any) error {
	resp, err := s.http.Do(req)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("the server answered %s: %s", resp.Status, problem(text))
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, out)
}

// problem is the readable part of an error body.
func problem(text []byte) string {
	var e struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(text, &e) == nil && e.Error.Message != "" {
		return e.Error.Code + ": " + e.Error.Message
	}
	return strings.TrimSpace(string(text))
}
