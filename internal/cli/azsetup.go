package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

// cloudName is what the server is called in az.
const cloudName = "Millpond"

// cloudConfig is az's description of a cloud (facts/az.md 1, way B). The
// authority ends in /adfs, which keeps az from asking the public cloud about it.
func cloudConfig(a Admin) map[string]any {
	host := "localhost"
	if u, err := url.Parse(a.ARMURL); err == nil {
		host = u.Hostname()
	}
	return map[string]any{
		"endpoints": map[string]string{
			"resourceManager":                a.ARMURL,
			"management":                     a.ARMURL,
			"activeDirectory":                a.LoginURL + "/adfs",
			"activeDirectoryResourceId":      a.ARMURL,
			"activeDirectoryGraphResourceId": a.ARMURL + "/graph",
			"microsoftGraphResourceId":       a.ARMURL + "/msgraph",
			"batchResourceId":                "https://batch.core.windows.net/",
			"gallery":                        a.ARMURL + "/gallery",
		},
		"suffixes": map[string]string{"storageEndpoint": host, "keyvaultDns": ".vault." + host},
	}
}

// secretFile puts the secret where az reads it and other users of this computer
// do not: an argument would stand in the list of processes.
func secretFile(dir, secret string) (string, error) {
	f, err := os.CreateTemp(dir, "secret-*") // 0600
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(secret)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func newAzSetup() *cobra.Command {
	var az string
	c := &cobra.Command{
		Use:   "az-setup DIR",
		Short: "Make an isolated az configuration, registered and logged in",
		Long: `Make DIR an AZURE_CONFIG_DIR of its own in which the server is a registered
cloud, the service principal is logged in and the Batch account is chosen. Your
own az configuration is not touched. It prints the exports to use it:

  eval "$(millpond az-setup ~/.azure-millpond)"
  az batch pool list`,
		Args: exactly(1, "the folder to make"),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := loadAdmin(c)
			if err != nil {
				return err
			}
			path, err := exec.LookPath(az)
			if err != nil {
				return fmt.Errorf("az is not installed here (%w); give --az PATH", err)
			}
			ca, err := bundle(a.CAFile)
			if err != nil {
				return err
			}
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
			// The token cache remembers the discovery of an earlier server at this address.
			_ = os.Remove(filepath.Join(dir, "msal_http_cache.bin"))
			config := filepath.Join(dir, "millpond-cloud.json")
			text, err := json.MarshalIndent(cloudConfig(a), "", "  ")
			if err != nil {
				return err
			}
			if err := os.WriteFile(config, text, 0o600); err != nil {
				return err
			}
			vars := append([][2]string{{"AZURE_CONFIG_DIR", dir}}, trust(ca)...)
			env := append(os.Environ(), "AZURE_CORE_COLLECT_TELEMETRY=no", "AZURE_CORE_INSTANCE_DISCOVERY=false",
				"AZURE_CORE_ONLY_SHOW_ERRORS=yes")
			for _, v := range vars {
				env = append(env, v[0]+"="+v[1])
			}
			secret, err := secretFile(dir, a.ClientSecret)
			if err != nil {
				return err
			}
			defer os.Remove(secret)
			run := func(hide string, args ...string) error {
				cmd := exec.CommandContext(c.Context(), path, args...) //nolint:gosec // az itself
				cmd.Env = env
				if out, err := cmd.CombinedOutput(); err != nil {
					return fmt.Errorf("az %s: %w\n%s", args[0], err, redact(string(out), hide))
				}
				return nil
			}
			verb := "register"
			if run("", "cloud", "show", "--name", cloudName) == nil {
				verb = "update"
			}
			for _, step := range [][]string{
				{"cloud", verb, "--name", cloudName, "--cloud-config", "@" + config},
				{"cloud", "set", "--name", cloudName},
				{"config", "set", "core.collect_telemetry=no", "core.instance_discovery=false"},
				{"login", "--service-principal", "-u", a.ClientID, "-p", "@" + secret, "--tenant", a.TenantID},
				{"batch", "account", "login", "-g", a.ResourceGroup, "-n", a.AccountName},
			} {
				if err := run(a.ClientSecret, step...); err != nil {
					return err
				}
			}
			for _, v := range vars {
				fmt.Fprintf(c.OutOrStdout(), "export %s=%s\n", v[0], quote(v[1]))
			}
			return nil
		},
	}
	c.Flags().StringVar(&az, "az", "az", "the az program")
	return c
}
