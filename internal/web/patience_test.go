package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// bounded is a connection that notes the deadlines it is given.
type bounded struct {
	*httptest.ResponseRecorder
	read, write []time.Time
}

func (b *bounded) SetReadDeadline(t time.Time) error  { b.read = append(b.read, t); return nil }
func (b *bounded) SetWriteDeadline(t time.Time) error { b.write = append(b.write, t); return nil }

// A body that never comes and an answer nobody takes end; the work between has
// no limit, and the next request of the connection starts without one.
func TestClientsHaveDeadlines(t *testing.T) {
	w := &bounded{ResponseRecorder: httptest.NewRecorder()}
	soon := func(at time.Time) bool { left := time.Until(at); return left > patience/2 && left <= patience }
	Patient(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if len(w.write) != 1 || !w.write[0].IsZero() || len(w.read) != 0 {
			t.Errorf("at the start: read %v, write %v", w.read, w.write)
		}
		out := &recorder{ResponseWriter: w}
		c := &Call{Request: r, Writer: out, face: &Face{}}
		if _, err := c.Body(); err != nil {
			t.Fatal(err)
		}
		if len(w.read) != 2 || !soon(w.read[0]) || !w.read[1].IsZero() || len(w.write) != 1 {
			t.Errorf("after the body: read %v, write %v", w.read, w.write)
		}
		if _, err := out.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if len(w.write) != 2 || !soon(w.write[1]) {
			t.Errorf("after a piece: write %v", w.write)
		}
	})).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/x", strings.NewReader("{}")))
	if len(w.read) != 3 || !soon(w.read[2]) || len(w.write) != 3 || !soon(w.write[2]) {
		t.Errorf("at the end: read %v, write %v", w.read, w.write)
	}
}
