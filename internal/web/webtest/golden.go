package webtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden responses anew")

// Run plays every dir/*.txtar against a fresh handler each. In a file the
// sections stand in pairs, "NAME.request" and "NAME.response". A request is
//
//	METHOD /path?query
//	Header: value
//
//	body
//
// and a response its status, headers and body (JSON is indented; GUIDs are shown
// as GUID). The Host is acct.westeurope.batch.azure.com unless a header says
// otherwise. Headers in hide are not compared. Run with -update to write them.
func Run(t *testing.T, dir string, fresh func(*testing.T) http.Handler, hide ...string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations in %s: %v", dir, err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			play(t, path, fresh(t), hide)
		})
	}
}

func play(t *testing.T, path string, handler http.Handler, hide []string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []txtar.File
	for _, f := range archive.Files {
		name, isRequest := strings.CutSuffix(f.Name, ".request")
		if !isRequest {
			continue
		}
		got := Ask(t, handler, string(f.Data), hide...)
		out = append(out, f, txtar.File{Name: name + ".response", Data: []byte(got)})
		i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == name+".response" })
		if *update {
			continue
		}
		if i < 0 {
			t.Errorf("%s: no response is recorded; run with -update", name)
		} else if diff := cmp.Diff(string(archive.Files[i].Data), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if *update {
		archive.Files = out
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var guid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// Ask sends one request in the format of Run and gives the response in it.
func Ask(t *testing.T, handler http.Handler, text string, hide ...string) string {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	lines := bufio.NewScanner(strings.NewReader(head))
	lines.Scan()
	method, target, ok := strings.Cut(lines.Text(), " ")
	if !ok {
		t.Fatalf("bad request line %q", lines.Text())
	}
	r := httptest.NewRequestWithContext(t.Context(), method, strings.ReplaceAll(target, " ", "%20"), strings.NewReader(strings.TrimSuffix(body, "\n")))
	r.Host = "acct.westeurope.batch.azure.com"
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		if strings.EqualFold(name, "Host") {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return show(w, hide)
}

func show(w *httptest.ResponseRecorder, hide []string) string {
	var b strings.Builder
	fmt.Fprintln(&b, w.Code)
	var names []string
	for name := range w.Header() {
		if !slices.ContainsFunc(hide, func(h string) bool { return strings.EqualFold(h, name) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range w.Header()[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	text := w.Body.Bytes()
	var pretty bytes.Buffer
	if strings.Contains(w.Header().Get("Content-Type"), "json") && json.Indent(&pretty, text, "", "  ") == nil {
		text = pretty.Bytes()
	}
	if len(text) > 0 {
		fmt.Fprintf(&b, "\n%s\n", text)
	}
	return guid.ReplaceAllString(b.String(), "GUID")
}
