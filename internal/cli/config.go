package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// Up is the server's configuration. A flag wins over MILLPOND_* in the
// environment, which wins over the file; all three have the same names.
type Up struct {
	Data        string // folder of everything kept
	Listen      string // TLS listener
	HTTP        string // plain listener for shared-key clients; "" = none
	Offline     bool   // never fetch anything from outside
	KeepNodes   bool   // nodes go on when the server ends
	NoAdminFile bool
	Alias       []string // PUBLISHER:OFFER:SKU=SOURCE
	Database    string   // PostgreSQL URL; "" = SQLite in the folder
	Location    string   // region of the account made at first start
	SSHPort     int      // first port for SSH into nodes
	Limits      string   // auto, on, off: whether nodes are held to their size
	LogLevel    string   // debug, info, warn, error
	TasksTmpfs  bool     // task directories in memory
}

// Ready is what up prints once the server answers.
type Ready struct {
	URL     string
	HTTPURL string
	Data    string
}

func newUp(p Program) *cobra.Command {
	up := Up{}
	var file string
	c := &cobra.Command{
		Use:   "up",
		Short: "Start the server and stay with it until Ctrl-C",
		Long: `Start the server. The first start makes the data folder with a certificate
authority, a tenant, a subscription, a service principal with the role Owner, a
resource group and a Batch account, and writes admin.json and ca.pem. Later
starts go on where the last one stopped.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := fill(c, &up, file); err != nil {
				return err
			}
			return p.Up(c.Context(), up, func(r Ready) {
				line := "millpond ready: " + r.URL
				if r.HTTPURL != "" {
					line += " " + r.HTTPURL
				}
				fmt.Fprintln(c.OutOrStdout(), line+" data="+r.Data)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&up.Listen, "listen", "127.0.0.1:8443", "address of the TLS listener")
	f.StringVar(&up.HTTP, "http", "127.0.0.1:8080", "address of the plain-HTTP listener for shared-key clients; empty = none")
	f.BoolVar(&up.Offline, "offline", false, "never fetch anything from outside; images must be imported or come from this host")
	f.BoolVar(&up.KeepNodes, "keep-nodes", false, "leave nodes running when the server ends")
	f.BoolVar(&up.NoAdminFile, "no-admin-file", false, "do not write admin.json with its secrets")
	f.StringVar(&file, "config", "", "configuration file (YAML, same names as the flags)")
	f.StringArrayVar(&up.Alias, "alias", nil, "serve an image from another source: PUBLISHER:OFFER:SKU=SOURCE (a tar, an OCI layout, debootstrap:SUITE, host)")
	f.StringVar(&up.Database, "database", "", "PostgreSQL URL; empty = SQLite in the data folder")
	f.StringVar(&up.Location, "location", "westeurope", "region of the account made at the first start")
	f.IntVar(&up.SSHPort, "ssh-port", 50000, "first port tried for SSH into nodes")
	f.StringVar(&up.Limits, "limits", "auto", "hold nodes to the cores and memory of their size: auto (where it costs nothing), on, off")
	f.StringVar(&up.LogLevel, "log-level", "warn", "debug, info, warn or error")
	f.BoolVar(&up.TasksTmpfs, "tasks-tmpfs", false, "keep task directories in memory")
	return c
}

// fill completes up from file and environment where no flag was given.
func fill(c *cobra.Command, up *Up, file string) error {
	if file == "" {
		file = os.Getenv("MILLPOND_CONFIG")
	}
	given := map[string]string{}
	if file != "" {
		var err error
		if given, err = readFile(c, file); err != nil {
			return usageError{fmt.Errorf("configuration %s: %w", file, err)}
		}
	}
	for _, entry := range os.Environ() {
		name, v, _ := strings.Cut(entry, "=")
		if rest, ok := strings.CutPrefix(name, "MILLPOND_"); ok {
			given[strings.ReplaceAll(strings.ToLower(rest), "_", "-")] = v
		}
	}
	for name, v := range given {
		flag := c.Flags().Lookup(name)
		if flag == nil || flag.Changed || name == "config" || name == "data" && c.Flags().Changed("data") {
			continue
		}
		if v == "" && flag.Value.Type() == "stringArray" {
			continue
		}
		for _, one := range strings.Split(v, "\n") {
			if err := c.Flags().Set(name, one); err != nil {
				return usageError{fmt.Errorf("%s: %w", name, err)}
			}
		}
	}
	dir, err := dataDir(c)
	up.Data = dir
	return err
}

// readFile reads the settings of a configuration file as the flags of their
// names take them. A setting without a value is as if it were not there.
func readFile(c *cobra.Command, file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	raw := map[string]any{}
	if err := yaml.Unmarshal(text, &raw); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.New(yaml.FormatError(err, false, false))
	}
	given := map[string]string{}
	var wrong []string
	for name, v := range raw {
		flag := c.Flags().Lookup(name)
		switch {
		case flag == nil || name == "config" || name == "help":
			wrong = append(wrong, fmt.Sprintf("there is no setting %q", name))
		case v != nil:
			text, must := flagText(flag.Value.Type(), v)
			if must != "" {
				wrong = append(wrong, name+" must be "+must)
			}
			given[name] = text
		}
	}
	slices.Sort(wrong)
	if len(wrong) > 0 {
		return nil, errors.New(strings.Join(wrong, "; "))
	}
	return given, nil
}

// flagText writes a value of the file as a flag of the type takes it, lists one
// a line; must says what a value of another kind should have been.
func flagText(kind string, v any) (text, must string) {
	switch v := v.(type) {
	case bool:
		if kind == "bool" {
			return fmt.Sprint(v), ""
		}
	case int64, uint64:
		if kind == "int" {
			return fmt.Sprint(v), ""
		}
	case string:
		if kind == "string" && !strings.Contains(v, "\n") {
			return v, ""
		}
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			part, ok := item.(string)
			if !ok || kind != "stringArray" || strings.Contains(part, "\n") {
				return "", kinds[kind]
			}
			parts[i] = part
		}
		return strings.Join(parts, "\n"), ""
	}
	return "", kinds[kind]
}

// kinds says in words what a flag's type takes.
var kinds = map[string]string{"bool": "true or false", "int": "a whole number", "string": "a line of text (in quotes if it looks like something else)",
	"stringArray": "a list of texts"}

// dataDir is --data, MILLPOND_DATA, or millpond in the user's data home.
func dataDir(c *cobra.Command) (string, error) {
	dir, _ := c.Flags().GetString("data")
	if dir == "" {
		dir = os.Getenv("MILLPOND_DATA")
	}
	if dir == "" {
		home := os.Getenv("XDG_DATA_HOME")
		if home == "" {
			user, err := os.UserHomeDir()
			if err != nil {
				return "", errors.New("no home folder is known; give --data")
			}
			home = filepath.Join(user, ".local", "share")
		}
		dir = filepath.Join(home, "millpond")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(abs); err == nil && !info.IsDir() {
		return "", usageError{fmt.Errorf("%s is not a folder", abs)}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return abs, nil
}
