package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// catalogueEntry is an image as the admin API tells it.
type catalogueEntry struct {
	Publisher    string `json:"publisher"`
	Offer        string `json:"offer"`
	SKU          string `json:"sku"`
	Version      string `json:"version"`
	NodeAgentSKU string `json:"nodeAgentSku"`
	OSType       string `json:"osType"`
	Verification string `json:"verification"`
	Source       string `json:"source"`
	Alias        bool   `json:"alias"`
	Ready        bool   `json:"ready"` // unpacked or importable without a fetch
	Note         string `json:"note"`
}

func newImage() *cobra.Command {
	c := &cobra.Command{
		Use: "image", Short: "Look after the images pools and virtual machines can be made from", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newImageList(), newImageShow(), newImageImport())
	return c
}

func newImageList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the catalogue", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var got struct {
				Value []catalogueEntry `json:"value"`
			}
			if err := ask(c, http.MethodGet, "/images", nil, &got); err != nil {
				return err
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 2, 4, 2, ' ', 0)
			fmt.Fprintln(w, "IMAGE\tNODE AGENT SKU\tVERIFIED\tSOURCE")
			for _, e := range got.Value {
				fmt.Fprintf(w, "%s:%s:%s\t%s\t%s\t%s\n", e.Publisher, e.Offer, e.SKU, e.NodeAgentSKU, e.Verification, e.Source)
			}
			return w.Flush()
		},
	}
}

func newImageShow() *cobra.Command {
	return &cobra.Command{
		Use: "show PUBLISHER:OFFER:SKU", Short: "Show one image of the catalogue", Args: exactly(1, "PUBLISHER:OFFER:SKU"),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := imagePath(args[0])
			if err != nil {
				return err
			}
			var e catalogueEntry
			if err := ask(c, http.MethodGet, path, nil, &e); err != nil {
				return err
			}
			for _, line := range [][2]string{
				{"image", e.Publisher + ":" + e.Offer + ":" + e.SKU + ":" + e.Version},
				{"node agent SKU", e.NodeAgentSKU}, {"os", e.OSType}, {"verified", e.Verification},
				{"source", e.Source}, {"note", e.Note},
			} {
				if line[1] != "" {
					fmt.Fprintf(c.OutOrStdout(), "%-15s %s\n", line[0], line[1])
				}
			}
			return nil
		},
	}
}

func newImageImport() *cobra.Command {
	return &cobra.Command{
		Use:   "import PUBLISHER:OFFER:SKU SOURCE",
		Short: "Give an image of the catalogue a source and fetch it now",
		Long: `SOURCE is a root filesystem as a tar (plain, gzip or zstd), an OCI layout (folder
or tar), debootstrap:SUITE, or host. Pools and virtual machines that name the
image are made from it from now on.`,
		Args: exactly(2, "PUBLISHER:OFFER:SKU and SOURCE"),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := imagePath(args[0])
			if err != nil {
				return err
			}
			source := args[1]
			if source != "host" && !strings.HasPrefix(source, "debootstrap:") {
				if source, err = filepath.Abs(source); err != nil {
					return err
				}
				if _, err := os.Stat(source); err != nil {
					return err
				}
			}
			var e catalogueEntry
			if err := ask(c, http.MethodPut, path, map[string]string{"source": source}, &e); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s:%s:%s is served from %s\n", e.Publisher, e.Offer, e.SKU, e.Source)
			return nil
		},
	}
}

func imagePath(name string) (string, error) {
	parts := strings.Split(name, ":")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return "", usageError{fmt.Errorf("%q is not PUBLISHER:OFFER:SKU", name)}
	}
	return "/images/" + url.PathEscape(parts[0]) + "/" + url.PathEscape(parts[1]) + "/" + url.PathEscape(parts[2]), nil
}

// ask connects to the server of the data folder and makes one call.
func ask(c *cobra.Command, method, path string, in, out any) error {
	a, err := loadAdmin(c)
	if err != nil {
		return err
	}
	s, err := connect(c.Context(), a)
	if err != nil {
		return err
	}
	return s.call(c.Context(), method, path, in, out)
}
