package web

import (
	"testing"

	"millpond/internal/resource"
)

func TestTimeFormats(t *testing.T) {
	for _, test := range []struct{ in, text, seven, offset, header string }{
		{"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.0000000Z", "2024-02-29T00:00:00+00:00", "Thu, 29 Feb 2024 00:00:00 GMT"},
		{"2023-09-06T09:12:46.633496Z", "2023-09-06T09:12:46.633496Z", "2023-09-06T09:12:46.6334960Z", "2023-09-06T09:12:46.633496+00:00", "Wed, 06 Sep 2023 09:12:46 GMT"},
		{"2023-07-10T11:06:34.59840921-07:00", "2023-07-10T18:06:34.5984092Z", "2023-07-10T18:06:34.5984092Z", "2023-07-10T18:06:34.5984092+00:00", "Mon, 10 Jul 2023 18:06:34 GMT"},
		{"2024-01-02T03:04:05", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05.0000000Z", "2024-01-02T03:04:05+00:00", "Tue, 02 Jan 2024 03:04:05 GMT"},
	} {
		at, ok := ParseTime(test.in)
		if !ok || at.String() != test.text || ErrorTime(at.Ticks()) != test.seven || Compute(at).String() != test.offset || HTTPDate(at.Ticks()) != test.header {
			t.Errorf("%s: %s %s %s %s %v", test.in, at, ErrorTime(at.Ticks()), Compute(at), HTTPDate(at.Ticks()), ok)
		}
	}
	for _, bad := range []string{"", "now", "2024-13-01T00:00:00Z", "2024-02-30T00:00:00Z", "0000-01-01T00:00:00Z"} {
		if at, ok := ParseTime(bad); ok {
			t.Errorf("%q was read as %s", bad, at)
		}
	}
}

// The pairs of facts/wire.md 1.4.
func TestDurations(t *testing.T) {
	for in, want := range map[string]string{
		"PT01H00M00S": "PT1H", "PT06M00S": "PT6M", "P1D": "P1D", "P3Y6M4DT12H30M5S": "P1279DT12H30M5S", "PT0S": "PT0S", "P0D": "PT0S",
		"P10675199DT2H48M5.4775807S": "P10675199DT2H48M5.4775807S", "P10675199DT2H48M5.477S": "P10675199DT2H48M5.477S",
		"PT90M": "PT1H30M", "PT36H": "P1DT12H", "P2W": "P14D", "-PT5M": "-PT5M", "PT0.5S": "PT0.5S", "PT1.123456789S": "PT1.1234567S",
	} {
		d, ok := ParseDuration(in)
		if !ok || d.String() != want {
			t.Errorf("%s: %s %v, want %s", in, d, ok, want)
		}
	}
	for _, bad := range []string{"", "P", "PT", "1D", "P1", "PT1", "P1DT", "PT1M1H", "P1D1D", "PT1.5M", "PT.5S", "PT1.S", "P-1D", "P99999999999D", "P10675199DT2H48M5.4775808S", "PT1H ", "p1d"} {
		if d, ok := ParseDuration(bad); ok {
			t.Errorf("%q was read as %s", bad, d)
		}
	}
	if got := Duration(resource.MaxSpan).String(); got != "P10675199DT2H48M5.4775807S" {
		t.Error(got)
	}
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"PT01H00M00S", "P3Y6M4DT12H30M5S", "P10675199DT2H48M5.4775807S", "-PT0.0000001S", "P1W"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := ParseDuration(s)
		if !ok {
			return
		}
		again, ok := ParseDuration(d.String())
		if !ok || again != d {
			t.Fatalf("%q -> %s -> %s %v", s, d, again, ok)
		}
	})
}

func TestConditions(t *testing.T) {
	at, _ := ParseTime("2024-02-29T12:00:00.1234567Z")
	now := at.Ticks()
	tag := now.ETag()
	same, before := httpTime("Thu, 29 Feb 2024 12:00:00 GMT"), httpTime("Thu, 29 Feb 2024 11:59:59 GMT")
	for name, test := range map[string]struct {
		c    Conditions
		at   resource.Ticks
		pass bool
	}{
		"none":                          {Conditions{}, now, true},
		"match":                         {Conditions{IfMatch: tag}, now, true},
		"match quoted":                  {Conditions{IfMatch: `"` + tag + `"`}, now, true},
		"match weak":                    {Conditions{IfMatch: `W/"` + tag + `"`}, now, true},
		"match one of two":              {Conditions{IfMatch: `"0x1", ` + tag}, now, true},
		"match star":                    {Conditions{IfMatch: "*"}, now, true},
		"match star of nothing":         {Conditions{IfMatch: "*"}, 0, false},
		"match other":                   {Conditions{IfMatch: "0x1"}, now, false},
		"match is textual":              {Conditions{IfMatch: "0X8dc391"}, now, false},
		"none-match other":              {Conditions{IfNoneMatch: "0x1"}, now, true},
		"none-match same":               {Conditions{IfNoneMatch: tag}, now, false},
		"none-match star":               {Conditions{IfNoneMatch: "*"}, now, false},
		"none-match star of nothing":    {Conditions{IfNoneMatch: "*"}, 0, true},
		"unmodified since":              {Conditions{IfUnmodifiedSince: same}, now, true},
		"unmodified since before":       {Conditions{IfUnmodifiedSince: before}, now, false},
		"modified since before":         {Conditions{IfModifiedSince: before}, now, true},
		"modified since":                {Conditions{IfModifiedSince: same}, now, false},
		"none-match outdoes modified":   {Conditions{IfNoneMatch: "0x1", IfModifiedSince: same}, now, true},
		"match and unmodified, one bad": {Conditions{IfMatch: tag, IfUnmodifiedSince: before}, now, false},
	} {
		if err := test.c.Check(test.at); (err == nil) != test.pass {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokens(t *testing.T) {
	for _, key := range []string{"a", "pool one", "täsk", "\x00\xff"} {
		if got, ok := DecodeToken(EncodeToken(key)); !ok || got != key {
			t.Errorf("%q: %q %v", key, got, ok)
		}
	}
	for _, bad := range []string{"", "WATV2:", "WATV2::1$1", "YQ", "WATV2:YQ", "WATV2:Y!:1$1", "WATV2:YQ==:1$1"} {
		if key, ok := DecodeToken(bad); ok {
			t.Errorf("%q was read as %q", bad, key)
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add(EncodeToken("pool"))
	f.Add("WATV2:YR:1$1")
	f.Fuzz(func(t *testing.T, s string) {
		if key, ok := DecodeToken(s); ok && EncodeToken(key) != s {
			t.Fatalf("%q -> %q -> %q", s, key, EncodeToken(key))
		}
	})
}

func TestVersions(t *testing.T) {
	v := &Versions{Known: []string{"2016-02-01.3.0", "2024-07-01.20.0", "2025-06-01"}}
	if got, err := v.Check("2024-07-01.20.0"); got != "2024-07-01.20.0" || err != nil {
		t.Error(got, err)
	}
	if got, err := v.Check("2099-01-01"); got != "2025-06-01" || err == nil {
		t.Error(got, err)
	}
	if _, err := v.Check(""); err == nil {
		t.Error("an absent version passed")
	}
	loose := &Versions{}
	for text, pass := range map[string]bool{"2021-04-01": true, "2018-01-01-preview": true, "2015-01-01": true, "": false, "latest": false, "2021-4-1": false, "2021-04-01'--": false} {
		if _, err := loose.Check(text); (err == nil) != pass {
			t.Errorf("%q: %v", text, err)
		}
	}
}
