package gallery_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"millpond/internal/fault"
	"millpond/internal/gallery"
)

func TestCatalogueListsAzuresSpelling(t *testing.T) {
	r := newRoom(t)
	all, err := r.Catalogue.List(t.Context())
	must(t, err)
	if !slices.IsSortedFunc(all, func(a, b gallery.Listed) int { return strings.Compare(a.Key(), b.Key()) }) {
		t.Error("the list must be ordered by publisher, offer, SKU")
	}
	found := map[string]gallery.Listed{}
	for _, e := range all {
		found[e.Publisher+" "+e.Offer+" "+e.SKU] = e
		if !strings.HasPrefix(e.AgentSKU, "batch.node.") || e.Version == "" || e.OSType != "linux" && e.OSType != "windows" {
			t.Errorf("%+v", e)
		}
		if e.Verified != (e.Missing == "") {
			t.Errorf("%s: verified %v but missing %q", e.Key(), e.Verified, e.Missing)
		}
	}
	for name, sku := range map[string]string{
		"Canonical UbuntuServer 18.04-LTS": "batch.node.ubuntu 18.04", "Debian debian-12 12": "batch.node.debian 12",
		"MicrosoftWindowsServer WindowsServer 2022-datacenter": "batch.node.windows amd64",
	} {
		if found[name].AgentSKU != sku {
			t.Errorf("%s: %q", name, found[name].AgentSKU)
		}
	}
	if found["MicrosoftWindowsServer WindowsServer 2022-datacenter"].Verified || found["Canonical UbuntuServer 18.04-LTS"].Verified {
		t.Error("what has no source cannot be verified")
	}
	hosts := 0
	for _, e := range all {
		if e.Publisher == "millpond" && e.Offer == "host" {
			hosts++
			if !e.Verified {
				t.Error("the host image needs nothing")
			}
		}
	}
	if hosts != 1 {
		t.Errorf("%d host images", hosts)
	}
}

func TestAliasServesAnotherSource(t *testing.T) {
	r := newRoom(t)
	ctx := t.Context()
	ref, src, err := gallery.ParseAlias("canonical:ubuntuserver:18.04-lts=host")
	must(t, err)
	must(t, r.Catalogue.SetAlias(ctx, ref, src))
	listed := func() gallery.Listed {
		all, err := r.Catalogue.List(ctx)
		must(t, err)
		return all[slices.IndexFunc(all, func(l gallery.Listed) bool { return l.SKU == "18.04-LTS" })]
	}
	if l := listed(); l.Alias != "host" || !l.Verified || l.AgentSKU != "batch.node.ubuntu 18.04" {
		t.Fatalf("%+v", l)
	}
	stack, host, err := r.Base(ctx, "canonical:ubuntuserver:18.04-lts")
	must(t, err)
	if len(stack) != 1 || !host {
		t.Fatalf("%v %v", stack, host)
	}
	must(t, r.Catalogue.SetAlias(ctx, ref, gallery.Source{}))
	if _, _, err := r.Base(ctx, "canonical:ubuntuserver:18.04-lts"); !fault.Is(err, "ImageUnavailable") || !strings.Contains(err.Error(), "--alias Canonical:UbuntuServer:18.04-LTS=SOURCE") {
		t.Fatalf("an entry without source must say what to do: %v", err)
	}
	if l := listed(); l.Verified {
		t.Fatal("the base made from the old source must not count for the new one")
	}
	for _, bad := range []string{"", "a:b=host", "a:b:c", "a:b:c=", "a:b:c=relative.tar", "Debian:debian-12:12=debootstrap:", "Debian:debian-12:12=debootstrap:x y"} {
		if _, _, err := gallery.ParseAlias(bad); !fault.Is(err, "InvalidParameter") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := r.Catalogue.SetAlias(ctx, gallery.Reference{Publisher: "a", Offer: "b", SKU: "c"}, src); !fault.Is(err, "PlatformImageNotFound") {
		t.Error(err)
	}
	win := gallery.Reference{Publisher: "MicrosoftWindowsServer", Offer: "WindowsServer", SKU: "2022-datacenter"}
	if err := r.Catalogue.SetAlias(ctx, win, src); !fault.Is(err, "OperationNotSupported") {
		t.Error(err)
	}
}

func TestBaseIsMadeOnce(t *testing.T) {
	r := newRoom(t)
	r.base()
	first, _, err := r.Base(t.Context(), "debian:debian-12:12")
	must(t, err)
	must(t, os.Remove(r.data+"/base.tar"))
	again, _, err := r.Base(t.Context(), "Debian:Debian-12:12")
	must(t, err)
	if first[0].Digest != again[0].Digest {
		t.Fatal("another base")
	}
}

func TestSourcesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"host", "debootstrap:", "tar:/", "layout:/", "/"}).Draw(t, "kind") +
			rapid.StringMatching(`[a-z0-9./:-]{0,12}`).Draw(t, "arg")
		src, err := gallery.ParseSource(text)
		if err != nil {
			return
		}
		again, err := gallery.ParseSource(src.String())
		if err != nil || again != src {
			t.Fatalf("%q -> %v -> %v %v", text, src, again, err)
		}
	})
}

func FuzzParseAlias(f *testing.F) {
	f.Add("Canonical:UbuntuServer:18.04-LTS=host")
	f.Add("Debian:debian-12:12=debootstrap:bookworm")
	f.Add("a:b:c=/x.tar")
	f.Fuzz(func(t *testing.T, s string) {
		ref, src, err := gallery.ParseAlias(s)
		if err != nil {
			if !fault.Is(err, "InvalidParameter") {
				t.Fatal(err)
			}
			return
		}
		if ref.Publisher == "" || ref.Offer == "" || ref.SKU == "" || src.Kind == "" {
			t.Fatalf("%q: %v %v", s, ref, src)
		}
	})
}
