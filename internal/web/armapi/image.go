package armapi

import (
	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/resource"
	"millpond/internal/web"
)

func (a *API) imageRoutes() []web.Route {
	const all, one, p = computeOfGroup + "/images", computeOfGroup + "/images/{imageName}", gallery.TypeImage + "/"
	return []web.Route{
		{Operation: "ImagesClient.List", Method: "GET", Pattern: computeOfSub + "/images", Action: p + "read", Status: 200, Handle: a.listImages},
		{Operation: "ImagesClient.ListByResourceGroup", Method: "GET", Pattern: all, Action: p + "read", Status: 200, Handle: a.listImages},
		{Operation: "ImagesClient.CreateOrUpdate", Method: "PUT", Pattern: one, Action: p + "write", Status: 201, Handle: a.putImage},
		{Operation: "ImagesClient.Get", Method: "GET", Pattern: one, Action: p + "read", Status: 200, Handle: a.getImage},
		{Operation: "ImagesClient.Delete", Method: "DELETE", Pattern: one, Action: p + "delete", Status: 202, Handle: a.remove(vmOperations, "images", "imageName")},
	}
}

var imageHonours = []string{
	"properties.hyperVGeneration", "properties.sourceVirtualMachine.id", "properties.storageProfile.zoneResilient",
	"properties.storageProfile.osDisk.osType", "properties.storageProfile.osDisk.osState", "properties.storageProfile.osDisk.caching",
	"properties.storageProfile.osDisk.storageAccountType", "properties.storageProfile.osDisk.diskSizeGB",
	"properties.storageProfile.osDisk.snapshot.id", "properties.storageProfile.osDisk.managedDisk.id",
}

func (a *API) putImage(c *web.Call) (web.Reply, error) {
	var body Image
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	if err := honour(&body, imageHonours...); err != nil {
		return web.Reply{}, err
	}
	if body.Properties == nil {
		return web.Reply{}, fault.Missing("properties.storageProfile")
	}
	p := body.Properties
	spec := gallery.ImageSpec{
		ID: idOf(c, "images", "imageName"), Location: value(body.Location), Tags: body.Tags, Generation: word(p.HyperVGeneration),
	}
	if p.SourceVirtualMachine != nil {
		spec.SourceVM = value(p.SourceVirtualMachine.ID)
	}
	if s := p.StorageProfile; s != nil {
		if len(s.DataDisks) > 0 {
			return web.Reply{}, unsupported("properties.storageProfile.dataDisks", "Data disks of images are not offered: machines have one disk.")
		}
		spec.ZoneResilient = yes(s.ZoneResilient)
		if d := s.OSDisk; d != nil {
			spec.OSType, spec.OSState, spec.Caching, spec.StorageType = word(d.OSType), word(d.OSState), word(d.Caching), word(d.StorageAccountType)
			switch {
			case d.Snapshot != nil && value(d.Snapshot.ID) != "":
				spec.SourceID, spec.SourceKind = value(d.Snapshot.ID), "snapshot"
			case d.ManagedDisk != nil:
				spec.SourceID, spec.SourceKind = value(d.ManagedDisk.ID), "managedDisk"
			}
		}
	}
	// An image read and sent back names its machine's disk too.
	if spec.SourceVM != "" {
		spec.SourceID = ""
	}
	if err := a.linked(c, spec.SourceVM, spec.SourceID); err != nil {
		return web.Reply{}, err
	}
	done, err := a.Compute.Images.PutImage(c.Context(), spec)
	if err != nil {
		return web.Reply{}, err
	}
	return a.written(c, vmOperations, done.Created, done.Operation, imageBody(done.Item)), nil
}

func (a *API) getImage(c *web.Call) (web.Reply, error) {
	item, err := a.Compute.Images.GetImage(c.Context(), idOf(c, "images", "imageName"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, imageBody(item)), nil
}

func (a *API) listImages(c *web.Call) (web.Reply, error) {
	items, err := a.Compute.Images.ListImages(c.Context(), under(c))
	return listed(items, err, imageBody, func(i *Image) **string { return &i.ID })
}

// imageBody is facts/wire.md 3.4 and 3.6.
func imageBody(item gallery.Item[gallery.Image]) *Image {
	rec, i := item.Record, item.Body
	disk := &ImageOSDisk{
		OSType: maybe[OperatingSystemTypes](i.OSType), OSState: maybe[OperatingSystemStateTypes](i.OSState),
		Caching: maybe[CachingTypes](i.Caching), StorageAccountType: maybe[StorageAccountTypes](i.StorageType),
	}
	if i.SourceKind == "snapshot" {
		disk.Snapshot = subResource(i.SourceID)
	} else {
		disk.ManagedDisk = subResource(i.SourceID)
	}
	if rec.State == resource.Succeeded {
		disk.DiskSizeGB = number(i.SizeGB)
	}
	return &Image{
		ID: &rec.ID, Name: lastName(rec), Type: new(gallery.TypeImage), Location: &rec.Location, Tags: orNone(rec.Tags),
		Properties: &ImageProperties{
			SourceVirtualMachine: subResource(i.SourceVM),
			StorageProfile:       &ImageStorageProfile{OSDisk: disk, DataDisks: []ImageDataDisk{}, ZoneResilient: new(i.Zones)},
			ProvisioningState:    &rec.State, HyperVGeneration: maybe[HyperVGenerationTypes](i.Generation),
		},
	}
}
