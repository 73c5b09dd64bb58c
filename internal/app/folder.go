package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"millpond/internal/account"
	"millpond/internal/cli"
)

// folder is the data folder (design.md 5).
type folder string

func (f folder) path(parts ...string) string {
	return filepath.Join(append([]string{string(f)}, parts...)...)
}

// openFolder makes the folder at the first start. It is its owner's alone
// (0700): below it lie machines' files under their own modes, world-readable
// ones and setuid programs of the ids machines run under among them, and other
// users of this computer must reach neither. The node host opens its parts
// before it changes to the machines' ids, so these need no way through.
func openFolder(dir string) (folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("the data folder cannot be made: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return "", err
	}
	return folder(dir), nil
}

// readSecret is the client secret an earlier start wrote into admin.json.
func (f folder) readSecret() (string, error) {
	text, err := os.ReadFile(f.path("admin.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var a cli.Admin
	if err := json.Unmarshal(text, &a); err != nil {
		return "", nil //nolint:nilerr // a damaged file is written anew with a new secret
	}
	return a.ClientSecret, nil
}

// writeAdmin writes admin.json, the one place where secrets stand in the clear
// (0600; --no-admin-file leaves it out).
func (f folder) writeAdmin(s account.Start, url, httpURL string) error {
	a := cli.Admin{
		TenantID: s.TenantID, SubscriptionID: s.SubscriptionID, ClientID: s.ClientID, ClientSecret: string(s.ClientSecret.Reveal()),
		ResourceGroup: s.ResourceGroup, Location: s.Location, AccountName: s.AccountName,
		ARMURL: url, LoginURL: url, CAFile: f.path("ca.pem"),
	}
	if s.AccountName != "" {
		a.AccountKey = account.EncodeKey(s.AccountKey)
		a.BatchURL = url + "/batch/" + s.AccountName
		// As Resource Manager answers at this address: without the scheme.
		a.AccountEndpoint = strings.TrimPrefix(a.BatchURL, "https://")
		if httpURL != "" {
			a.BatchHTTPURL = httpURL + "/batch/" + s.AccountName
		}
	}
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(f.path("admin.json"), append(text, '\n'), 0o600)
}

// baseURL is the address people use for a listener; a listener on all
// addresses is named by loopback.
func baseURL(scheme string, l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return scheme + "://" + l.Addr().String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
