package web

import (
	"net/http"
	"time"
)

// patience is how long a client may take to send its body, and to take each
// piece of ours: one that does neither must not keep a connection, and a stream
// into a node, for ever. A request that is being worked on has no limit. These
// are deadlines of the network, so they go by the machine's clock.
const patience = 2 * time.Minute

// Patient serves h with a bound on what the server itself does with a
// connection after h: it reads the rest of a body nobody wanted and writes out
// what is buffered.
func Patient(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Time{}) // of the connection's request before
		defer func() {
			// The server sets a read deadline of its own for the next request.
			_ = control.SetReadDeadline(time.Now().Add(patience))
			_ = control.SetWriteDeadline(time.Now().Add(patience))
		}()
		h.ServeHTTP(w, r)
	})
}

// Hurry bounds the reading of a body; what it gives back ends the bound, which
// would otherwise cut off the request while it is worked on. A writer without a
// connection, as in tests, has no deadlines.
func Hurry(w http.ResponseWriter) (end func()) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(patience))
	return func() { _ = control.SetReadDeadline(time.Time{}) }
}
