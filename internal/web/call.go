package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/resource"
)

// Mount is how the client came in: which account by path or host, and the
// absolute base under which it sees the service. Nothing of it is ever stored.
type Mount struct {
	// Account is the Batch account named by host or path; "" on other faces.
	Account string
	// Base is scheme, host and prefix without a trailing slash:
	// https://127.0.0.1:8443/batch/acct or https://acct.westeurope.batch.azure.com.
	Base string
	// Prefix is the escaped part of the path that Base already holds: /batch/acct.
	Prefix string
}

// Call is one request on its way through a face.
type Call struct {
	Request   *http.Request
	Writer    http.ResponseWriter // for handlers that stream; others return a Reply
	Route     *Route
	Params    Params
	Mount     Mount
	ID        string // of the request, a lower-case GUID
	Version   string // api-version, "" when the face has none
	Principal identity.Principal
	Now       resource.Ticks // when the request came in

	face  *Face
	query url.Values
	body  []byte
	read  bool
}

// Context of the request.
func (c *Call) Context() context.Context { return c.Request.Context() }

// Param is the captured path part, unescaped.
func (c *Call) Param(name string) string { return c.Params.Get(name) }

// Query is the first value of the query parameter; names are compared without
// regard to case (facts/wire.md 1.3).
func (c *Call) Query(name string) string {
	v, _ := c.LookupQuery(name)
	return v
}

// LookupQuery tells an absent parameter from an empty one.
func (c *Call) LookupQuery(name string) (string, bool) {
	if v, ok := c.query[name]; ok {
		return v[0], true
	}
	for key, v := range c.query {
		if strings.EqualFold(key, name) {
			return v[0], true
		}
	}
	return "", false
}

// QueryBool reads a boolean parameter such as recursive; absent is false.
func (c *Call) QueryBool(name string) (bool, error) {
	v, ok := c.LookupQuery(name)
	if !ok || v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(strings.ToLower(v))
	if err != nil {
		return false, QueryFault(name, v, "The value must be true or false")
	}
	return b, nil
}

// QueryFault is Azure's InvalidQueryParameterValue.
func QueryFault(name, value, reason string) *fault.Error {
	return fault.New("InvalidQueryParameterValue", "").
		With("QueryParameterName", name).With("QueryParameterValue", value).With("Reason", reason)
}

// Header is the request's header value.
func (c *Call) Header(name string) string { return c.Request.Header.Get(name) }

// URL is the absolute address of a path below the mount; the parts are escaped
// and joined: c.URL("pools", id).
func (c *Call) URL(parts ...string) string {
	var b strings.Builder
	b.WriteString(c.Mount.Base)
	for _, p := range parts {
		b.WriteByte('/')
		b.WriteString(EscapeSegment(p))
	}
	return b.String()
}

// EscapeSegment escapes one path segment as Azure shows it: a colon stays
// (schedule:job-1), a slash does not.
func EscapeSegment(s string) string { return url.PathEscape(s) }

// path is the escaped path below the mount.
func (c *Call) path() string {
	return "/" + strings.TrimLeft(strings.TrimPrefix(c.Request.URL.EscapedPath(), c.Mount.Prefix), "/")
}

// Self is the absolute URL of the request without its query.
func (c *Call) Self() string { return c.Mount.Base + strings.TrimSuffix(c.path(), "/") }

// Body reads the request's body once; RequestBodyTooLarge above the face's limit.
func (c *Call) Body() ([]byte, error) {
	if c.read {
		return c.body, nil
	}
	limit := c.face.BodyLimit
	if limit == 0 {
		limit = BatchBodyLimit
	}
	defer Hurry(c.Writer)()
	if n := c.Request.ContentLength; n > limit {
		return nil, c.tooLarge(limit)
	}
	buf := make([]byte, 0, max(512, min(c.Request.ContentLength+1, limit+1)))
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := c.Request.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, c.tooLarge(limit)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fault.New("InvalidRequestBody", "").With("Reason", "The body ended early.").Because(err)
		}
	}
	c.body, c.read = buf, true
	return buf, nil
}

// tooLarge reads on for a while before it refuses: a client that is still
// sending when the connection closes sees a reset and not the 413 on which it
// would halve its batch.
func (c *Call) tooLarge(limit int64) error {
	_, _ = io.CopyN(io.Discard, c.Request.Body, 16*limit)
	return fault.New("RequestBodyTooLarge", "").With("MaxLimit", strconv.FormatInt(limit, 10))
}

// Decode reads the body into v, a pointer to a wire struct, refusing unknown
// properties, wrong types, unknown enum values, broken limits and missing
// required properties. An empty body is InvalidRequestBody.
func (c *Call) Decode(v any) error {
	body, err := c.Body()
	if err != nil {
		return err
	}
	return c.face.Schema.Decode(body, v, c.Version)
}

// DecodeOptional is Decode for actions whose body may be absent; it reports
// whether there was one.
func (c *Call) DecodeOptional(v any) (bool, error) {
	body, err := c.Body()
	if err != nil || len(strings.TrimSpace(string(body))) == 0 {
		return false, err
	}
	return true, c.face.Schema.Decode(body, v, c.Version)
}
