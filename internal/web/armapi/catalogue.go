package armapi

import (
	"encoding/json"
	"strconv"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/resource"
	"millpond/internal/web"
)

// The Marketplace as `az vm image` and `az vm create` walk it: publishers,
// offers, SKUs, versions. Answers are bare arrays.
func (a *API) catalogueRoutes() []web.Route {
	const publishers = computeOfSub + "/locations/{location}/publishers"
	const offers = publishers + "/{publisherName}/artifacttypes/vmimage/offers"
	const skus, versions = offers + "/{offer}/skus", offers + "/{offer}/skus/{skus}/versions"
	const p = "Microsoft.Compute/locations/publishers/"
	return []web.Route{
		{Operation: "VirtualMachineImagesClient.ListPublishers", Method: "GET", Pattern: publishers, Action: p + "read", Status: 200, Handle: a.listPublishers},
		{Operation: "VirtualMachineImagesClient.ListOffers", Method: "GET", Pattern: offers, Action: p + "artifacttypes/offers/read", Status: 200, Handle: a.listOffers},
		{Operation: "VirtualMachineImagesClient.ListSKUs", Method: "GET", Pattern: skus, Action: p + "artifacttypes/offers/skus/read", Status: 200, Handle: a.listImageSKUs},
		{Operation: "VirtualMachineImagesClient.List", Method: "GET", Pattern: versions, Action: p + "artifacttypes/offers/skus/versions/read", Status: 200, Handle: a.listImageVersions},
		{Operation: "VirtualMachineImagesClient.Get", Method: "GET", Pattern: versions + "/{version}", Action: p + "artifacttypes/offers/skus/versions/read", Status: 200, Handle: a.getImageVersion},
	}
}

// entries are those of the catalogue the path speaks of, with the region.
func (a *API) entries(c *web.Call) ([]gallery.Entry, string, error) {
	where, err := a.location(c)
	var out []gallery.Entry
	for _, e := range a.Compute.Images.Catalogue.Entries() {
		if matches(c, "publisherName", e.Publisher) && matches(c, "offer", e.Offer) && matches(c, "skus", e.SKU) {
			out = append(out, e)
		}
	}
	if err == nil && len(out) == 0 {
		err = fault.Newf("NotFound", "Artifact: VMImage was not found.")
	}
	return out, where, err
}

func matches(c *web.Call, param, have string) bool {
	asked := c.Param(param)
	return asked == "" || strings.EqualFold(asked, have)
}

// imageID is a platform image's id, as deep as parts go.
func imageID(subscription, where string, parts ...string) string {
	id := resource.ID{Subscription: subscription}.In(computeNamespace).Child("Locations", where)
	for i, typ := range []string{"Publishers", "ArtifactTypes", "Offers", "Skus", "Versions"} {
		if i < len(parts) {
			id = id.Child(typ, parts[i])
		}
	}
	return id.String()
}

// named answers the distinct values one step below the path.
func (a *API) named(c *web.Call, field func(gallery.Entry) string, path func(gallery.Entry) []string) (web.Reply, error) {
	entries, where, err := a.entries(c)
	if err != nil {
		return web.Reply{}, err
	}
	var out []VirtualMachineImageResource
	seen := map[string]bool{}
	for _, e := range entries {
		name := field(e)
		if seen[resource.Fold(name)] {
			continue
		}
		seen[resource.Fold(name)] = true
		out = append(out, VirtualMachineImageResource{ID: new(imageID(c.Param("subscriptionId"), where, path(e)...)), Name: &name, Location: &where})
	}
	return array(out)
}

// array is a body that is a bare array, which the toolbox's lists are not.
func array[T any](items []T) (web.Reply, error) {
	if items == nil {
		items = []T{}
	}
	raw, err := json.Marshal(items)
	return web.Reply{Body: json.RawMessage(raw)}, err
}

func (a *API) listPublishers(c *web.Call) (web.Reply, error) {
	return a.named(c, func(e gallery.Entry) string { return e.Publisher }, func(e gallery.Entry) []string { return []string{e.Publisher} })
}

func (a *API) listOffers(c *web.Call) (web.Reply, error) {
	return a.named(c, func(e gallery.Entry) string { return e.Offer }, func(e gallery.Entry) []string { return []string{e.Publisher, "VMImage", e.Offer} })
}

func (a *API) listImageSKUs(c *web.Call) (web.Reply, error) {
	return a.named(c, func(e gallery.Entry) string { return e.SKU }, func(e gallery.Entry) []string { return []string{e.Publisher, "VMImage", e.Offer, e.SKU} })
}

// listImageVersions: the catalogue has one version of each image, so that any
// order and any $top of one or more is the same list.
func (a *API) listImageVersions(c *web.Call) (web.Reply, error) {
	if top := c.Query("$top"); top != "" {
		if n, err := strconv.Atoi(top); err != nil || n < 0 {
			return web.Reply{}, web.QueryFault("$top", top, "The value must be a whole number from 0 on")
		} else if n == 0 {
			return array[VirtualMachineImageResource](nil)
		}
	}
	return a.named(c, func(e gallery.Entry) string { return e.Version }, func(e gallery.Entry) []string {
		return []string{e.Publisher, "VMImage", e.Offer, e.SKU, e.Version}
	})
}

func (a *API) getImageVersion(c *web.Call) (web.Reply, error) {
	entries, where, err := a.entries(c)
	if err != nil {
		return web.Reply{}, err
	}
	e := entries[0]
	if v := c.Param("version"); !strings.EqualFold(v, "latest") && v != e.Version {
		return web.Reply{}, fault.Newf("NotFound", "Artifact: VMImage was not found.")
	}
	system := "Linux"
	if e.OSType == "windows" {
		system = "Windows"
	}
	return web.Entity("", 0, &VirtualMachineImage{
		ID: new(imageID(c.Param("subscriptionId"), where, e.Publisher, "VMImage", e.Offer, e.SKU, e.Version)), Name: &e.Version, Location: &where,
		Properties: &VirtualMachineImageProperties{
			Architecture: new(ArchitectureTypes("x64")), HyperVGeneration: maybe[HyperVGenerationTypes](e.Generation),
			OSDiskImage: &OSDiskImage{OperatingSystem: new(OperatingSystemTypes(system))}, DataDiskImages: []DataDiskImage{},
		},
	}), nil
}
