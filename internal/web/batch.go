package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"millpond/internal/fault"
)

// Batch is the dialect of the Batch data plane (facts/wire.md 1.1, 1.7).
var Batch Dialect = batchDialect{}

type batchDialect struct{}

const batchJSON = "application/json;odata=minimalmetadata"

func (batchDialect) begin(c *Call) {
	h := c.Writer.Header()
	h.Set("Server", "Microsoft-HTTPAPI/2.0")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h["DataServiceVersion"] = []string{"3.0"}
	h.Set("request-id", c.ID)
	h.Set("Date", HTTPDate(c.Now))
	if id := clientID(c.Request); id != "" && strings.EqualFold(c.Header("return-client-request-id"), "true") {
		h.Set("client-request-id", id)
	}
}

func (batchDialect) success(c *Call, h http.Header, status int, reply Reply) {
	if reply.Body != nil {
		h.Set("Content-Type", batchJSON)
	}
	if reply.Modified != 0 {
		h["ETag"] = []string{reply.Modified.ETag()}
		h.Set("Last-Modified", HTTPDate(reply.Modified))
	}
	at := reply.At
	if at == "" {
		at = c.Self()
	}
	write := c.Request.Method == http.MethodPost || c.Request.Method == http.MethodPut || c.Request.Method == http.MethodPatch
	if c.Route.DataServiceID == Always || c.Route.DataServiceID == ByRule && write && status < 300 {
		h["DataServiceId"] = []string{at}
	}
	if status == http.StatusCreated {
		h.Set("Location", at)
	}
}

func (batchDialect) envelope(c *Call, reply Reply) Envelope {
	e := Envelope{NextName: "odata.nextLink"}
	if reply.Of != "" {
		e.Metadata = c.Mount.Base + "/$metadata#" + reply.Of
	}
	return e
}

type batchError struct {
	Metadata string         `json:"odata.metadata"`
	Code     string         `json:"code"`
	Message  batchMessage   `json:"message"`
	Values   []fault.Detail `json:"values,omitempty"`
}

type batchMessage struct {
	Lang  string `json:"lang"`
	Value string `json:"value"`
}

func (batchDialect) failure(c *Call, h http.Header, e *fault.Error) (int, []byte, bool) {
	known, ok := batchCatalogue[e.Code]
	hidden := !ok || known.status == http.StatusInternalServerError
	if hidden {
		e = fault.New("InternalError", "").Because(e)
		known = batchCatalogue["InternalError"]
	}
	status, sentence := known.status, e.Message
	if sentence == "" {
		sentence = known.sentence
	}
	if e.Code == "ConditionNotMet" && (c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead) &&
		!c.Conditions().write() {
		return http.StatusNotModified, nil, false
	}
	if status == http.StatusTooManyRequests && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	if c.Request.Method == http.MethodHead {
		return status, nil, hidden
	}
	h.Set("Content-Type", batchJSON)
	body := plainJSON(batchError{
		Metadata: c.Mount.Base + "/$metadata#Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element",
		Code:     e.Code,
		Message: batchMessage{"en-US", sentence + "\nRequestId:" + c.ID +
			"\nTime:" + ErrorTime(c.Now)},
		Values: e.Details,
	})
	return status, body, hidden
}

// plainJSON encodes without escaping <, > and &, as Azure does.
func plainJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// BatchSentence is the sentence a fault shows on the data plane, for errors
// that stand inside a body; known is false for codes clients never see.
func BatchSentence(e *fault.Error) (sentence string, known bool) {
	entry, ok := batchCatalogue[e.Code]
	if !ok || entry.status == http.StatusInternalServerError {
		return batchCatalogue["InternalError"].sentence, false
	}
	if e.Message != "" {
		return e.Message, true
	}
	return entry.sentence, true
}
