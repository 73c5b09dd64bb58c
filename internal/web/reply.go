package web

import (
	"net/http"

	"millpond/internal/resource"
)

// Reply is what a handler answers; the face's dialect turns it into headers
// and bytes. The zero Reply is an empty body with the route's status.
type Reply struct {
	Status int // 0 is the route's
	// Modified gives ETag and Last-Modified; 0 leaves both out.
	Modified resource.Ticks
	// ETag is for tags that are not the data plane's tick, as Resource
	// Manager's quoted ones; it wins over Modified.
	ETag string
	// At is the absolute URL (Call.URL) shown as Location on 201 and as
	// DataServiceId; "" is the request's own.
	At string
	// Of is the odata.metadata fragment: pools/@Element.
	Of string
	// Body is encoded as JSON: a pointer to a wire struct, a Values, a map or a
	// json.RawMessage; nil is no body.
	Body any
	// Header adds to the dialect's headers.
	Header http.Header
	// Stream writes a body that is not JSON, after the headers. Its errors can
	// only be logged. On HEAD it is not called.
	Stream func(http.ResponseWriter) error
}

// Values is a page of a list. Next is the full nextLink, "" on the last page.
type Values struct {
	Items any // a slice; nil is written as []
	Next  string
}

// Empty is a reply without body; modified 0 leaves the ETag out.
func Empty(modified resource.Ticks) Reply { return Reply{Modified: modified} }

// Created is the reply to an add: no body, Location and DataServiceId at.
func Created(modified resource.Ticks, at string) Reply { return Reply{Modified: modified, At: at} }

// Entity is one object; of is its odata.metadata fragment, "" on faces without.
func Entity(of string, modified resource.Ticks, body any) Reply {
	return Reply{Of: of, Modified: modified, Body: body}
}

// List is one page; next comes from Call.NextLink.
func List(of string, items any, next string) Reply {
	return Reply{Of: of, Body: Values{Items: items, Next: next}}
}
