package web

import (
	"net/http"

	"millpond/internal/fault"
)

// Dialect is how a family of faces words its headers and errors: Batch for the
// data plane, ARM for Resource Manager and our own admin face.
type Dialect interface {
	// begin sets the headers every reply carries.
	begin(*Call)
	// success sets those of a reply without error.
	success(c *Call, h http.Header, status int, reply Reply)
	// envelope is what stands around the body.
	envelope(*Call, Reply) Envelope
	// failure sets the headers of an error and gives status and body; logged says
	// that the text was hidden from the client and belongs in the log.
	failure(c *Call, h http.Header, e *fault.Error) (status int, body []byte, logged bool)
}

// Envelope names the members around a body: odata.metadata (left out when
// empty) and the member that holds the next page.
type Envelope struct {
	Metadata string
	NextName string
}

// entry of a catalogue: the status of a code and its sentence, used when the
// fault brings none.
type entry struct {
	status   int
	sentence string
}
