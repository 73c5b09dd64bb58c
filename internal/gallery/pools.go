package gallery

import (
	"context"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/resource"
)

// Asker is the Batch account a pool is made in.
type Asker struct {
	Subscription string
	Tenant       string
	Region       string // short name
}

// ImageReference is a pool's image reference as the client sent it.
type ImageReference struct {
	Publisher, Offer, SKU, Version string
	VMImageID                      string // virtualMachineImageId
}

// Resolved is what the nodes of a pool boot.
type Resolved struct {
	Catalogue    string // key of a Marketplace-style image, "" otherwise
	VersionID    string // id of the gallery version or managed image, as stored
	VersionUID   string
	ExactVersion string
	OSType       string // linux or windows
	AgentSKU     string
}

// actionUseImage is what a role must allow on the image; Reader has only
// reading, which is not enough (facts/requirements.md 16).
const actionUseImage = "Microsoft.Compute/disks/beginGetAccess/action"

const (
	galleryForms = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/galleries/{galleryName}/images/{galleryImageName}/versions/{galleryImageVersionName} or " +
		"/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/galleries/{galleryName}/images/{galleryImageName}"
	managedForm = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/images/{imageName} or "
)

// ImageFor holds every rule by which a pool may use an image. galleryKnown is
// false for data-plane versions before 2019-08-01.10.0, which had no gallery
// images. Errors are the data plane's.
func (g *Images) ImageFor(ctx context.Context, who identity.Principal, asker Asker, ref ImageReference, agentSKU string, galleryKnown bool) (Resolved, error) {
	marketplace := ref.Publisher != "" || ref.Offer != "" || ref.SKU != ""
	switch {
	case ref.VMImageID != "" && marketplace:
		return Resolved{}, fault.Property("imageReference", "", "virtualMachineImageId and publisher, offer, sku exclude each other.")
	case ref.VMImageID != "":
		return g.linkedImage(ctx, who, asker, ref.VMImageID, agentSKU, galleryKnown)
	}
	var p fault.Problems
	for _, f := range [][2]string{{"publisher", ref.Publisher}, {"offer", ref.Offer}, {"sku", ref.SKU}} {
		if f[1] == "" {
			p.Add(fault.Missing("imageReference." + f[0]))
		}
	}
	if err := p.Err(); err != nil {
		return Resolved{}, err
	}
	e, err := g.Catalogue.ResolveFor(Reference{ref.Publisher, ref.Offer, ref.SKU, ref.Version}, agentSKU)
	if err != nil {
		return Resolved{}, err
	}
	return Resolved{Catalogue: e.Key(), ExactVersion: e.Version, OSType: e.OSType, AgentSKU: e.AgentSKU}, nil
}

func (g *Images) linkedImage(ctx context.Context, who identity.Principal, asker Asker, text, agentSKU string, galleryKnown bool) (Resolved, error) {
	id, err := resource.ParseID(text)
	managed := err == nil && id.Is(TypeImage) && id.ResourceGroup != ""
	gallery := err == nil && (id.Is(TypeVersion) || id.Is(TypeDefinition)) && id.ResourceGroup != ""
	if !gallery && (!managed || who.SharedKey()) {
		forms := galleryForms
		if !who.SharedKey() {
			forms = managedForm + forms
		}
		return Resolved{}, fault.Property("virtualMachineImageId", text, "The specified virtualMachineImageId is invalid. It must be of the format "+forms)
	}
	if gallery && !galleryKnown {
		return Resolved{}, fault.Property("virtualMachineImageId", text,
			"Compute Gallery images can be used from api-version 2019-08-01.10.0 on; this request's is older.")
	}
	if who.SharedKey() {
		return Resolved{}, fault.New("AuthenticationFailed",
			"Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.").
			With("AuthenticationErrorDetail", "The specified type of authentication SharedKey is not allowed when external resources of type Compute are linked.")
	}
	if err := g.mayLink(ctx, who, asker, id); err != nil {
		return Resolved{}, err
	}
	if managed {
		return g.managedForPool(ctx, asker, id, text, agentSKU)
	}
	return g.versionForPool(ctx, asker, id, text, agentSKU)
}

// mayLink: same tenant, provider registered in the image's subscription, and a
// role on the image that gives more than reading. What a stranger may not use
// he is not told about either, so this comes before any look at the image.
func (g *Images) mayLink(ctx context.Context, who identity.Principal, asker Asker, id resource.ID) error {
	tenant, err := g.Directory.Tenant(ctx, id.Subscription)
	if err != nil && !fault.Is(err, "SubscriptionNotFound") {
		return err
	}
	if err != nil || !strings.EqualFold(tenant, asker.Tenant) {
		return fault.Property("virtualMachineImageId", id.String(), "The subscription "+id.Subscription+
			" of the image is not in the same Microsoft Entra tenant as the Batch account.")
	}
	ok, err := g.Roles.Allowed(ctx, who, actionUseImage, id.String())
	if err != nil {
		return err
	}
	if !ok {
		return fault.New("AuthorizationPermissionMismatch", "").With("AuthenticationErrorDetail",
			"The identity used for this operation does not have the required privilege "+actionUseImage+" on the specified resource "+id.String()+
				". The role Reader is not enough.")
	}
	registered, err := g.Directory.Registered(ctx, id.Subscription, "Microsoft.Batch")
	if err != nil {
		return err
	}
	if !registered {
		return fault.Property("virtualMachineImageId", id.String(), "The subscription "+id.Subscription+
			" of the image is not registered with the resource provider Microsoft.Batch.")
	}
	return nil
}

func (g *Images) versionForPool(ctx context.Context, asker Asker, id resource.ID, text, agentSKU string) (Resolved, error) {
	rec, v, def, err := g.version(ctx, id, asker.Region)
	if err != nil {
		if f := fault.CodeOf(err); f == "ResourceNotFound" || f == "GalleryImageNotFound" || f == "Conflict" {
			return Resolved{}, fault.Property("virtualMachineImageId", text, sentence(err))
		}
		return Resolved{}, err
	}
	return g.fit(Resolved{VersionID: rec.ID, VersionUID: rec.UID, ExactVersion: nameOf(rec)}, text, agentSKU, def.OSState, def.Plan, v.Content)
}

// managedForPool: a managed image serves only its own subscription and region.
func (g *Images) managedForPool(ctx context.Context, asker Asker, id resource.ID, text, agentSKU string) (Resolved, error) {
	rec, img, err := get[Image](ctx, g, id)
	if fault.Is(err, "ResourceNotFound") {
		return Resolved{}, fault.Property("virtualMachineImageId", text, sentence(err))
	}
	if err != nil {
		return Resolved{}, err
	}
	var p fault.Problems
	if rec.State != resource.Succeeded {
		p.Add(fault.Property("virtualMachineImageId", text, sentence(notReady(id, rec.State))))
	}
	if !strings.EqualFold(id.Subscription, asker.Subscription) {
		p.Add(fault.Property("virtualMachineImageId", text, "The specified virtualMachineImageId is in a different subscription and cannot be used with the current Batch account in subscription "+asker.Subscription))
	}
	if resource.Fold(rec.Location) != resource.Fold(asker.Region) {
		p.Add(fault.Property("virtualMachineImageId", text, "The specified virtualMachineImageId is in a different region and cannot be used with the current Batch account in region "+asker.Region))
	}
	if err := p.Err(); err != nil {
		return Resolved{}, err
	}
	return g.fit(Resolved{VersionID: rec.ID, VersionUID: rec.UID}, text, agentSKU, img.OSState, nil, img.Content)
}

// fit is what both kinds of image must fulfil; every broken rule is reported.
func (g *Images) fit(r Resolved, text, agentSKU, osState string, plan *Plan, c Content) (Resolved, error) {
	var p fault.Problems
	if osState != Generalized {
		p.Add(fault.Property("virtualMachineImageId", text, "The specified image is "+osState+". Only generalized images can be used to create a pool."))
	}
	switch {
	case c.Lineage == nil:
		p.Add(fault.Property("virtualMachineImageId", text, "The specified image does not descend from an image of the catalogue, so that no node agent fits it."))
	default:
		r.AgentSKU, r.OSType = c.Lineage.AgentSKU, resource.Fold(c.Lineage.OSType)
		p.Add(checkAgent(agentSKU, r.AgentSKU, "image "+text))
	}
	if plan != nil {
		// No image of the catalogue has purchase terms, and the plan must be the base's.
		p.Add(fault.Property("virtualMachineImageId", text, "The specified image has the purchase plan "+planText(plan)+
			" and its base image has none: both must have the same plan."))
	}
	return r, p.Err()
}

func sentence(err error) string {
	if f, ok := err.(*fault.Error); ok { //nolint:errorlint // made in this room, never wrapped
		return f.Message
	}
	return err.Error()
}
