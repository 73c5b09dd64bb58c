package armapi

import (
	"strings"

	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/resource"
	"millpond/internal/web"
)

func (a *API) diskRoutes() []web.Route {
	const all, one, p = computeOfGroup + "/disks", computeOfGroup + "/disks/{diskName}", gallery.TypeDisk + "/"
	return []web.Route{
		{Operation: "DisksClient.List", Method: "GET", Pattern: computeOfSub + "/disks", Action: p + "read", Status: 200, Handle: a.listDisks},
		{Operation: "DisksClient.ListByResourceGroup", Method: "GET", Pattern: all, Action: p + "read", Status: 200, Handle: a.listDisks},
		{Operation: "DisksClient.CreateOrUpdate", Method: "PUT", Pattern: one, Action: p + "write", Status: 202, Handle: a.putDisk},
		{Operation: "DisksClient.Get", Method: "GET", Pattern: one, Action: p + "read", Status: 200, Handle: a.getDisk},
		{Operation: "DisksClient.Delete", Method: "DELETE", Pattern: one, Action: p + "delete", Status: 202, Handle: a.remove(diskOperations, "disks", "diskName")},
	}
}

var diskHonours = []string{
	"sku.name", "sku.tier", "zones", "managedBy",
	"properties.creationData.createOption", "properties.creationData.sourceResourceId", "properties.creationData.sourceUniqueId",
	"properties.creationData.imageReference.id", "properties.creationData.galleryImageReference.id",
	"properties.diskSizeGB", "properties.osType", "properties.hyperVGeneration", "properties.incremental",
	"properties.diskIOPSReadWrite", "properties.diskMBpsReadWrite", "properties.diskSizeBytes", "properties.diskState", "properties.tier",
	"properties.timeCreated", "properties.uniqueId", "properties.encryption.type=EncryptionAtRestWithPlatformKey",
	"properties.networkAccessPolicy=AllowAll", "properties.publicNetworkAccess=Enabled",
}

func (a *API) putDisk(c *web.Call) (web.Reply, error) {
	var body Disk
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	if err := honour(&body, diskHonours...); err != nil {
		return web.Reply{}, err
	}
	if body.Properties == nil {
		return web.Reply{}, fault.Missing("properties.creationData")
	}
	p := body.Properties
	spec := gallery.DiskSpec{
		ID: idOf(c, "disks", "diskName"), Location: value(body.Location), Tags: body.Tags, Zones: body.Zones,
		OSType: word(p.OSType), Generation: word(p.HyperVGeneration), SizeGB: count(p.DiskSizeGB),
	}
	if body.SKU != nil {
		spec.SKU = word(body.SKU.Name)
	}
	if d := p.CreationData; d != nil {
		spec.Option, spec.SourceID = word(d.CreateOption), value(d.SourceResourceID)
		image := ""
		if d.ImageReference != nil {
			image = value(d.ImageReference.ID)
		}
		if d.GalleryImageReference != nil {
			image = value(d.GalleryImageReference.ID)
		}
		if image != "" {
			var err error
			if spec.Origin, err = originOf(image); err != nil {
				return web.Reply{}, err
			}
		}
	}
	if err := a.linked(c, spec.SourceID, spec.Origin.ID); err != nil {
		return web.Reply{}, err
	}
	done, err := a.Compute.Images.PutDisk(c.Context(), spec)
	if err != nil {
		return web.Reply{}, err
	}
	if done.Operation == nil {
		return web.Reply{Status: 200, Body: diskBody(done.Item)}, nil
	}
	return a.accepted(c, 202, diskOperations, *done.Operation, diskBody(done.Item)), nil
}

// originOf reads an image's id: a platform image's stands below a location.
func originOf(text string) (gallery.Origin, error) {
	id, err := resource.ParseID(text)
	if err != nil {
		return gallery.Origin{}, err
	}
	if id.Is(computeNamespace + "/Locations/Publishers/ArtifactTypes/Offers/Skus/Versions") {
		n := id.Names
		return gallery.Origin{Reference: &gallery.Reference{Publisher: n[1], Offer: n[3], SKU: n[4], Version: n[5]}}, nil
	}
	return gallery.Origin{ID: text}, nil
}

func (a *API) getDisk(c *web.Call) (web.Reply, error) {
	item, err := a.Compute.Images.GetDisk(c.Context(), idOf(c, "disks", "diskName"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, diskBody(item)), nil
}

func (a *API) listDisks(c *web.Call) (web.Reply, error) {
	items, err := a.Compute.Images.ListDisks(c.Context(), under(c))
	return listed(items, err, diskBody, func(d *Disk) **string { return &d.ID })
}

// diskBody is facts/wire.md 3.4; what Azure fills in appears when the disk is
// whole.
func diskBody(item gallery.Item[gallery.Disk]) *Disk {
	rec, d := item.Record, item.Body
	b := &Disk{
		ID: &rec.ID, Name: lastName(rec), Type: new(gallery.TypeDisk), Location: &rec.Location, Tags: orNone(rec.Tags),
		SKU: &DiskSKU{Name: maybe[DiskStorageAccountTypes](d.SKU)}, Zones: d.Zones, ManagedBy: maybe[string](d.ManagedBy),
		Properties: &DiskProperties{
			CreationData: creationBody(rec, d.Creation), DiskSizeGB: number(d.SizeGB), OSType: maybe[OperatingSystemTypes](d.OSType),
			HyperVGeneration: maybe[HyperVGeneration](d.Generation), ProvisioningState: new(stateOf(rec)),
		},
	}
	if rec.State != resource.Succeeded {
		return b
	}
	state := "Unattached"
	if d.ManagedBy != "" {
		state = "Attached"
	}
	b.SKU.Tier = new(tierOf(d.SKU))
	p := b.Properties
	p.DiskIOPSReadWrite, p.DiskMBpsReadWrite = new(int64(500)), new(int64(60))
	p.Encryption = &Encryption{Type: new(EncryptionType("EncryptionAtRestWithPlatformKey"))}
	p.NetworkAccessPolicy, p.PublicNetworkAccess = new(NetworkAccessPolicy("AllowAll")), new(PublicNetworkAccess("Enabled"))
	p.TimeCreated, p.DiskState = instant(rec.Created), new(DiskState(state))
	p.DiskSizeBytes, p.UniqueID = new(int64(d.SizeGB)<<30), &rec.UID
	return b
}

func creationBody(rec resource.Record, c gallery.Creation) *CreationData {
	b := &CreationData{CreateOption: maybe[DiskCreateOption](c.Option), SourceResourceID: maybe[string](c.SourceID), SourceUniqueID: maybe[string](c.SourceUID)}
	if id, err := resource.ParseID(rec.ID); err == nil && c.Reference != "" {
		parts := strings.Split(c.Reference, ":") // publisher, offer, SKU, version
		b.ImageReference = &ImageDiskReference{ID: new(imageID(id.Subscription, rec.Location, parts[0], "VMImage", parts[1], parts[2], parts[3]))}
	}
	if c.ImageID != "" {
		b.GalleryImageReference = &ImageDiskReference{ID: &c.ImageID}
	}
	return b
}

func tierOf(sku string) string {
	if len(sku) > 7 && sku[:7] == "Premium" {
		return "Premium"
	}
	return "Standard"
}

// stateOf is provisioningState as disks and snapshots say it: they are Updating
// while they are made.
func stateOf(rec resource.Record) string {
	if rec.State == resource.Creating {
		return resource.Updating
	}
	return rec.State
}
