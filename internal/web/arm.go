package web

import (
	"net/http"
	"strings"

	"millpond/internal/fault"
)

// ARM is the dialect of Resource Manager (facts/wire.md 3.1, 3.8).
var ARM Dialect = armDialect{}

type armDialect struct{}

func (armDialect) begin(c *Call) {
	h := c.Writer.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "-1")
	h.Set("Server", "Microsoft-HTTPAPI/2.0")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Date", HTTPDate(c.Now))
	h.Set("x-ms-request-id", c.ID)
	correlation := c.Header("x-ms-correlation-request-id")
	if correlation == "" || len(correlation) > 64 {
		correlation = c.ID
	}
	h.Set("x-ms-correlation-request-id", correlation)
	if id := c.Header("x-ms-client-request-id"); id != "" && strings.EqualFold(c.Header("x-ms-return-client-request-id"), "true") {
		h.Set("x-ms-client-request-id", id)
	}
}

func (armDialect) success(c *Call, h http.Header, status int, reply Reply) {
	if reply.Body != nil {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	tag := reply.ETag
	if tag == "" && reply.Modified != 0 {
		tag = `"` + reply.Modified.ETag() + `"`
	}
	if tag != "" {
		h["ETag"] = []string{tag}
	}
	if reply.Modified != 0 {
		h.Set("Last-Modified", HTTPDate(reply.Modified))
	}
	if reply.At != "" {
		h.Set("Location", reply.At)
	}
}

func (armDialect) envelope(*Call, Reply) Envelope { return Envelope{NextName: "nextLink"} }

type armError struct {
	Error armProblem `json:"error"`
}

type armProblem struct {
	Code    string       `json:"code"`
	Message string       `json:"message"`
	Target  string       `json:"target,omitempty"`
	Details []armProblem `json:"details,omitempty"`
}

func (armDialect) failure(c *Call, h http.Header, e *fault.Error) (int, []byte, bool) {
	known, ok := armCatalogue[e.Code]
	hidden := !ok || known.status == http.StatusInternalServerError
	if hidden {
		e = fault.New("InternalServerError", "").Because(e)
		known = armCatalogue[e.Code]
	}
	if known.code != "" {
		e = &fault.Error{Code: known.code, Message: e.Message, Details: e.Details}
	}
	problem := armProblem{Code: e.Code, Message: e.Message}
	if problem.Message == "" {
		problem.Message = known.sentence
	}
	for _, d := range e.Details {
		switch d.Key {
		case "PropertyName", "target":
			problem.Target = d.Value
		case "Reason": // clients show the message and little else
			problem.Message = strings.TrimSuffix(problem.Message, ".") + ": " + d.Value
		default:
			problem.Details = append(problem.Details, armProblem{Code: d.Key, Message: d.Value})
		}
	}
	if known.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer authorization_uri="`+Origin(c.Request)+`/adfs", error="invalid_token", error_description="`+
			strings.ReplaceAll(problem.Message, `"`, `'`)+`"`)
	}
	h.Set("x-ms-failure-cause", "gateway")
	h.Set("Content-Type", "application/json; charset=utf-8")
	return known.status, plainJSON(armError{problem}), hidden
}
