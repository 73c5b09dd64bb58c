package gallery

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/layer"
	"millpond/internal/resource"
)

// Types of the resources this room owns.
const (
	TypeDisk       = "Microsoft.Compute/disks"
	TypeSnapshot   = "Microsoft.Compute/snapshots"
	TypeImage      = "Microsoft.Compute/images"
	TypeGallery    = "Microsoft.Compute/galleries"
	TypeDefinition = "Microsoft.Compute/galleries/images"
	TypeVersion    = "Microsoft.Compute/galleries/images/versions"
)

// Directory is what the rules ask about subscriptions; account satisfies it.
type Directory interface {
	// Tenant of a subscription; SubscriptionNotFound.
	Tenant(ctx context.Context, subscription string) (string, error)
	// Registered reports whether the subscription has the provider namespace.
	Registered(ctx context.Context, subscription, namespace string) (bool, error)
}

// Roles answers whether a principal may do action at scope, and forgets what was
// assigned at one that is deleted; identity satisfies it.
type Roles interface {
	Allowed(ctx context.Context, who identity.Principal, action, scope string) (bool, error)
	DropScope(ctx context.Context, scope string) error
}

// Sources is what images need to know of virtual machines; machine satisfies
// it. A missing one is ResourceNotFound.
type Sources interface {
	SourceVM(ctx context.Context, id string) (SourceVM, error)
}

// SourceVM is a virtual machine as a source of images.
type SourceVM struct {
	ID          string
	Location    string
	OSDisk      string // id of its disk
	Generalized bool
	Running     bool
	Users       []string // accounts the service made on it, left out of captures
}

// Config is what the room is built from. Data is the deployment's folder.
type Config struct {
	Store     resource.Store
	Clock     resource.Clock
	Worker    layer.Worker
	Blobs     layer.Blobs // the folder Data/layers
	Data      string
	Offline   bool
	Directory Directory
	Roles     Roles
	// Region gives the display name of a region in any spelling and its short
	// name; ok is false for an unknown one.
	Region func(name string) (short, display string, ok bool)
	// Wake tells the loop that an operation was begun; nil is allowed.
	Wake func()
}

// Images is the room: every act on disks, snapshots, images, galleries,
// definitions and versions. Sources is set once by app after both rooms exist.
type Images struct {
	Config
	Catalogue *Catalogue
	Sources   Sources
}

// New builds the room.
func New(c Config) *Images {
	if c.Wake == nil {
		c.Wake = func() {}
	}
	return &Images{Config: c, Catalogue: newCatalogue(c.Store, c.Clock, c.Offline)}
}

// newUID is a new identity for a resource or an operation.
func newUID() string { return uuid.NewString() }

// DiskAt is the folder of a disk's writable part.
func (g *Images) DiskAt(uid string) layer.Disk {
	return layer.Disk{Path: filepath.Join(g.Data, "disks", uid)}
}

// copies is a region's store folder of unpacked layers (design.md 5).
func (g *Images) copies(region, folder string) layer.Store {
	return layer.Store{Dir: filepath.Join(g.Data, "regions", region, "replicas", folder)}
}

func (g *Images) ensure(ctx context.Context, region, folder string, stack layer.Stack) (layer.Tree, error) {
	return g.copies(region, folder).Ensure(ctx, g.Worker, g.Blobs, stack)
}

// region checks a location and gives its short name.
func (g *Images) region(location, typ string) (string, error) {
	if location == "" {
		return "", fault.New("LocationRequired", "The location property is required for this definition.").With("target", "location")
	}
	short, _, ok := g.Region(location)
	if !ok {
		return "", fault.Newf("LocationNotAvailableForResourceType",
			"The provided location '%s' is not available for resource type '%s'.", location, typ).With("target", "location")
	}
	return short, nil
}

// NotFound is Resource Manager's sentence for a missing resource.
func NotFound(id resource.ID) *fault.Error {
	path := id.Provider
	for i, t := range id.Types {
		path += "/" + t + "/" + id.Names[i]
	}
	return fault.Newf("ResourceNotFound", "The Resource '%s' under resource group '%s' was not found. "+
		"For more details please go to https://aka.ms/ARMResourceNotFoundFix", path, id.ResourceGroup)
}

func invalid(target, format string, args ...any) *fault.Error {
	return fault.Newf("InvalidParameter", format, args...).With("target", target)
}

func required(target string) *fault.Error {
	return invalid(target, "Required parameter '%s' is missing (null).", target)
}

// get reads a resource and its part; its absence is said in Azure's words.
func get[T any](ctx context.Context, g *Images, id resource.ID) (resource.Record, T, error) {
	rec, err := g.Store.GetResource(ctx, id.String())
	if err != nil {
		var none T
		if fault.Is(err, "ResourceNotFound") {
			err = NotFound(id)
		}
		return rec, none, err
	}
	body, err := resource.Decode[T](rec)
	return rec, body, err
}

// list reads all resources of a type below a scope.
func list[T any](ctx context.Context, g *Images, typ, under string) ([]Item[T], error) {
	records, err := g.Store.ListResources(ctx, resource.Query{Type: typ, Under: under})
	if err != nil {
		return nil, err
	}
	items := make([]Item[T], 0, len(records))
	for _, rec := range records {
		body, err := resource.Decode[T](rec)
		if err != nil {
			return nil, err
		}
		items = append(items, Item[T]{rec, body})
	}
	return items, nil
}

// Item is a resource with its part decoded.
type Item[T any] struct {
	Record resource.Record
	Body   T
}

// ID is the resource's id in parts.
func (i Item[T]) ID() resource.ID {
	id, err := resource.ParseID(i.Record.ID)
	if err != nil {
		return resource.ID{} // no record has such an id
	}
	return id
}

// Change is what a write did. Operation is nil when it ended at once.
type Change[T any] struct {
	Item[T]
	Operation *resource.Operation
	Created   bool
}

// oneOf folds value onto the allowed spelling; "" takes the first when optional.
func oneOf(target, value string, allowed ...string) (string, error) {
	for _, a := range allowed {
		if strings.EqualFold(value, a) {
			return a, nil
		}
	}
	return "", invalid(target, "The value '%s' of parameter '%s' is not allowed. Allowed values are: %s.", value, target, strings.Join(allowed, ", "))
}
