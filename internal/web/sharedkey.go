package web

import (
	"net/http"
	"net/url"
	"sort"
	"strings"
	"time"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// MaxSkew is how far a signed request's date may lie from now.
const MaxSkew = 15 * time.Minute

// SharedKey splits an Authorization header of the form
// "SharedKey account:signature"; false for any other.
func SharedKey(authorization string) (account, signature string, ok bool) {
	scheme, rest, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "SharedKey") {
		return "", "", false
	}
	account, signature, ok = strings.Cut(strings.TrimSpace(rest), ":")
	return account, signature, ok && account != "" && signature != ""
}

// Bearer gives the token of "Bearer token"; false for any other header.
func Bearer(authorization string) (token string, ok bool) {
	scheme, rest, _ := strings.Cut(authorization, " ")
	token = strings.TrimSpace(rest)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

// the headers that are signed by value, in their fixed order
var signedHeaders = [...]string{"Content-Encoding", "Content-Language", "Content-Length", "Content-Md5", "Content-Type",
	"Date", "If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"}

// StringToSign is the text a shared-key client signs (facts/az.md 5): verb,
// eleven headers, ocp-* headers, account and path as sent, query. It is pure:
// escapedPath and rawQuery are those of the request line, header as it came
// (Content-Length "0" and an absent one differ).
func StringToSign(method, account, escapedPath, rawQuery string, header http.Header) string {
	var b strings.Builder
	b.Grow(512)
	b.WriteString(method)
	b.WriteByte('\n')
	for _, name := range signedHeaders {
		b.WriteString(header.Get(name))
		b.WriteByte('\n')
	}
	writeOCP(&b, header)
	b.WriteByte('/')
	b.WriteString(account)
	b.WriteString(escapedPath)
	writeQuery(&b, rawQuery)
	return b.String()
}

func writeOCP(b *strings.Builder, header http.Header) {
	var names []string
	for name := range header {
		if strings.Contains(strings.ToLower(name), "ocp-") {
			names = append(names, name)
		}
	}
	sort.Slice(names, func(i, j int) bool { return strings.ToLower(names[i]) < strings.ToLower(names[j]) })
	for _, name := range names {
		b.WriteString(strings.ToLower(name))
		b.WriteByte(':')
		if values := header[name]; len(values) > 0 {
			b.WriteString(values[0])
		}
		b.WriteByte('\n')
	}
}

// writeQuery adds the first value of each name, decoded and sorted by name as
// spelled; empty values are left out.
func writeQuery(b *strings.Builder, rawQuery string) {
	type pair struct{ name, value string }
	var pairs []pair
	seen := map[string]bool{}
	for _, text := range strings.Split(rawQuery, "&") {
		name, value, _ := strings.Cut(text, "=")
		name, value = unescape(name), unescape(value)
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		if value != "" {
			pairs = append(pairs, pair{name, value})
		}
	}
	sort.SliceStable(pairs, func(i, j int) bool { return pairs[i].name < pairs[j].name })
	for _, p := range pairs {
		b.WriteByte('\n')
		b.WriteString(p.name)
		b.WriteByte(':')
		b.WriteString(p.value)
	}
}

func unescape(s string) string {
	plain, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return plain
}

// StringToSign of the request as it came in, for the account it claims. The path is
// the whole one, mount prefix included: clients sign what they send. HTTP/1 keeps
// Content-Length among the headers, so an absent one and "0" stay apart.
func (c *Call) StringToSign(account string) string {
	r := c.Request
	return StringToSign(r.Method, account, r.URL.EscapedPath(), r.URL.RawQuery, r.Header)
}

// CheckSkew refuses a signed request whose ocp-date (or Date) is missing,
// unreadable or more than MaxSkew from now, with AuthenticationFailed.
func CheckSkew(header http.Header, now resource.Ticks) error {
	text := header.Get("ocp-date")
	if text == "" {
		text = header.Get("Date")
	}
	refuse := func(detail string) error {
		return fault.New("AuthenticationFailed", "").With("AuthenticationErrorDetail", detail)
	}
	if text == "" {
		return refuse("The ocp-date or Date header must be specified.")
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return refuse("The ocp-date or Date header is not a valid RFC 1123 date.")
	}
	if skew := now.Time().Sub(at); skew > MaxSkew || skew < -MaxSkew {
		return refuse("The request date header is too old or too far ahead: sent " + at.UTC().Format(http.TimeFormat) + ", received " + HTTPDate(now) + ".")
	}
	return nil
}
