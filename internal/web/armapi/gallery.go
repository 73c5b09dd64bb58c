package armapi

import (
	"millpond/internal/gallery"
	"millpond/internal/web"
)

func (a *API) galleryRoutes() []web.Route {
	const all, one, p = computeOfGroup + "/galleries", computeOfGroup + "/galleries/{galleryName}", gallery.TypeGallery + "/"
	return []web.Route{
		{Operation: "GalleriesClient.List", Method: "GET", Pattern: computeOfSub + "/galleries", Action: p + "read", Status: 200, Handle: a.listGalleries},
		{Operation: "GalleriesClient.ListByResourceGroup", Method: "GET", Pattern: all, Action: p + "read", Status: 200, Handle: a.listGalleries},
		{Operation: "GalleriesClient.CreateOrUpdate", Method: "PUT", Pattern: one, Action: p + "write", Status: 201, Handle: a.putGallery},
		{Operation: "GalleriesClient.Get", Method: "GET", Pattern: one, Action: p + "read", Status: 200, Handle: a.getGallery},
		{Operation: "GalleriesClient.Delete", Method: "DELETE", Pattern: one, Action: p + "delete", Status: 202, Handle: a.remove(capsOperations, "galleries", "galleryName")},
	}
}

func (a *API) putGallery(c *web.Call) (web.Reply, error) {
	var body Gallery
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	if err := honour(&body, "properties.description", "properties.identifier.uniqueName", "properties.sharingProfile.permissions=Private"); err != nil {
		return web.Reply{}, err
	}
	spec := gallery.GallerySpec{ID: idOf(c, "galleries", "galleryName"), Location: value(body.Location), Tags: body.Tags}
	if body.Properties != nil {
		spec.Description = value(body.Properties.Description)
	}
	done, err := a.Compute.Images.PutGallery(c.Context(), spec)
	if err != nil {
		return web.Reply{}, err
	}
	return a.written(c, capsOperations, done.Created, done.Operation, galleryBody(done.Item)), nil
}

func (a *API) getGallery(c *web.Call) (web.Reply, error) {
	item, err := a.Compute.Images.GetGallery(c.Context(), idOf(c, "galleries", "galleryName"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, galleryBody(item)), nil
}

func (a *API) listGalleries(c *web.Call) (web.Reply, error) {
	items, err := a.Compute.Images.ListGalleries(c.Context(), under(c))
	return listed(items, err, galleryBody, func(g *Gallery) **string { return &g.ID })
}

func galleryBody(item gallery.Item[gallery.Gallery]) *Gallery {
	rec, g := item.Record, item.Body
	return &Gallery{
		ID: &rec.ID, Name: lastName(rec), Type: new(gallery.TypeGallery), Location: &rec.Location, Tags: orNone(rec.Tags),
		Properties: &GalleryProperties{
			Identifier: &GalleryIdentifier{UniqueName: &g.UniqueName}, Description: maybe[string](g.Description),
			ProvisioningState: new(GalleryProvisioningState(rec.State)),
		},
	}
}
