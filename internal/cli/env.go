package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// systemBundles are where Linux systems keep their trusted certificates.
var systemBundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/cert.pem",
}

// bundle writes the system's certificates and ours into one file beside
// caFile: the variables clients read replace their bundle, they do not add.
func bundle(caFile string) (string, error) {
	ours, err := os.ReadFile(caFile)
	if err != nil {
		return "", err
	}
	all := []byte{}
	for _, path := range append([]string{os.Getenv("SSL_CERT_FILE")}, systemBundles...) {
		if path == "" || filepath.Base(path) == "ca-bundle.pem" {
			continue
		}
		if text, err := os.ReadFile(path); err == nil {
			all = append(text, '\n')
			break
		}
	}
	all = append(all, ours...)
	out := filepath.Join(filepath.Dir(caFile), "ca-bundle.pem")
	if old, err := os.ReadFile(out); err == nil && string(old) == string(all) {
		return out, nil
	}
	tmp := out + ".new"
	if err := os.WriteFile(tmp, all, 0o644); err != nil { //nolint:gosec // certificates are public
		return "", err
	}
	return out, os.Rename(tmp, out)
}

// trust is the variables by which programs of all kinds are told of a CA file.
func trust(path string) [][2]string {
	return [][2]string{
		{"REQUESTS_CA_BUNDLE", path},  // Python: az, azure-batch
		{"SSL_CERT_FILE", path},       // Go, OpenSSL, Ruby
		{"CURL_CA_BUNDLE", path},      // curl
		{"NODE_EXTRA_CA_CERTS", path}, // Node.js
	}
}

func newEnv() *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Print exports that point az batch and the SDKs at the server",
		Long: `Print shell exports: eval "$(millpond env)".

They hold secrets of the service principal and the account key. The tenant is
"adfs", which keeps the identity libraries from asking the public cloud about
the authority; MILLPOND_TENANT_ID has the tenant's id.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			a, err := loadAdmin(c)
			if err != nil {
				return err
			}
			ca, err := bundle(a.CAFile)
			if err != nil {
				return err
			}
			vars := [][2]string{
				{"AZURE_AUTHORITY_HOST", a.LoginURL},
				{"AZURE_TENANT_ID", "adfs"},
				{"AZURE_CLIENT_ID", a.ClientID},
				{"AZURE_CLIENT_SECRET", a.ClientSecret},
				{"AZURE_SUBSCRIPTION_ID", a.SubscriptionID},
				{"AZURE_BATCH_ACCOUNT", a.AccountName},
				{"AZURE_BATCH_ACCESS_KEY", a.AccountKey},
				{"AZURE_BATCH_ENDPOINT", a.BatchURL},
				{"MILLPOND_TENANT_ID", a.TenantID},
				{"MILLPOND_ARM_URL", a.ARMURL},
				{"MILLPOND_DATA", filepath.Dir(a.CAFile)},
			}
			for _, v := range append(vars, trust(ca)...) {
				fmt.Fprintf(c.OutOrStdout(), "export %s=%s\n", v[0], quote(v[1]))
			}
			return nil
		},
	}
}

// quote makes a word of s for any shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
