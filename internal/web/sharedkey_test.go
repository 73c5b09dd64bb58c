package web

import (
	"net/http"
	"strings"
	"testing"

	"millpond/internal/fault"
)

func header(lines ...string) http.Header {
	h := http.Header{}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		h.Set(name, value)
	}
	return h
}

// The examples of facts/az.md 5, which the real clients signed.
func TestStringToSign(t *testing.T) {
	const date = "Fri, 20 Nov 2026 15:10:37 GMT"
	for name, test := range map[string]struct {
		method, path, query string
		header              http.Header
		want                string
	}{
		"post with a body, path style": {
			"POST", "/batch/myaccount/pools", "api-version=2022-10-01.16.0&timeout=30",
			header("Content-Length: 240", "Content-Type: application/json; odata=minimalmetadata; charset=utf-8", "ocp-date: "+date, "client-request-id: x", "accept-language: en-US"),
			"POST\n\n\n240\n\napplication/json; odata=minimalmetadata; charset=utf-8\n\n\n\n\n\n\nocp-date:" + date + "\n/myaccount/batch/myaccount/pools\napi-version:2022-10-01.16.0\ntimeout:30",
		},
		"delete with a length of nothing and a condition": {
			"DELETE", "/batch/myaccount/jobs/myjob", "timeout=30&api-version=2022-10-01.16.0",
			header("Content-Length: 0", `If-Match: "0x8"`, "ocp-date: "+date),
			"DELETE\n\n\n0\n\n\n\n\n\"0x8\"\n\n\n\nocp-date:" + date + "\n/myaccount/batch/myaccount/jobs/myjob\napi-version:2022-10-01.16.0\ntimeout:30",
		},
		"an escaped file name and a range": {
			"GET", "/jobs/j/tasks/t/files/wd%2Fsub%2Fa.txt", "api-version=2022-10-01.16.0&timeout=30",
			header("ocp-range: bytes=0-3", "ocp-date: "+date),
			"GET\n\n\n\n\n\n\n\n\n\n\n\nocp-date:" + date + "\nocp-range:bytes=0-3\n/myaccount/jobs/j/tasks/t/files/wd%2Fsub%2Fa.txt\napi-version:2022-10-01.16.0\ntimeout:30",
		},
		"a query with dollars, blanks and an empty value": {
			"GET", "/pools", "%24filter=state%20eq%20%27active%27&$select=id,state&api-version=2022-10-01.16.0&maxresults=1000&timeout=30&empty=&timeout=31",
			header("ocp-date: " + date),
			"GET\n\n\n\n\n\n\n\n\n\n\n\nocp-date:" + date + "\n/myaccount/pools\n$filter:state eq 'active'\n$select:id,state\napi-version:2022-10-01.16.0\nmaxresults:1000\ntimeout:30",
		},
		"the Java client signs Date": {
			"GET", "/pools", "api-version=2024-07-01.20.0", header("Date: " + date),
			"GET\n\n\n\n\n\n" + date + "\n\n\n\n\n\n/myaccount/pools\napi-version:2024-07-01.20.0",
		},
	} {
		if got := StringToSign(test.method, "myaccount", test.path, test.query, test.header); got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, test.want)
		}
	}
}

func TestSharedKeyHeader(t *testing.T) {
	for text, want := range map[string]string{
		"SharedKey acct:c2ln": "acct c2ln", "sharedkey acct:a:b": "acct a:b", "Bearer x": "", "SharedKey": "", "SharedKey acct": "", "SharedKey :x": "", "SharedKeyLite a:b": "",
	} {
		account, signature, ok := SharedKey(text)
		if ok != (want != "") || ok && account+" "+signature != want {
			t.Errorf("%q: %q %q %v", text, account, signature, ok)
		}
	}
	if token, ok := Bearer("bearer abc"); !ok || token != "abc" {
		t.Error(token, ok)
	}
	if _, ok := Bearer("Bearer "); ok {
		t.Error("an empty token passed")
	}
}

func TestSkew(t *testing.T) {
	now, _ := ParseTime("2026-11-20T15:10:37Z")
	for text, pass := range map[string]bool{
		"ocp-date: Fri, 20 Nov 2026 15:10:37 GMT": true,
		"ocp-date: Fri, 20 Nov 2026 14:56:00 GMT": true,
		"ocp-date: Fri, 20 Nov 2026 15:25:00 GMT": true,
		"Date: Fri, 20 Nov 2026 15:10:37 GMT":     true,
		"ocp-date: Fri, 20 Nov 2026 14:55:36 GMT": false,
		"ocp-date: Fri, 20 Nov 2026 15:25:38 GMT": false,
		"ocp-date: yesterday":                     false,
		"X-Date: Fri, 20 Nov 2026 15:10:37 GMT":   false,
	} {
		if err := CheckSkew(header(text), now.Ticks()); (err == nil) != pass || err != nil && !fault.Is(err, "AuthenticationFailed") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzStringToSign(f *testing.F) {
	f.Add("GET", "/pools", "a=1&$filter=x%20eq%20'y'&a=2", "ocp-date", "v")
	f.Add("POST", "/p%2Fq", "%zz&=&&b", "Content-Length", "0")
	f.Fuzz(func(t *testing.T, method, path, query, name, value string) {
		h := http.Header{name: {value}}
		one := StringToSign(method, "acct", path, query, h)
		if one != StringToSign(method, "acct", path, query, h) {
			t.Fatal("two readings differ")
		}
		if !strings.HasPrefix(one, method+"\n") || !strings.Contains(one, "/acct"+path) {
			t.Fatalf("%q lacks the method or the path", one)
		}
		if other := StringToSign(method, "acct", path+"x", query, h); other == one {
			t.Fatal("another path signs alike")
		}
	})
}
