package web

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
)

// MaxPage is the most a page may hold and what it holds when nothing is asked.
const MaxPage = 1000

// Paging is where a list goes on. After is the key behind which the page
// begins, as the handler gave it to NextLink; "" is the start.
type Paging struct {
	Max   int
	After string
}

// Paging reads maxresults (1 to 1000) and $skiptoken; a face that pages
// otherwise, as Resource Manager's $top, reads those itself.
func (c *Call) Paging() (Paging, error) {
	p := Paging{Max: MaxPage}
	if text, ok := c.LookupQuery("maxresults"); ok {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		switch {
		case err != nil:
			return p, QueryFault("maxresults", clip(text, 40), "MaxResults must be an integer")
		case n < 1:
			return p, QueryFault("maxresults", text, "MaxResults cannot be less than 1")
		case n > MaxPage:
			return p, QueryFault("maxresults", text, "MaxResults cannot be greater than 1000")
		}
		p.Max = n
	}
	if text, ok := c.LookupQuery("$skiptoken"); ok {
		after, ok := DecodeToken(text)
		if !ok {
			return p, QueryFault("$skiptoken", clip(text, 40), "The token was not made by this service")
		}
		p.After = after
	}
	return p, nil
}

// The frame of a token; clients send it back encoded or raw.
const (
	tokenHead = "WATV2:"
	tokenTail = ":1$1"
)

// EncodeToken makes a $skiptoken of a key.
func EncodeToken(key string) string {
	return tokenHead + base64.RawURLEncoding.EncodeToString([]byte(key)) + tokenTail
}

// DecodeToken reads one back.
func DecodeToken(token string) (string, bool) {
	rest, head := strings.CutPrefix(token, tokenHead)
	rest, tail := strings.CutSuffix(rest, tokenTail)
	key, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	return string(key), head && tail && err == nil && len(key) > 0
}

// NextLink is the absolute address of the page behind key: the query as it was,
// then the token, raw (facts/wire.md 1.6). An empty key is the last page.
func (c *Call) NextLink(key string) string {
	if key == "" {
		return ""
	}
	var kept []string
	for _, pair := range strings.Split(c.Request.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); pair == "" || err == nil && strings.EqualFold(plain, "$skiptoken") {
			continue
		}
		kept = append(kept, pair)
	}
	kept = append(kept, "$skiptoken="+EncodeToken(key))
	return c.Self() + "?" + strings.Join(kept, "&")
}
