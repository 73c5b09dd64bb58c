package gallery

import (
	"bufio"
	"context"
	"os"
	"slices"
	"strings"
	"sync"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Reference is a Marketplace-style image reference as a client sends it.
type Reference struct {
	Publisher, Offer, SKU string
	Version               string // "" means latest
}

// Listed is an entry as this deployment offers it.
type Listed struct {
	Entry
	Alias    string // the source given by hand, "" when none
	Verified bool   // can be made here at once, or is made already
	Missing  string // why it is not verified
}

// Key folds publisher, offer and SKU into one name.
func Key(publisher, offer, sku string) string {
	return resource.Fold(publisher + ":" + offer + ":" + sku)
}

// Catalogue is the list of Marketplace-style images and where each comes from.
type Catalogue struct {
	store   resource.Store
	clock   resource.Clock
	offline bool
	entries []Entry // ordered by publisher, offer, SKU (facts/wire.md 2.6)

	making sync.Mutex // one base is made at a time: two cores, one network
}

func newCatalogue(store resource.Store, clock resource.Clock, offline bool) *Catalogue {
	entries := append(slices.Clone(builtin), hostEntry("/etc/os-release"))
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Key(), b.Key()) })
	return &Catalogue{store: store, clock: clock, offline: offline, entries: entries}
}

// hostEntry is the machine this process runs on, under its own name.
func hostEntry(osRelease string) Entry {
	id, version := "linux", "0"
	if f, err := os.Open(osRelease); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), "=")
			switch value = strings.Trim(value, `"'`); name {
			case "ID":
				id = value
			case "VERSION_ID":
				version = value
			}
		}
	}
	return Entry{
		Publisher: "millpond", Offer: "host", SKU: id + "-" + version, Version: "1.0.0",
		AgentSKU: "batch.node." + id + " " + version, OSType: "linux", Generation: "V1", Source: SourceHost,
	}
}

// Entries is the catalogue without regard to aliases and availability.
func (c *Catalogue) Entries() []Entry { return c.entries }

// Entry finds a line by key.
func (c *Catalogue) Entry(key string) (Entry, bool) {
	for _, e := range c.entries {
		if e.Key() == resource.Fold(key) {
			return e, true
		}
	}
	return Entry{}, false
}

// List gives every entry in order with its alias and whether it can be had.
func (c *Catalogue) List(ctx context.Context) ([]Listed, error) {
	states, err := c.states(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Listed, 0, len(c.entries))
	for _, e := range c.entries {
		list = append(list, c.listed(e, states[e.Key()]))
	}
	return list, nil
}

func (c *Catalogue) listed(e Entry, s entryState) Listed {
	l := Listed{Entry: e, Alias: s.Alias}
	source, made := s.source(e)
	switch {
	case e.OSType == "windows":
		l.Missing = "no provider of this deployment runs Windows"
	case made:
		l.Verified = true
	case source == "":
		l.Missing = "it has no source; give it one with an alias"
	default:
		src, err := ParseSource(source)
		if err != nil {
			l.Missing = "its source " + source + " is not valid"
			break
		}
		l.Missing = src.missing(c.offline)
		l.Verified = l.Missing == ""
	}
	return l
}

// Resolve finds the entry a reference means. The error is Azure's
// InvalidPropertyValue for imageReference (facts/wire.md 1.7).
func (c *Catalogue) Resolve(ref Reference) (Entry, error) {
	e, ok := c.Entry(Key(ref.Publisher, ref.Offer, ref.SKU))
	if !ok {
		return Entry{}, fault.Property("imageReference", "", "The specified imageReference with publisher "+
			ref.Publisher+" offer "+ref.Offer+" sku "+ref.SKU+" is not supported.")
	}
	if ref.Version != "" && !strings.EqualFold(ref.Version, "latest") && ref.Version != e.Version {
		return Entry{}, fault.Property("imageReference", "", "The specified imageReference with publisher "+
			ref.Publisher+" offer "+ref.Offer+" sku "+ref.SKU+" version "+ref.Version+" is not supported.")
	}
	return e, nil
}

// ResolveFor is Resolve with the rule that the agent SKU must be the entry's.
func (c *Catalogue) ResolveFor(ref Reference, agentSKU string) (Entry, error) {
	e, err := c.Resolve(ref)
	if err != nil {
		return e, err
	}
	return e, checkAgent(agentSKU, e.AgentSKU, "imageReference with publisher "+ref.Publisher+" offer "+ref.Offer+" sku "+ref.SKU)
}

// checkAgent names both sides of a mismatch: the document's sample asks for
// one SKU on whatever base the reader has.
func checkAgent(asked, fits, image string) error {
	if strings.EqualFold(asked, fits) {
		return nil
	}
	return fault.Property("nodeAgentSKUId", asked, "The specified nodeAgentSKUId "+asked+" does not match the "+image+
		": the node agent SKU of its base image is "+fits+".")
}
