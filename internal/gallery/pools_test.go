package gallery_test

import (
	"strings"
	"testing"

	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/identity"
	"millpond/internal/resource"
)

func details(err error) string {
	f, ok := err.(*fault.Error) //nolint:errorlint // as the face gets it
	if !ok {
		return ""
	}
	var b strings.Builder
	b.WriteString(f.Code + " " + f.Message)
	for _, d := range f.Details {
		b.WriteString(" | " + d.Key + "=" + d.Value)
	}
	return b.String()
}

// TestRulesOfPoolImages is requirements 12 to 25, 38, 43 and 44: each row changes
// one thing of a request that would succeed.
func TestRulesOfPoolImages(t *testing.T) {
	r := newRoom(t)
	v := r.chain()
	ctx := t.Context()
	version := v.Record.ID
	definition := id(t, "galleries/g/images/d").String()
	_, err := r.PutDefinition(ctx, gallery.DefinitionSpec{ID: id(t, "galleries/g/images/special"), Location: "westeurope",
		Definition: gallery.Definition{Publisher: "p", Offer: "o", SKU: "special", OSType: "Linux", OSState: "Specialized"}})
	must(t, err)
	_, err = r.PutDefinition(ctx, gallery.DefinitionSpec{ID: id(t, "galleries/g/images/planned"), Location: "westeurope",
		Definition: gallery.Definition{Publisher: "p", Offer: "o", SKU: "planned", OSType: "Linux", OSState: "Generalized",
			Plan: &gallery.Plan{Name: "n", Publisher: "p", Product: "x"}}})
	must(t, err)
	r.work()
	for name, source := range map[string]string{"special": "snapshots/s", "planned": "images/i"} {
		spec := r.version("1.0.0")
		spec.ID, spec.SourceID, spec.SourceKind = id(t, "galleries/g/images/"+name+"/versions/1.0.0"), id(t, source).String(), gallery.SourceOfDisk
		_, err = r.PutVersion(ctx, spec)
		must(t, err)
	}
	r.work()
	person := identity.Principal{TenantID: tenant, ObjectID: "o", AppID: "a"}
	key := identity.Principal{AccountUID: "acct"}
	type request struct {
		who      identity.Principal
		asker    gallery.Asker
		ref      gallery.ImageReference
		agentSKU string
		old      bool
		setup    func()
	}
	const galleryText = "SharedKey is not allowed when external resources of type Compute are linked."
	for name, row := range map[string]struct {
		change func(*request)
		want   string // part of the error; "" is success
	}{
		"a version":         {func(*request) {}, ""},
		"latest":            {func(q *request) { q.ref.VMImageID = definition }, ""},
		"versions/latest":   {func(q *request) { q.ref.VMImageID = definition + "/versions/latest" }, ""},
		"any casing":        {func(q *request) { q.ref.VMImageID = strings.ToUpper(version); q.agentSKU = "Batch.Node.Debian 12" }, ""},
		"shared key":        {func(q *request) { q.who = key }, "AuthenticationFailed Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature. | AuthenticationErrorDetail=The specified type of authentication " + galleryText},
		"shared key latest": {func(q *request) { q.who = key; q.ref.VMImageID = definition }, galleryText},
		"old api":           {func(q *request) { q.old = true }, "PropertyName=virtualMachineImageId | PropertyValue=" + version + " | Reason=Compute Gallery images can be used from api-version 2019-08-01.10.0"},
		"not an id":         {func(q *request) { q.ref.VMImageID = "x" }, "Microsoft.Compute/images/{imageName} or /subscriptions"},
		"not an id, key":    {func(q *request) { q.ref.VMImageID = "x"; q.who = key }, "must be of the format /subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/galleries"},
		"managed with key":  {func(q *request) { q.ref.VMImageID = id(t, "images/i").String(); q.who = key }, "must be of the format"},
		"managed image":     {func(q *request) { q.ref.VMImageID = id(t, "images/i").String() }, ""},
		"managed elsewhere": {func(q *request) { q.ref.VMImageID = id(t, "images/i").String(); q.asker.Region = "eastus" }, "different region"},
		"managed, other subscription": {func(q *request) {
			q.ref.VMImageID = id(t, "images/i").String()
			q.asker.Subscription = "99999999-1111-1111-1111-111111111111"
		}, "different subscription"},
		"a disk":             {func(q *request) { q.ref.VMImageID = id(t, "disks/os").String() }, "must be of the format"},
		"missing version":    {func(q *request) { q.ref.VMImageID = definition + "/versions/9.9.9" }, "versions/9.9.9' under resource group 'rg' was not found"},
		"missing definition": {func(q *request) { q.ref.VMImageID = id(t, "galleries/g/images/none").String() }, "was not found"},
		"no replica":         {func(q *request) { q.asker.Region = "uksouth" }, "is not available in UK South region"},
		"latest, no replica": {func(q *request) { q.asker.Region = "uksouth"; q.ref.VMImageID = definition }, "is not available in UK South region"},
		"other tenant":       {func(q *request) { q.asker.Tenant = "other" }, "not in the same Microsoft Entra tenant"},
		"unknown subscription": {func(q *request) {
			q.ref.VMImageID = strings.ReplaceAll(version, sub, "77777777-1111-1111-1111-111111111111")
		}, "not in the same Microsoft Entra tenant"},
		"not registered": {func(q *request) { q.setup = func() { r.reg[sub] = false } }, "is not registered with the resource provider Microsoft.Batch"},
		"reader only": {func(q *request) {
			q.setup = func() { r.may = map[string]bool{"Microsoft.Compute/galleries/images/versions/read": true} }
		}, "AuthorizationPermissionMismatch"},
		"wrong agent": {func(q *request) { q.agentSKU = "batch.node.ubuntu 16.04" },
			"PropertyName=nodeAgentSKUId | PropertyValue=batch.node.ubuntu 16.04 | Reason=The specified nodeAgentSKUId batch.node.ubuntu 16.04 does not match the image " + version + ": the node agent SKU of its base image is batch.node.debian 12."},
		"specialized": {func(q *request) { q.ref.VMImageID = id(t, "galleries/g/images/special/versions/1.0.0").String() }, "Only generalized images"},
		"plan":        {func(q *request) { q.ref.VMImageID = id(t, "galleries/g/images/planned/versions/1.0.0").String() }, "both must have the same plan"},
		"two faults at once": {func(q *request) {
			q.ref.VMImageID, q.agentSKU = id(t, "galleries/g/images/special/versions/1.0.0").String(), "batch.node.centos 7"
		}, "does not match the image"},
		"both forms":  {func(q *request) { q.ref.Publisher = "Debian" }, "exclude each other"},
		"marketplace": {func(q *request) { q.ref = gallery.ImageReference{Publisher: "debian", Offer: "DEBIAN-12", SKU: "12"} }, ""},
		"marketplace with key": {func(q *request) {
			q.ref = gallery.ImageReference{Publisher: "debian", Offer: "debian-12", SKU: "12", Version: "latest"}
			q.who = key
		}, ""},
		"marketplace, old api": {func(q *request) {
			q.ref = gallery.ImageReference{Publisher: "debian", Offer: "debian-12", SKU: "12"}
			q.old = true
		}, ""},
		"marketplace, no offer": {func(q *request) { q.ref = gallery.ImageReference{Publisher: "debian"} }, "imageReference.offer | PropertyName=imageReference.sku"},
		"not in the catalogue":  {func(q *request) { q.ref = gallery.ImageReference{Publisher: "a", Offer: "b", SKU: "c"} }, "PropertyName=imageReference | Reason=The specified imageReference with publisher a offer b sku c is not supported."},
		"no such version": {func(q *request) {
			q.ref = gallery.ImageReference{Publisher: "Debian", Offer: "debian-12", SKU: "12", Version: "1.2.3"}
		}, "version 1.2.3 is not supported"},
		"marketplace, wrong agent": {func(q *request) {
			q.ref = gallery.ImageReference{Publisher: "Canonical", Offer: "UbuntuServer", SKU: "18.04-LTS"}
		}, "node agent SKU of its base image is batch.node.ubuntu 18.04"},
	} {
		t.Run(name, func(t *testing.T) {
			q := request{who: person, asker: gallery.Asker{Subscription: sub, Tenant: tenant, Region: "westeurope"},
				ref: gallery.ImageReference{VMImageID: version}, agentSKU: "batch.node.debian 12"}
			row.change(&q)
			may := r.may
			if q.setup != nil {
				q.setup()
			}
			got, err := r.ImageFor(ctx, q.who, q.asker, q.ref, q.agentSKU, !q.old)
			r.may, r.reg[sub] = may, true
			switch text := details(err); {
			case row.want == "" && err != nil:
				t.Fatal(text)
			case row.want == "" && got.VersionID == "" && got.Catalogue == "":
				t.Fatalf("nothing resolved: %+v", got)
			case row.want != "" && !strings.Contains(text, row.want):
				t.Fatalf("got  %s\nwant %s", text, row.want)
			}
		})
	}
}

func TestLatestIsByNumberAndNotExcluded(t *testing.T) {
	r := newRoom(t)
	r.chain()
	ctx := t.Context()
	put := func(name string, change func(*gallery.VersionSpec)) {
		spec := r.version(name)
		change(&spec)
		_, err := r.PutVersion(ctx, spec)
		must(t, err)
		r.work()
	}
	put("1.9.0", func(*gallery.VersionSpec) {})
	put("1.10.0", func(*gallery.VersionSpec) {})
	put("2.0.0", func(s *gallery.VersionSpec) { s.Excluded = true })
	put("3.0.0", func(s *gallery.VersionSpec) { s.Regions = []gallery.TargetRegion{{Name: "westeurope", Excluded: true}} })
	all, err := r.ListVersions(ctx, id(t, "galleries/g/images/d").String())
	must(t, err)
	var order []string
	for _, v := range all {
		i, _ := resource.ParseID(v.Record.ID)
		order = append(order, i.Name())
	}
	if strings.Join(order, " ") != "1.0.0 1.9.0 1.10.0 2.0.0 3.0.0" {
		t.Errorf("order %v", order)
	}
	o, err := r.Resolve(ctx, gallery.Origin{ID: id(t, "galleries/g/images/d").String()}, "westeurope")
	must(t, err)
	if o.Exact != "1.10.0" {
		t.Errorf("latest is %s", o.Exact)
	}
}
