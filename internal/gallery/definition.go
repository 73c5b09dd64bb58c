package gallery

import (
	"context"
	"encoding/json"
	"regexp"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Definition is an image definition as stored. Its identifier is free text: it
// never decides an agent SKU.
type Definition struct {
	Publisher    string          `json:"publisher"`
	Offer        string          `json:"offer"`
	SKU          string          `json:"sku"`
	OSType       string          `json:"osType"`
	OSState      string          `json:"osState"`
	Generation   string          `json:"generation"`
	Architecture string          `json:"architecture,omitempty"`
	Description  string          `json:"description,omitempty"`
	EULA         string          `json:"eula,omitempty"`
	Privacy      string          `json:"privacy,omitempty"`
	ReleaseNote  string          `json:"releaseNote,omitempty"`
	EndOfLife    resource.Ticks  `json:"endOfLife,omitempty"`
	Plan         *Plan           `json:"plan,omitempty"`
	Features     []Feature       `json:"features,omitempty"`
	Recommended  json.RawMessage `json:"recommended,omitempty"` // echoed
	Disallowed   []string        `json:"disallowed,omitempty"`  // disk types
}

// Feature is a name and value of a definition.
type Feature struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// DefinitionSpec is what PUT asks for.
type DefinitionSpec struct {
	ID       resource.ID
	Location string
	Tags     map[string]string
	Definition
}

var identifierPart = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_-])?$`)

// PutDefinition creates a definition, or changes what may change of one:
// everything but identifier, osType, osState, generation and architecture.
func (g *Images) PutDefinition(ctx context.Context, s DefinitionSpec) (Change[Definition], error) {
	location, err := g.region(s.Location, TypeDefinition)
	if err != nil {
		return Change[Definition]{}, err
	}
	if err := checkName("galleryImageName", s.ID.Name()); err != nil {
		return Change[Definition]{}, err
	}
	if err := s.Definition.check(); err != nil {
		return Change[Definition]{}, err
	}
	if err := g.uniqueIdentifier(ctx, s); err != nil {
		return Change[Definition]{}, err
	}
	return write(ctx, g, put[Definition]{
		id: s.ID, location: location, tags: s.Tags, kind: OpCreateDefinition,
		create: func() (Definition, error) { return s.Definition, nil },
		update: func(old Definition) (Definition, error) { return old.become(s.Definition) },
	})
}

// check fills in defaults and reports every broken rule.
func (d *Definition) check() error {
	var p fault.Problems
	for _, f := range []struct{ target, value string }{
		{"galleryImage.properties.identifier.publisher", d.Publisher},
		{"galleryImage.properties.identifier.offer", d.Offer},
		{"galleryImage.properties.identifier.sku", d.SKU},
	} {
		switch {
		case f.value == "":
			p.Add(required(f.target))
		case len(f.value) > 64 || !identifierPart.MatchString(f.value):
			p.Add(invalid(f.target, "The value '%s' of parameter '%s' is invalid. It must have 1 to 64 letters, digits, underscores, periods and hyphens, and not end with a period.", f.value, f.target))
		}
	}
	fold := func(target string, value *string, fallback string, allowed ...string) {
		v, err := oneOf(target, firstOf(*value, fallback), allowed...)
		if *value == "" && fallback == "" {
			err = required(target)
		}
		*value = v
		p.Add(err)
	}
	fold("galleryImage.properties.osType", &d.OSType, "", "Linux", "Windows")
	fold("galleryImage.properties.osState", &d.OSState, "", Generalized, Specialized)
	fold("galleryImage.properties.hyperVGeneration", &d.Generation, "V1", "V1", "V2")
	if d.Architecture != "" {
		fold("galleryImage.properties.architecture", &d.Architecture, "", "x64", "Arm64")
	}
	if d.Plan != nil && (d.Plan.Name == "" || d.Plan.Publisher == "" || d.Plan.Product == "") {
		p.Add(invalid("galleryImage.properties.purchasePlan", "A purchase plan needs name, publisher and product."))
	}
	return p.Joined()
}

func (d Definition) become(n Definition) (Definition, error) {
	var p fault.Problems
	fixed := func(property, old, now string) {
		if resource.Fold(old) != resource.Fold(now) {
			p.Add(changed("galleryImage.properties." + property))
		}
	}
	fixed("identifier", d.Publisher+"/"+d.Offer+"/"+d.SKU, n.Publisher+"/"+n.Offer+"/"+n.SKU)
	fixed("osType", d.OSType, n.OSType)
	fixed("osState", d.OSState, n.OSState)
	fixed("hyperVGeneration", d.Generation, n.Generation)
	if n.Architecture != "" {
		fixed("architecture", firstOf(d.Architecture, "x64"), n.Architecture)
	}
	if planText(d.Plan) != planText(n.Plan) {
		p.Add(changed("galleryImage.properties.purchasePlan"))
	}
	if err := p.Joined(); err != nil {
		return d, err
	}
	n.Publisher, n.Offer, n.SKU, n.Architecture = d.Publisher, d.Offer, d.SKU, d.Architecture
	return n, nil
}

func planText(p *Plan) string {
	if p == nil {
		return ""
	}
	return resource.Fold(p.Publisher + "/" + p.Product + "/" + p.Name)
}

// uniqueIdentifier: in a gallery no two definitions share an identifier.
func (g *Images) uniqueIdentifier(ctx context.Context, s DefinitionSpec) error {
	all, err := g.ListDefinitions(ctx, s.ID.Parent().String())
	if err != nil {
		return err
	}
	for _, d := range all {
		if resource.Fold(d.Record.ID) != s.ID.Fold() &&
			Key(d.Body.Publisher, d.Body.Offer, d.Body.SKU) == Key(s.Publisher, s.Offer, s.SKU) {
			return fault.Newf("Conflict", "A gallery image with the identifier (publisher %s, offer %s, sku %s) already exists in the gallery: %s.",
				s.Publisher, s.Offer, s.SKU, d.Record.ID).With("target", "galleryImage.properties.identifier")
		}
	}
	return nil
}

// GetDefinition reads one definition.
func (g *Images) GetDefinition(ctx context.Context, id resource.ID) (Item[Definition], error) {
	rec, b, err := get[Definition](ctx, g, id)
	return Item[Definition]{rec, b}, err
}

// ListDefinitions lists the definitions of a gallery.
func (g *Images) ListDefinitions(ctx context.Context, galleryID string) ([]Item[Definition], error) {
	return list[Definition](ctx, g, TypeDefinition, galleryID)
}
