package armapi

import (
	"strings"

	"millpond/internal/gallery"
	"millpond/internal/web"
)

func (a *API) versionRoutes() []web.Route {
	const all = computeOfGroup + "/galleries/{galleryName}/images/{galleryImageName}/versions"
	const one, p = all + "/{galleryImageVersionName}", gallery.TypeVersion + "/"
	return []web.Route{
		{Operation: "GalleryImageVersionsClient.ListByGalleryImage", Method: "GET", Pattern: all, Action: p + "read", Status: 200, Handle: a.listVersions},
		{Operation: "GalleryImageVersionsClient.CreateOrUpdate", Method: "PUT", Pattern: one, Action: p + "write", Status: 201, Handle: a.putVersion},
		{Operation: "GalleryImageVersionsClient.Get", Method: "GET", Pattern: one, Action: p + "read", Status: 200, Handle: a.getVersion},
		{Operation: "GalleryImageVersionsClient.Delete", Method: "DELETE", Pattern: one, Action: p + "delete", Status: 202,
			Handle: a.remove(capsOperations, versionPairs...)},
	}
}

var versionPairs = []string{"galleries", "galleryName", "images", "galleryImageName", "versions", "galleryImageVersionName"}

var versionHonours = []string{
	"properties.publishingProfile.endOfLifeDate", "properties.publishingProfile.excludeFromLatest", "properties.publishingProfile.replicaCount",
	"properties.publishingProfile.replicationMode=Full", "properties.publishingProfile.storageAccountType", "properties.publishingProfile.publishedDate",
	"properties.publishingProfile.targetRegions.name", "properties.publishingProfile.targetRegions.regionalReplicaCount",
	"properties.publishingProfile.targetRegions.storageAccountType", "properties.publishingProfile.targetRegions.excludeFromLatest",
	"properties.storageProfile.source.id", "properties.storageProfile.source.virtualMachineId",
	"properties.storageProfile.osDiskImage.source.id", "properties.storageProfile.osDiskImage.hostCaching", "properties.storageProfile.osDiskImage.sizeInGB",
	"properties.safetyProfile.allowDeletionOfReplicatedLocations", "properties.safetyProfile.reportedForPolicyViolation",
	"properties.replicationStatus.*",
}

func (a *API) putVersion(c *web.Call) (web.Reply, error) {
	var body GalleryImageVersion
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	if err := honour(&body, versionHonours...); err != nil {
		return web.Reply{}, err
	}
	spec := gallery.VersionSpec{ID: idOf(c, versionPairs...), Location: value(body.Location), Tags: body.Tags}
	if p := body.Properties; p != nil {
		if p.StorageProfile != nil {
			if err := sourceOf(p.StorageProfile, &spec); err != nil {
				return web.Reply{}, err
			}
		}
		if p.PublishingProfile != nil {
			publishing(p.PublishingProfile, &spec)
		}
		if p.SafetyProfile != nil {
			spec.AllowDeletion = yes(p.SafetyProfile.AllowDeletionOfReplicatedLocations)
		}
	}
	if err := a.linked(c, spec.SourceID); err != nil {
		return web.Reply{}, err
	}
	done, err := a.Compute.Images.PutVersion(c.Context(), spec)
	if err != nil {
		return web.Reply{}, err
	}
	return a.written(c, capsOperations, done.Created, done.Operation, versionBody(done.Item)), nil
}

// sourceOf finds the one source among the places it may stand in.
func sourceOf(s *GalleryImageVersionStorageProfile, spec *gallery.VersionSpec) error {
	if len(s.DataDiskImages) > 0 {
		return unsupported("properties.storageProfile.dataDiskImages", "Data disks of images are not offered: machines have one disk.")
	}
	if s.Source != nil {
		spec.SourceKind, spec.SourceID = gallery.SourceOfImage, value(s.Source.ID)
		if vm := value(s.Source.VirtualMachineID); vm != "" {
			spec.SourceKind, spec.SourceID = gallery.SourceOfMachine, vm
		}
	}
	if d := s.OSDiskImage; d != nil {
		spec.Caching = word(d.HostCaching)
		if d.Source != nil && value(d.Source.ID) != "" && spec.SourceID == "" {
			spec.SourceKind, spec.SourceID = gallery.SourceOfDisk, value(d.Source.ID)
		}
	}
	return nil
}

func publishing(p *GalleryImageVersionPublishingProfile, spec *gallery.VersionSpec) {
	spec.ReplicaCount, spec.StorageType, spec.Excluded = count(p.ReplicaCount), word(p.StorageAccountType), yes(p.ExcludeFromLatest)
	spec.EndOfLife, spec.Mode = ticks(p.EndOfLifeDate), word(p.ReplicationMode)
	for _, r := range p.TargetRegions {
		spec.Regions = append(spec.Regions, gallery.TargetRegion{
			Name: value(r.Name), Count: count(r.RegionalReplicaCount), StorageType: word(r.StorageAccountType), Excluded: yes(r.ExcludeFromLatest),
		})
	}
}

// getVersion shows replicationStatus only to who asks for it.
func (a *API) getVersion(c *web.Call) (web.Reply, error) {
	item, err := a.Compute.Images.GetVersion(c.Context(), idOf(c, versionPairs...))
	if err != nil {
		return web.Reply{}, err
	}
	body := versionBody(item)
	for expand := range strings.SplitSeq(c.Query("$expand"), ",") {
		if strings.EqualFold(strings.TrimSpace(expand), "ReplicationStatus") {
			body.Properties.ReplicationStatus = replicationBody(item.Body.Status())
		}
	}
	return web.Entity("", 0, body), nil
}

func (a *API) listVersions(c *web.Call) (web.Reply, error) {
	id := idOf(c, versionPairs[:4]...)
	if _, err := a.Compute.Images.GetDefinition(c.Context(), id); err != nil {
		return web.Reply{}, err
	}
	items, err := a.Compute.Images.ListVersions(c.Context(), id.String())
	return listed(items, err, versionBody, func(v *GalleryImageVersion) **string { return &v.ID })
}

// versionBody is facts/wire.md 3.4 and 3.6: the disk image appears when the
// operation has ended.
func versionBody(item gallery.Item[gallery.Version]) *GalleryImageVersion {
	rec, v := item.Record, item.Body
	pub := &GalleryImageVersionPublishingProfile{
		ReplicaCount: number(v.ReplicaCount), ExcludeFromLatest: new(v.Excluded), PublishedDate: instant(v.Published),
		StorageAccountType: maybe[StorageAccountType](v.StorageType), EndOfLifeDate: instant(v.EndOfLife), ReplicationMode: maybe[ReplicationMode](v.Mode),
	}
	for _, r := range v.Regions {
		t := TargetRegion{Name: new(r.Name), RegionalReplicaCount: number(r.Count), StorageAccountType: maybe[StorageAccountType](r.StorageType)}
		if r.Excluded {
			t.ExcludeFromLatest = new(true)
		}
		pub.TargetRegions = append(pub.TargetRegions, t)
	}
	storage := &GalleryImageVersionStorageProfile{Source: &GalleryArtifactVersionFullSource{}}
	switch v.SourceKind {
	case gallery.SourceOfMachine:
		storage.Source.VirtualMachineID = &v.SourceID
	case gallery.SourceOfDisk:
		storage.Source = nil
	default:
		storage.Source.ID = &v.SourceID
	}
	if whole(rec) || v.SourceKind == gallery.SourceOfDisk {
		storage.OSDiskImage = &GalleryOSDiskImage{HostCaching: maybe[HostCaching](v.Caching), Source: &GalleryDiskImageSource{}}
		if v.SourceKind == gallery.SourceOfDisk {
			storage.OSDiskImage.Source.ID = &v.SourceID
		}
		if whole(rec) {
			storage.OSDiskImage.SizeInGB = number(v.SizeGB)
		}
	}
	return &GalleryImageVersion{
		ID: &rec.ID, Name: lastName(rec), Type: new(gallery.TypeVersion), Location: &rec.Location, Tags: orNone(rec.Tags),
		Properties: &GalleryImageVersionProperties{
			PublishingProfile: pub, StorageProfile: storage, ProvisioningState: new(GalleryProvisioningState(rec.State)),
			SafetyProfile: &GalleryImageVersionSafetyProfile{ReportedForPolicyViolation: new(false), AllowDeletionOfReplicatedLocations: new(v.AllowDeletion)},
		},
	}
}

func replicationBody(s gallery.Status) *ReplicationStatus {
	out := &ReplicationStatus{AggregatedState: new(AggregatedReplicationState(s.Aggregated))}
	for _, r := range s.Regions {
		out.Summary = append(out.Summary, RegionalReplicationStatus{
			Region: new(r.Region), State: new(ReplicationState(r.State)), Progress: number(r.Progress), Details: maybe[string](r.Details),
		})
	}
	return out
}
