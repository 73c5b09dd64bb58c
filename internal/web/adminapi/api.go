package adminapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/identity"
	"millpond/internal/resource"
	"millpond/internal/web"
)

// Prefix is where the face is mounted.
const Prefix = "/millpond/v1"

// API is the face's handlers.
type API struct {
	Identity *identity.Identity
	Images   *gallery.Images
	// Scopes gives the subscriptions of a tenant: who may do everything in one
	// of them looks after the deployment.
	Scopes func(ctx context.Context, tenantID string) ([]string, error)
	Clock  resource.Clock
	Log    *slog.Logger
}

// Routes are the face's rows.
func (a *API) Routes() []web.Route {
	return []web.Route{
		{Operation: "ListImages", Method: "GET", Pattern: "/images", Action: "read", Status: 200, Handle: a.listImages},
		{Operation: "GetImage", Method: "GET", Pattern: "/images/{publisher}/{offer}/{sku}", Action: "read", Status: 200, Handle: a.getImage},
		{Operation: "ImportImage", Method: "PUT", Pattern: "/images/{publisher}/{offer}/{sku}", Action: "write", Status: 200, Handle: a.importImage},
		{Operation: "VerifyReplicas", Method: "POST", Pattern: "/replicas/verify", Action: "write", Status: 200, Handle: a.verifyReplicas},
	}
}

// Face serves the routes.
func (a *API) Face() *web.Face {
	return &web.Face{
		Name: "admin", Table: web.NewTable(a.Routes(), false), Dialect: web.ARM, Schema: &web.Schema{},
		BodyLimit: 1 << 20, Clock: a.Clock, Log: a.Log,
		Mount: func(r *http.Request) (web.Mount, error) {
			return web.Mount{Base: web.Origin(r) + Prefix, Prefix: Prefix}, nil
		},
		Authenticate: a.authenticate, Authorize: a.authorize,
	}
}

func (a *API) authenticate(c *web.Call) (identity.Principal, error) {
	token, ok := web.Bearer(c.Header("Authorization"))
	if !ok {
		return identity.Principal{}, fault.New("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
	}
	return a.Identity.VerifyToken(c.Context(), token, identity.AudienceARM)
}

// adminAction stands for looking after the deployment; only roles with every
// action, as Owner and Contributor, hold it.
const adminAction = "Microsoft.Millpond/deployment/"

func (a *API) authorize(c *web.Call) error {
	scopes, err := a.Scopes(c.Context(), c.Principal.TenantID)
	if err != nil {
		return err
	}
	for _, scope := range scopes {
		ok, err := a.Identity.Allowed(c.Context(), c.Principal, adminAction+c.Route.Action, scope)
		if err != nil || ok {
			return err
		}
	}
	return identity.Refused(c.Principal, adminAction+c.Route.Action, strings.Join(scopes, ", "))
}

// image is a line of the catalogue as the API tells it.
type image struct {
	Publisher    string `json:"publisher"`
	Offer        string `json:"offer"`
	SKU          string `json:"sku"`
	Version      string `json:"version"`
	NodeAgentSKU string `json:"nodeAgentSku"`
	OSType       string `json:"osType"`
	Verification string `json:"verification"`
	Source       string `json:"source"`
	Alias        bool   `json:"alias"`
	Note         string `json:"note"`
}

func imageOut(l gallery.Listed) image {
	i := image{Publisher: l.Publisher, Offer: l.Offer, SKU: l.SKU, Version: l.Version, NodeAgentSKU: l.AgentSKU,
		OSType: l.OSType, Verification: "unverified", Source: l.Source, Alias: l.Alias != "", Note: l.Missing}
	if l.Alias != "" {
		i.Source = l.Alias
	}
	if l.Verified {
		i.Verification = "verified"
	}
	return i
}

func (a *API) listImages(c *web.Call) (web.Reply, error) {
	list, err := a.Images.Catalogue.List(c.Context())
	if err != nil {
		return web.Reply{}, err
	}
	out := make([]image, len(list))
	for i, l := range list {
		out[i] = imageOut(l)
	}
	return web.List("", out, ""), nil
}

func (a *API) find(c *web.Call) (gallery.Listed, error) {
	list, err := a.Images.Catalogue.List(c.Context())
	if err != nil {
		return gallery.Listed{}, err
	}
	key := gallery.Key(c.Param("publisher"), c.Param("offer"), c.Param("sku"))
	for _, l := range list {
		if l.Key() == key {
			return l, nil
		}
	}
	return gallery.Listed{}, fault.Newf("ResourceNotFound", "The catalogue has no image %s.", key)
}

func (a *API) getImage(c *web.Call) (web.Reply, error) {
	l, err := a.find(c)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, imageOut(l)), nil
}

// importImage gives an image a source and makes its base at once, so that what
// is wrong with the source is told here and not by a pool.
func (a *API) importImage(c *web.Call) (web.Reply, error) {
	var body struct {
		Source string `json:"source" wire:"req"`
	}
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	l, err := a.find(c)
	if err != nil {
		return web.Reply{}, err
	}
	source, err := gallery.ParseSource(body.Source)
	if err != nil {
		return web.Reply{}, err
	}
	ref := gallery.Reference{Publisher: l.Publisher, Offer: l.Offer, SKU: l.SKU}
	if err := a.Images.Import(c.Context(), ref, source); err != nil {
		return web.Reply{}, err
	}
	return a.getImage(c)
}

// damage is one replica that is not what its layers say.
type damage struct {
	Version string `json:"version"`
	Region  string `json:"region"`
	Replica int    `json:"replica"`
	Path    string `json:"path"`
	Reason  string `json:"reason"`
}

// verifyReplicas compares every replica with its layers and tells what it found;
// damaged ones no longer serve from then on and are made anew by the loops.
func (a *API) verifyReplicas(c *web.Call) (web.Reply, error) {
	found, err := a.Images.VerifyReplicas(c.Context())
	if err != nil {
		return web.Reply{}, err
	}
	out := make([]damage, len(found))
	for i, d := range found {
		out[i] = damage{Version: d.VersionID, Region: d.Region, Replica: d.Index, Path: d.Path, Reason: d.Reason}
	}
	return web.List("", out, ""), nil
}
