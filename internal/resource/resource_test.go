package resource

import (
	"strings"
	"testing"
	"time"

	"millpond/internal/fault"
)

func TestTicksAreAzures(t *testing.T) {
	// Pairs of lastModified and eTag as the service wrote them (facts/wire.md 1.2).
	for at, etag := range map[string]string{
		"2023-09-06T09:12:55.7214155Z": "0x8DBAEB974F159CB",
		"2022-02-03T04:23:43.0021305Z": "0x8D9E6CCF65384B9",
		"2023-10-17T08:48:43.423611Z":  "0x8DBCEEDDE3E0ACE",
	} {
		when, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			t.Fatal(err)
		}
		ticks := TicksOf(when)
		if ticks.ETag() != etag || !ticks.Time().Equal(when) {
			t.Errorf("%s: %s %s", at, ticks.ETag(), ticks.Time())
		}
	}
}

func TestSystemClockRises(t *testing.T) {
	c := SystemClock()
	for last, i := Ticks(0), 0; i < 1000; i++ {
		now := c.Now()
		if now <= last {
			t.Fatalf("%d after %d", now, last)
		}
		last = now
	}
}

func TestParseID(t *testing.T) {
	const full = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.Compute/galleries/G/images/D/versions/1.0.0"
	id, err := ParseID(strings.Replace(full, "resourceGroups", "resourcegroups", 1))
	if err != nil || id.String() != full || id.Name() != "1.0.0" || !id.Is("microsoft.compute/galleries/images/versions") {
		t.Fatalf("%v %v", id, err)
	}
	if p := id.Parent().Parent().Parent(); p.String() != "/subscriptions/S/resourceGroups/rg" {
		t.Fatal(p)
	}
	for _, bad := range []string{"", "x", "/", "//", "/subscriptions", "/subscriptions/s/x", "/subscriptions/s/providers/p",
		"/subscriptions/s/providers/p/t", "/subscriptions/s/resourceGroups", strings.Repeat("/a", 2000)} {
		if _, err := ParseID(bad); !fault.Is(err, "LinkedInvalidPropertyId") {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("/subscriptions/S/resourceGroups/rg/providers/Microsoft.Compute/galleries/G")
	f.Add("/providers/Microsoft.Authorization/roleDefinitions/x")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err != nil {
			return
		}
		again, err := ParseID(id.String())
		if err != nil || again.Fold() != id.Fold() {
			t.Fatalf("%q -> %q: %v", s, id, err)
		}
	})
}
