package armapi

import (
	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/resource"
	"millpond/internal/web"
)

func (a *API) snapshotRoutes() []web.Route {
	const all, one, p = computeOfGroup + "/snapshots", computeOfGroup + "/snapshots/{snapshotName}", gallery.TypeSnapshot + "/"
	return []web.Route{
		{Operation: "SnapshotsClient.List", Method: "GET", Pattern: computeOfSub + "/snapshots", Action: p + "read", Status: 200, Handle: a.listSnapshots},
		{Operation: "SnapshotsClient.ListByResourceGroup", Method: "GET", Pattern: all, Action: p + "read", Status: 200, Handle: a.listSnapshots},
		{Operation: "SnapshotsClient.CreateOrUpdate", Method: "PUT", Pattern: one, Action: p + "write", Status: 202, Handle: a.putSnapshot},
		{Operation: "SnapshotsClient.Get", Method: "GET", Pattern: one, Action: p + "read", Status: 200, Handle: a.getSnapshot},
		{Operation: "SnapshotsClient.Delete", Method: "DELETE", Pattern: one, Action: p + "delete", Status: 202, Handle: a.remove(diskOperations, "snapshots", "snapshotName")},
	}
}

func (a *API) putSnapshot(c *web.Call) (web.Reply, error) {
	var body Snapshot
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	if err := honour(&body, diskHonours...); err != nil {
		return web.Reply{}, err
	}
	if body.Properties == nil || body.Properties.CreationData == nil {
		return web.Reply{}, fault.Missing("properties.creationData")
	}
	p := body.Properties
	spec := gallery.SnapshotSpec{
		ID: idOf(c, "snapshots", "snapshotName"), Location: value(body.Location), Tags: body.Tags,
		OSType: word(p.OSType), Generation: word(p.HyperVGeneration), Incremental: yes(p.Incremental),
		Option: word(p.CreationData.CreateOption), SourceID: value(p.CreationData.SourceResourceID),
	}
	if body.SKU != nil {
		spec.SKU = word(body.SKU.Name)
	}
	if err := a.linked(c, spec.SourceID); err != nil {
		return web.Reply{}, err
	}
	done, err := a.Compute.Images.PutSnapshot(c.Context(), spec)
	if err != nil {
		return web.Reply{}, err
	}
	if done.Operation == nil {
		return web.Reply{Status: 200, Body: snapshotBody(done.Item)}, nil
	}
	return a.accepted(c, 202, diskOperations, *done.Operation, snapshotBody(done.Item)), nil
}

func (a *API) getSnapshot(c *web.Call) (web.Reply, error) {
	item, err := a.Compute.Images.GetSnapshot(c.Context(), idOf(c, "snapshots", "snapshotName"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, snapshotBody(item)), nil
}

func (a *API) listSnapshots(c *web.Call) (web.Reply, error) {
	items, err := a.Compute.Images.ListSnapshots(c.Context(), under(c))
	return listed(items, err, snapshotBody, func(s *Snapshot) **string { return &s.ID })
}

// snapshotBody is facts/wire.md 3.6.
func snapshotBody(item gallery.Item[gallery.Snapshot]) *Snapshot {
	rec, s := item.Record, item.Body
	b := &Snapshot{
		ID: &rec.ID, Name: lastName(rec), Type: new(gallery.TypeSnapshot), Location: &rec.Location, Tags: orNone(rec.Tags),
		SKU: &SnapshotSKU{Name: maybe[SnapshotStorageAccountTypes](s.SKU)},
		Properties: &SnapshotProperties{
			CreationData: creationBody(rec, s.Creation), OSType: maybe[OperatingSystemTypes](s.OSType), HyperVGeneration: maybe[HyperVGeneration](s.Generation),
			Incremental: new(s.Incremental), ProvisioningState: new(stateOf(rec)),
		},
	}
	if rec.State != resource.Succeeded {
		return b
	}
	b.SKU.Tier = new(tierOf(s.SKU))
	p := b.Properties
	p.DiskSizeGB = number(s.SizeGB)
	p.Encryption = &Encryption{Type: new(EncryptionType("EncryptionAtRestWithPlatformKey"))}
	p.NetworkAccessPolicy, p.PublicNetworkAccess = new(NetworkAccessPolicy("AllowAll")), new(PublicNetworkAccess("Enabled"))
	p.TimeCreated, p.DiskState = instant(rec.Created), new(DiskState("Unattached"))
	p.DiskSizeBytes, p.UniqueID = new(int64(s.SizeGB)<<30), &rec.UID
	return b
}
