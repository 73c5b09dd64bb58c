package armapi

import (
	"encoding/json"

	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/resource"
	"millpond/internal/web"
)

func (a *API) definitionRoutes() []web.Route {
	const all, one, p = computeOfGroup + "/galleries/{galleryName}/images", computeOfGroup + "/galleries/{galleryName}/images/{galleryImageName}", gallery.TypeDefinition + "/"
	return []web.Route{
		{Operation: "GalleryImagesClient.ListByGallery", Method: "GET", Pattern: all, Action: p + "read", Status: 200, Handle: a.listDefinitions},
		{Operation: "GalleryImagesClient.CreateOrUpdate", Method: "PUT", Pattern: one, Action: p + "write", Status: 201, Handle: a.putDefinition},
		{Operation: "GalleryImagesClient.Get", Method: "GET", Pattern: one, Action: p + "read", Status: 200, Handle: a.getDefinition},
		{Operation: "GalleryImagesClient.Delete", Method: "DELETE", Pattern: one, Action: p + "delete", Status: 202,
			Handle: a.remove(capsOperations, "galleries", "galleryName", "images", "galleryImageName")},
	}
}

var definitionHonours = []string{
	"properties.hyperVGeneration", "properties.features.name", "properties.features.value", "properties.osType", "properties.osState",
	"properties.identifier.*", "properties.description", "properties.architecture", "properties.disallowed.*", "properties.endOfLifeDate",
	"properties.eula", "properties.privacyStatementUri", "properties.purchasePlan.*", "properties.recommended.*", "properties.releaseNoteUri",
}

func (a *API) putDefinition(c *web.Call) (web.Reply, error) {
	var body GalleryImage
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	if err := honour(&body, definitionHonours...); err != nil {
		return web.Reply{}, err
	}
	if body.Properties == nil {
		return web.Reply{}, fault.Missing("properties.identifier")
	}
	p := body.Properties
	spec := gallery.DefinitionSpec{
		ID: idOf(c, "galleries", "galleryName", "images", "galleryImageName"), Location: value(body.Location), Tags: body.Tags,
		Definition: gallery.Definition{
			OSType: word(p.OSType), OSState: word(p.OSState), Generation: word(p.HyperVGeneration), Architecture: word(p.Architecture),
			Description: value(p.Description), EULA: value(p.Eula), Privacy: value(p.PrivacyStatementURI), ReleaseNote: value(p.ReleaseNoteURI),
			EndOfLife: ticks(p.EndOfLifeDate),
		},
	}
	if i := p.Identifier; i != nil {
		spec.Publisher, spec.Offer, spec.SKU = value(i.Publisher), value(i.Offer), value(i.SKU)
	}
	for _, f := range p.Features {
		spec.Features = append(spec.Features, gallery.Feature{Name: value(f.Name), Value: value(f.Value)})
	}
	if p.Disallowed != nil {
		spec.Disallowed = p.Disallowed.DiskTypes
	}
	if plan := p.PurchasePlan; plan != nil {
		spec.Plan = &gallery.Plan{Name: value(plan.Name), Publisher: value(plan.Publisher), Product: value(plan.Product)}
	}
	if p.Recommended != nil {
		raw, err := json.Marshal(p.Recommended)
		if err != nil {
			return web.Reply{}, err
		}
		spec.Recommended = raw
	}
	done, err := a.Compute.Images.PutDefinition(c.Context(), spec)
	if err != nil {
		return web.Reply{}, err
	}
	return a.written(c, capsOperations, done.Created, done.Operation, definitionBody(done.Item)), nil
}

func (a *API) getDefinition(c *web.Call) (web.Reply, error) {
	item, err := a.Compute.Images.GetDefinition(c.Context(), idOf(c, "galleries", "galleryName", "images", "galleryImageName"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, definitionBody(item)), nil
}

// listDefinitions of a gallery that is missing is 404, not an empty list.
func (a *API) listDefinitions(c *web.Call) (web.Reply, error) {
	id := idOf(c, "galleries", "galleryName")
	if _, err := a.Compute.Images.GetGallery(c.Context(), id); err != nil {
		return web.Reply{}, err
	}
	items, err := a.Compute.Images.ListDefinitions(c.Context(), id.String())
	return listed(items, err, definitionBody, func(d *GalleryImage) **string { return &d.ID })
}

func definitionBody(item gallery.Item[gallery.Definition]) *GalleryImage {
	rec, d := item.Record, item.Body
	p := &GalleryImageProperties{
		HyperVGeneration: maybe[HyperVGeneration](d.Generation), OSType: maybe[OperatingSystemTypes](d.OSType), OSState: maybe[OperatingSystemStateTypes](d.OSState),
		Identifier:        &GalleryImageIdentifier{Publisher: &d.Publisher, Offer: &d.Offer, SKU: &d.SKU},
		ProvisioningState: new(GalleryProvisioningState(rec.State)), Description: maybe[string](d.Description), Architecture: maybe[Architecture](d.Architecture),
		EndOfLifeDate: instant(d.EndOfLife), Eula: maybe[string](d.EULA), PrivacyStatementURI: maybe[string](d.Privacy), ReleaseNoteURI: maybe[string](d.ReleaseNote),
	}
	for _, f := range d.Features {
		p.Features = append(p.Features, GalleryImageFeature{Name: new(f.Name), Value: new(f.Value)})
	}
	if len(d.Disallowed) > 0 {
		p.Disallowed = &Disallowed{DiskTypes: d.Disallowed} // an empty one is dropped (facts/wire.md 3.4)
	}
	if d.Plan != nil {
		p.PurchasePlan = &ImagePurchasePlan{Name: &d.Plan.Name, Publisher: &d.Plan.Publisher, Product: &d.Plan.Product}
	}
	if len(d.Recommended) > 0 {
		var r RecommendedMachineConfiguration
		if json.Unmarshal(d.Recommended, &r) == nil {
			p.Recommended = &r
		}
	}
	return &GalleryImage{
		ID: &rec.ID, Name: lastName(rec), Type: new(gallery.TypeDefinition), Location: &rec.Location, Tags: orNone(rec.Tags), Properties: p,
	}
}

// whole reports whether the last operation on a resource ended well.
func whole(rec resource.Record) bool { return rec.State == resource.Succeeded }
