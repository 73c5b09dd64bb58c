package batchapi_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"millpond/internal/resource"
	"millpond/internal/web"
	"millpond/internal/web/batchapi"
	"millpond/internal/web/webtest"
)

// what is the same in every reply; TestEveryReplyHas looks at it.
var sameEverywhere = []string{"Server", "Strict-Transport-Security", "X-Content-Type-Options", "DataServiceVersion", "Request-Id", "Date"}

// The conversations succeed at least once in every operation that is routed.
func TestConversations(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*")
	must(t, err)
	var worlds []*world
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			webtest.Run(t, dir, func(t *testing.T) http.Handler {
				worlds = append(worlds, newWorld(t))
				return worlds[len(worlds)-1]
			}, sameEverywhere...)
		})
	}
	done := map[string]bool{}
	for _, w := range worlds {
		for _, m := range success.FindAllStringSubmatch(w.log.String(), -1) {
			done[m[1]] = true
		}
	}
	for _, r := range new(batchapi.API).Routes() {
		if !done[r.Operation] && !testing.Short() && flag.Lookup("test.run").Value.String() == "" {
			t.Errorf("no conversation shows %s succeed", r.Operation)
		}
	}
}

var success = regexp.MustCompile(`status=2\d\d .* operation=(\w+)`)

// ServeHTTP plays the client: it signs what has no Authorization (none: leave
// it out; Bearer NAME: that principal's token; SharedKey NAME: signed for that
// account), NODE in path or body is the pool's first node, /NEXT the last
// nextLink. The header Until repeats the request until the body holds its
// value. POST /-/advance/10s moves the clock, /-/write/FILE puts the body into
// a file of every node's folder, /-/release ends a stubborn task when it was cancelled,
// /-/imaged ends the making of the slow image.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	target := r.URL.RequestURI()
	if strings.Contains(target+string(body), "NODE") {
		id := w.firstNode(target)
		target, body = strings.ReplaceAll(target, "NODE", id), bytes.ReplaceAll(body, []byte("NODE"), []byte(id))
	}
	if verb, ok := strings.CutPrefix(r.URL.Path, "/-/"); ok {
		w.direct(verb, body)
		return
	}
	if r.URL.Path == "/NEXT" {
		next, err := url.Parse(w.next)
		must(w.t, err)
		target, r.Host = next.RequestURI(), next.Host
	}
	until := r.Header.Get("Until")
	r.Header.Del("Until")
	late := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		got := w.once(r, target, body)
		if until == "" || strconv.Itoa(got.Code) == until || len(until) > 3 && strings.Contains(got.Body.String(), until) {
			w.show(rw, got)
			return
		}
		select {
		case <-late:
			w.t.Errorf("%s %s: %v: %s\n%s", r.Method, target, errLate, until, got.Body)
			w.show(rw, got)
			return
		case <-tick.C:
		}
	}
}

func (w *world) once(from *http.Request, target string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(from.Context(), from.Method, target, bytes.NewReader(body))
	r.Host, r.Header = from.Host, from.Header.Clone()
	r.TLS = &tls.ConnectionState{}
	if r.Header.Get("Plain") != "" {
		r.Header.Del("Plain")
		r.TLS = nil
	}
	if len(body) > 0 || r.Method != http.MethodGet && r.Method != http.MethodHead {
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.authorize(r)
	h := w.byHost
	if strings.HasPrefix(r.URL.Path, "/batch/") {
		h = w.byPath
	}
	got := httptest.NewRecorder()
	h.ServeHTTP(got, r)
	return got
}

func (w *world) authorize(r *http.Request) {
	auth := r.Header.Get("Authorization")
	scheme, name, _ := strings.Cut(auth, " ")
	switch {
	case auth == "none":
		r.Header.Del("Authorization")
	case scheme == "Bearer" && w.tokens()[name] != "":
		r.Header.Set("Authorization", "Bearer "+w.tokens()[name])
	case auth == "":
		sign(r, "acct", keys[0], w.clock.Now())
	case scheme == "SharedKey" && !strings.Contains(name, ":"):
		sign(r, name, keys[1], w.clock.Now())
	}
}

// sign is what every shared-key client does.
func sign(r *http.Request, account string, key []byte, now resource.Ticks) {
	if r.Header.Get("ocp-date") == "" {
		r.Header.Set("ocp-date", web.HTTPDate(now))
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(web.StringToSign(r.Method, account, r.URL.EscapedPath(), r.URL.RawQuery, r.Header)))
	r.Header.Set("Authorization", "SharedKey "+account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func (w *world) direct(verb string, body []byte) {
	w.t.Helper()
	what, rest, _ := strings.Cut(verb, "/")
	switch what {
	case "advance":
		d, err := time.ParseDuration(rest)
		must(w.t, err)
		w.clock.Advance(resource.SpanOf(d))
	case "imaged":
		close(w.imaged)
	case "release": // stubborn tasks end, once they were asked to
		select {
		case end := <-w.cancelled:
			end()
		case <-time.After(10 * time.Second):
			w.t.Error("release: no stubborn task was cancelled")
		}
	case "write", "link":
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, n := range w.nodes {
			if what == "write" {
				n.write(rest, string(body))
				continue
			}
			_ = os.MkdirAll(filepath.Join(n.root, filepath.Dir(rest)), 0o755)
			must(w.t, os.Symlink(string(body), filepath.Join(n.root, rest)))
		}
	default:
		w.t.Fatalf("unknown direction %q", verb)
	}
}

var (
	poolPath = regexp.MustCompile(`/pools/([^/?]+)`)
	nodeID   = regexp.MustCompile(`tvmps_[0-9a-f]{64}_[dp]`)
	address  = regexp.MustCompile(`"127\.(\d+)\.\d+\.\d+"`)
	// a row's times move by single ticks while the clock stands still
	ticks = regexp.MustCompile(`\.12345(6[7-9]|7\d?)Z`)
	token = regexp.MustCompile(`WATV2:([A-Za-z0-9_-]+):1\$1`)
)

// firstNode is the id of a node of the pool that target names, or of any.
func (w *world) firstNode(target string) string {
	pools, err := w.db.ListPools(w.t.Context(), "uid-acct", "", 100)
	must(w.t, err)
	for _, p := range pools {
		if m := poolPath.FindStringSubmatch(target); m != nil && !strings.EqualFold(m[1], p.Spec.ID) {
			continue
		}
		nodes, err := w.db.ListNodes(w.t.Context(), p.UID, "", 1)
		must(w.t, err)
		if len(nodes) > 0 {
			return nodes[0].ID
		}
	}
	return "tvmps_none"
}

// show copies a reply with what differs from run to run masked.
func (w *world) show(rw http.ResponseWriter, got *httptest.ResponseRecorder) {
	var page struct {
		Next string `json:"odata.nextLink"`
	}
	if json.Unmarshal(got.Body.Bytes(), &page) == nil && page.Next != "" {
		w.next = page.Next
	}
	for name, values := range got.Header() {
		for _, v := range values {
			rw.Header()[name] = append(rw.Header()[name], mask(v))
		}
	}
	body := mask(got.Body.String())
	if len(body) > 0 && rw.Header().Get("Content-Length") != "" {
		rw.Header().Set("Content-Length", strconv.Itoa(len(body))) // of what is shown: addresses differ in length
	}
	rw.WriteHeader(got.Code)
	_, _ = io.WriteString(rw, body)
}

func mask(s string) string {
	s = token.ReplaceAllStringFunc(s, func(t string) string {
		if key, ok := web.DecodeToken(t); ok && strings.HasPrefix(key, "tvmps_") {
			return "WATV2:NODE:1$1"
		}
		return t
	})
	s = ticks.ReplaceAllString(nodeID.ReplaceAllString(s, "NODE"), ".1234567Z")
	return address.ReplaceAllStringFunc(s, func(a string) string {
		if a == `"127.0.0.1"` {
			return a
		}
		return `"ADDRESS"`
	})
}
