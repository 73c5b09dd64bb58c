package gallery

import (
	"context"
	"strconv"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// MaxReplicas is Azure's limit of replicas of one version.
const MaxReplicas = 100

// Version is an image version as stored.
type Version struct {
	SourceID   string         `json:"sourceId"`
	SourceKind string         `json:"sourceKind"`      // one of the SourceOf constants: where the request had it
	SourceDisk string         `json:"sourceDisk"`      // resolved at creation: what is captured or copied
	Users      []string       `json:"users,omitempty"` // of a source machine, left out
	Sweep      bool           `json:"sweep,omitempty"` // capture strips what is one machine's own
	Caching    string         `json:"caching"`         // of the OS disk image
	SizeGB     int            `json:"sizeGb"`          // 0 until the operation ended
	Mode       string         `json:"mode,omitempty"`  // replicationMode as given
	EndOfLife  resource.Ticks `json:"endOfLife,omitempty"`
	// AllowDeletion is safetyProfile.allowDeletionOfReplicatedLocations.
	AllowDeletion bool           `json:"allowDeletion,omitempty"`
	Regions       []TargetRegion `json:"regions"`
	ReplicaCount  int            `json:"replicaCount"`
	StorageType   string         `json:"storageType"`
	Excluded      bool           `json:"excluded,omitempty"` // excludeFromLatest
	Published     resource.Ticks `json:"published"`
	Replicas      []Replica      `json:"replicas,omitempty"`
	Content       Content        `json:"content"`
}

// Where the source of a version stood in the request.
const (
	SourceOfImage   = "source.id"
	SourceOfMachine = "source.virtualMachineId"
	SourceOfDisk    = "osDiskImage.source.id"
)

// TargetRegion is a region a version is wanted in.
type TargetRegion struct {
	Name        string `json:"name"` // display name, as Azure normalises it
	Short       string `json:"short"`
	Count       int    `json:"count"`
	StorageType string `json:"storageType"`
	Excluded    bool   `json:"excluded,omitempty"`
}

// VersionSpec is what PUT asks for. Of a version that exists SourceID may be
// left out.
type VersionSpec struct {
	ID            resource.ID
	Location      string
	Tags          map[string]string
	SourceKind    string
	SourceID      string
	Caching       string
	Regions       []TargetRegion // Name in any spelling; Count 0 = ReplicaCount
	ReplicaCount  int            // 0 = 1
	StorageType   string
	Excluded      bool
	EndOfLife     resource.Ticks
	Mode          string
	AllowDeletion bool
}

// PutVersion creates a version, or changes where it is replicated and whether
// "latest" may mean it.
func (g *Images) PutVersion(ctx context.Context, s VersionSpec) (Change[Version], error) {
	location, err := g.region(s.Location, TypeVersion)
	if err != nil {
		return Change[Version]{}, err
	}
	if _, ok := parseVersion(s.ID.Name()); !ok {
		return Change[Version]{}, invalid("galleryImageVersionName",
			"The gallery image version name '%s' is invalid. It must follow the pattern 'MajorVersion.MinorVersion.Patch' with numbers from 0 to 2147483647, for example 1.0.0.", s.ID.Name())
	}
	if s.Regions, err = g.targetRegions(s, location); err != nil {
		return Change[Version]{}, err
	}
	return write(ctx, g, put[Version]{
		id: s.ID, location: location, tags: s.Tags, kind: OpReplicate, updateKind: OpReplicate,
		create: func() (Version, error) { return g.newVersion(ctx, s, location) },
		update: func(old Version) (Version, error) {
			if s.SourceID != "" && resource.Fold(s.SourceID) != resource.Fold(old.SourceID) {
				return old, changed("galleryImageVersion.properties.storageProfile.source")
			}
			old.publish(s)
			return old, nil
		},
	})
}

// publish takes over what may change later.
func (v *Version) publish(s VersionSpec) {
	v.Regions, v.ReplicaCount, v.StorageType = s.Regions, max(s.ReplicaCount, 1), firstOf(s.StorageType, "Standard_LRS")
	v.Excluded, v.EndOfLife, v.Mode, v.AllowDeletion = s.Excluded, s.EndOfLife, s.Mode, s.AllowDeletion
	v.plan()
}

// targetRegions normalises names and counts and reports every broken rule.
func (g *Images) targetRegions(s VersionSpec, location string) ([]TargetRegion, error) {
	const at = "galleryImageVersion.properties.publishingProfile."
	var p fault.Problems
	storage := []string{"Standard_LRS", "Premium_LRS", "Standard_ZRS", "PremiumV2_LRS"}
	fallback, err := oneOf(at+"storageAccountType", firstOf(s.StorageType, "Standard_LRS"), storage...)
	p.Add(err)
	if s.ReplicaCount < 0 || s.ReplicaCount > MaxReplicas {
		p.Add(invalid(at+"replicaCount", "The value '%d' of parameter '%sreplicaCount' is out of range. It must be from 1 to %d.", s.ReplicaCount, at, MaxReplicas))
	}
	regions := s.Regions
	if len(regions) == 0 {
		regions = []TargetRegion{{Name: location}}
	}
	seen := map[string]bool{}
	out := make([]TargetRegion, 0, len(regions))
	for _, r := range regions {
		short, display, ok := g.Region(r.Name)
		if !ok {
			p.Add(invalid(at+"targetRegions", "The target region '%s' is not a region of this deployment.", r.Name))
			continue
		}
		if seen[short] {
			p.Add(invalid(at+"targetRegions", "The target region '%s' is named more than once.", r.Name))
		}
		seen[short] = true
		r.Short, r.Name = short, display
		if r.Count == 0 {
			r.Count = max(s.ReplicaCount, 1)
		}
		if r.Count < 1 || r.Count > MaxReplicas {
			p.Add(invalid(at+"targetRegions.regionalReplicaCount", "The replica count '%d' of region '%s' is out of range. It must be from 1 to %d.", r.Count, r.Name, MaxReplicas))
		}
		r.StorageType, err = oneOf(at+"targetRegions.storageAccountType", firstOf(r.StorageType, fallback), storage...)
		p.Add(err)
		out = append(out, r)
	}
	if !seen[location] {
		_, display, _ := g.Region(location)
		p.Add(invalid(at+"targetRegions", "The publishing profile's target regions must contain the location '%s' of the gallery image version.", display))
	}
	return out, p.Joined()
}

func (g *Images) newVersion(ctx context.Context, s VersionSpec, location string) (Version, error) {
	v := Version{SourceKind: s.SourceKind, Published: g.Clock.Now()}
	v.publish(s)
	var err error
	if v.Caching, err = oneOf("galleryImageVersion.properties.storageProfile.osDiskImage.hostCaching", firstOf(s.Caching, "ReadWrite"), "None", "ReadOnly", "ReadWrite"); err != nil {
		return v, err
	}
	def, err := g.GetDefinition(ctx, s.ID.Parent())
	if err != nil {
		return v, err
	}
	return v, g.sourceOfVersion(ctx, &v, s, def.Body, location)
}

// sourceOfVersion finds what the version is made from and holds it against the
// definition: operating system, state and generation must be the same.
func (g *Images) sourceOfVersion(ctx context.Context, v *Version, s VersionSpec, def Definition, location string) error {
	const target = "galleryImageVersion.properties.storageProfile.source"
	if s.SourceID == "" {
		return required(target)
	}
	id, err := resource.ParseID(s.SourceID)
	if err != nil {
		return err
	}
	var osType, state, gen, at string
	switch {
	case id.Is("Microsoft.Compute/virtualMachines"):
		vm, err := g.Sources.SourceVM(ctx, id.String())
		if fault.Is(err, "ResourceNotFound") {
			return NotFound(id)
		}
		if err != nil {
			return err
		}
		if vm.Generalized {
			state, v.Sweep, v.Users = Generalized, true, vm.Users
		} else {
			state = Specialized
		}
		src, err := g.source(ctx, target, vm.OSDisk, "")
		if err != nil {
			return err
		}
		v.SourceID, v.SourceDisk, osType, gen, at = vm.ID, src.id, src.osType, src.gen, vm.Location
	case id.Is(TypeImage):
		rec, img, err := get[Image](ctx, g, id)
		if err != nil {
			return err
		}
		if rec.State != resource.Succeeded {
			return notReady(id, rec.State)
		}
		v.SourceID, osType, state, gen, at = rec.ID, img.OSType, img.OSState, img.Generation, rec.Location
	case id.Is(TypeVersion):
		rec, _, other, err := g.version(ctx, id, "")
		if err != nil {
			return err
		}
		v.SourceID, osType, state, gen, at = rec.ID, other.OSType, other.OSState, other.Generation, location
	default:
		src, err := g.source(ctx, target, s.SourceID, "")
		if err != nil {
			return err
		}
		v.SourceID, v.SourceDisk, osType, gen, at = src.id, src.id, src.osType, src.gen, location
	}
	var p fault.Problems
	same := func(what, source, definition string) {
		if source != "" && source != definition {
			p.Add(invalid(target, "The %s '%s' of the source '%s' does not match the %s '%s' of the gallery image definition.", what, source, v.SourceID, what, definition))
		}
	}
	same("osType", osType, def.OSType)
	same("osState", state, def.OSState)
	same("hyperVGeneration", gen, def.Generation)
	if resource.Fold(at) != resource.Fold(location) {
		p.Add(invalid("galleryImageVersion.location", "The source '%s' is in location '%s', the gallery image version in '%s': they must be in the same location.", v.SourceID, at, location))
	}
	return p.Joined()
}

// GetVersion reads one version.
func (g *Images) GetVersion(ctx context.Context, id resource.ID) (Item[Version], error) {
	rec, v, err := get[Version](ctx, g, id)
	return Item[Version]{rec, v}, err
}

// ListVersions lists the versions of a definition in version order.
func (g *Images) ListVersions(ctx context.Context, definitionID string) ([]Item[Version], error) {
	items, err := list[Version](ctx, g, TypeVersion, definitionID)
	sortVersions(items)
	return items, err
}

// parseVersion reads Major.Minor.Patch.
func parseVersion(name string) (v [3]int, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 3 {
		return v, false
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil || len(part) > 1 && part[0] == '0' {
			return v, false
		}
		v[i] = int(n)
	}
	return v, true
}
