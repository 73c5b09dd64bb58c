package gallery

import (
	"context"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/layer"
	"millpond/internal/resource"
)

// Lineage is the catalogue reference an OS disk descends from. It decides the
// agent SKU and is inherited through disk, snapshot, image and version; the
// free text of a definition's identifier never does.
type Lineage struct {
	Publisher string `json:"publisher"`
	Offer     string `json:"offer"`
	SKU       string `json:"sku"`
	Version   string `json:"version"`
	AgentSKU  string `json:"agentSku"`
	OSType    string `json:"osType"` // Linux or Windows, as Resource Manager writes it
}

// Content is the bytes of a disk, snapshot or image: a stack of layers and
// what it descends from. An empty data disk has neither.
type Content struct {
	Lineage *Lineage    `json:"lineage,omitempty"`
	Stack   layer.Stack `json:"stack,omitempty"`
	// Generalized: captured from a machine that was generalized.
	Generalized bool `json:"generalized,omitempty"`
}

// Size in bytes of all the file contents of the layers.
func (c Content) Size() int64 {
	var n int64
	for _, l := range c.Stack {
		n += l.Unpacked
	}
	return n
}

// SizeGB rounds up, at least floor.
func (c Content) SizeGB(floor int) int {
	return max(floor, int((c.Size()+(1<<30)-1)>>30))
}

func lineageOf(e Entry) *Lineage {
	os := "Linux"
	if e.OSType == "windows" {
		os = "Windows"
	}
	return &Lineage{Publisher: e.Publisher, Offer: e.Offer, SKU: e.SKU, Version: e.Version, AgentSKU: e.AgentSKU, OSType: os}
}

// Plan is purchase terms of a Marketplace image.
type Plan struct {
	Name      string `json:"name"`
	Publisher string `json:"publisher"`
	Product   string `json:"product"`
}

// Origin names what a disk or machine is made from: exactly one is set.
type Origin struct {
	Reference *Reference // a Marketplace-style image
	ID        string     // gallery version, definition (latest), or managed image
}

// Original is an origin resolved.
type Original struct {
	Origin
	Exact   string // version, "" for managed images
	ID      string // of the version or image, as stored
	OSType  string // Linux or Windows
	Gen     string
	Lineage *Lineage
	State   string // Generalized or Specialized
	SizeGB  int
	Plan    *Plan
}

// Resolve finds what an origin means now, without making anything. region is
// the short name of where it is to be used.
func (g *Images) Resolve(ctx context.Context, o Origin, region string) (Original, error) {
	if o.Reference != nil {
		e, err := g.Catalogue.Resolve(*o.Reference)
		if err != nil {
			r := o.Reference
			return Original{}, fault.Newf("PlatformImageNotFound", "The platform image '%s:%s:%s:%s' is not available. Verify that all fields in the storage profile are correct. "+
				"For more details about storage profile information, please refer to https://aka.ms/storageprofile",
				r.Publisher, r.Offer, r.SKU, r.Version).With("target", "imageReference")
		}
		lineage := lineageOf(e)
		return Original{Origin: o, Exact: e.Version, OSType: lineage.OSType, Gen: e.Generation,
			Lineage: lineage, State: Generalized, SizeGB: 30}, nil
	}
	id, err := resource.ParseID(o.ID)
	if err != nil {
		return Original{}, err
	}
	if id.Is(TypeImage) {
		rec, img, err := get[Image](ctx, g, id)
		if err != nil {
			return Original{}, err
		}
		if rec.State != resource.Succeeded {
			return Original{}, notReady(id, rec.State)
		}
		return Original{Origin: o, ID: rec.ID, OSType: img.OSType, Gen: img.Generation, Lineage: img.Content.Lineage,
			State: img.OSState, SizeGB: img.SizeGB}, nil
	}
	rec, v, def, err := g.version(ctx, id, region)
	if err != nil {
		return Original{}, err
	}
	return Original{Origin: o, Exact: nameOf(rec), ID: rec.ID, OSType: def.OSType, Gen: def.Generation, Lineage: v.Content.Lineage,
		State: def.OSState, SizeGB: v.SizeGB, Plan: def.Plan}, nil
}

// Fetch gives the bytes of an origin that Resolve found, making a base image
// when it is its first use. It may take minutes: loops call it.
func (g *Images) Fetch(ctx context.Context, o Original) (Content, error) {
	if o.Reference != nil {
		return g.baseContent(ctx, Key(o.Lineage.Publisher, o.Lineage.Offer, o.Lineage.SKU))
	}
	id, err := resource.ParseID(o.ID)
	if err != nil {
		return Content{}, err
	}
	if id.Is(TypeImage) {
		_, img, err := get[Image](ctx, g, id)
		return img.Content, err
	}
	_, v, err := get[Version](ctx, g, id)
	return v.Content, err
}

func notReady(id resource.ID, state string) *fault.Error {
	return fault.Newf("Conflict", "The resource '%s' is in provisioning state '%s' and cannot be used as a source yet.", id, state)
}

func nameOf(rec resource.Record) string {
	return rec.ID[strings.LastIndexByte(rec.ID, '/')+1:]
}
