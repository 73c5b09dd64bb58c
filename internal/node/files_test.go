package node

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/node/wire"
)

func code(err error) string {
	var known *wire.StreamError
	if errors.As(err, &known) {
		return known.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// fileNode is a node with workitems/j/job-1/t/{wd/{a,deep/b},stdout.txt} and traps.
func fileNode(t *testing.T) (*machine, *call) {
	t.Helper()
	s := newService(t)
	m := startAgent(t, s, base(t))
	c := s.call()
	dir := filepath.Join(m.tasksRoot, "workitems/j/job-1/t")
	if err := os.MkdirAll(dir+"/wd/deep", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/wd/a", "0123456789")
	write(t, dir+"/wd/deep/b", "b")
	write(t, dir+"/stdout.txt", "out\n")
	write(t, filepath.Join(m.root, "secret"), "host secret")
	for from, to := range map[string]string{
		dir + "/wd/abs": "/etc/passwd", dir + "/wd/up": "../../../../../../secret", dir + "/wd/out": m.root,
		dir + "/wd/inside": "deep/b", dir + "/wd/loop": "loop",
	} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(dir+"/wd/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	return m, c
}

func TestFileList(t *testing.T) {
	_, c := fileNode(t)
	_, got, err := c.stream(wire.Open{Kind: wire.StreamFileList, Path: ""})
	if err != nil {
		t.Fatal(err)
	}
	var top []string
	for _, f := range got.Files {
		if !f.Dir || f.Mode&syscall.S_IFMT != syscall.S_IFDIR {
			t.Errorf("%+v", f)
		}
		top = append(top, f.Name)
	}
	slices.Sort(top)
	if diff := cmp.Diff([]string{"applications", "fsmounts", "shared", "startup", "volatile", "workitems"}, top); diff != "" {
		t.Error(diff)
	}
	_, got, err = c.stream(wire.Open{Kind: wire.StreamFileList, Path: "workitems/j/job-1/t", Recursive: true})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	depth := 0
	for _, f := range got.Files {
		if n := strings.Count(f.Name, "/"); n < depth {
			t.Errorf("%s comes after deeper entries", f.Name)
		} else {
			depth = n
		}
		if f.Name == "wd/a" && (f.Size != 10 || f.Mode != 0o100644 || f.Modified < unixEpoch) {
			t.Errorf("%+v", f)
		}
		names = append(names, f.Name)
	}
	slices.Sort(names)
	want := []string{"stdout.txt", "wd", "wd/a", "wd/abs", "wd/deep", "wd/deep/b", "wd/fifo", "wd/inside", "wd/loop", "wd/out", "wd/up"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestFileRead(t *testing.T) {
	_, c := fileNode(t)
	const a = "workitems/j/job-1/t/wd/a"
	for _, x := range []struct {
		path           string
		offset, length int64
		want, code     string
	}{
		{path: a, length: -1, want: "0123456789"},
		{path: a, offset: 1, length: 2, want: "12"},
		{path: a, offset: 8, length: 100, want: "89"},
		{path: a, offset: 10, length: -1, want: ""},
		{path: a, length: 0, want: ""},
		{path: "workitems/j/job-1/t/wd/inside", length: -1, want: "b"},
		{path: a, offset: 11, length: -1, code: "InvalidRange"},
		{path: a, offset: -1, length: -1, code: "InvalidRange"},
		{path: a, length: -2, code: "InvalidRange"},
		{path: "workitems/j/job-1/t/wd", length: -1, code: "FileNotFound"},
		{path: "workitems/j/job-1/t/wd/fifo", length: -1, code: "FileNotFound"},
		{path: "workitems/j/job-1/t/wd/none", length: -1, code: "FileNotFound"},
		{path: a + "/x", length: -1, code: "FileNotFound"},
		{path: "workitems/j/job-1/t/wd/abs", length: -1, code: "FileNotFound"},
		{path: "workitems/j/job-1/t/wd/up", length: -1, code: "FileNotFound"},
		{path: "workitems/j/job-1/t/wd/out/secret", length: -1, code: "FileNotFound"},
		{path: "workitems/j/job-1/t/wd/loop", length: -1, code: "FileNotFound"},
		{path: "../secret", length: -1, code: "InvalidUri"},
		{path: "/etc/passwd", length: -1, code: "InvalidUri"},
		{path: "workitems/../../secret", length: -1, code: "InvalidUri"},
	} {
		s, opened, err := c.stream(wire.Open{Kind: wire.StreamFileRead, Path: x.path, Offset: x.offset, Length: x.length})
		if code(err) != x.code {
			t.Errorf("%+v: %v", x, err)
			continue
		}
		if err == nil {
			if got, err := io.ReadAll(s); err != nil || string(got) != x.want || opened.File == nil {
				t.Errorf("%+v: %q %v", x, got, err)
			}
		}
		s.Close()
	}
}

func TestFileStatAndDelete(t *testing.T) {
	m, c := fileNode(t)
	const dir = "workitems/j/job-1/t"
	_, got, err := c.stream(wire.Open{Kind: wire.StreamFileStat, Path: dir + "/stdout.txt"})
	if err != nil || got.File.Size != 4 || got.File.Dir || got.File.Name != "stdout.txt" {
		t.Errorf("%+v %v", got.File, err)
	}
	if _, got, err = c.stream(wire.Open{Kind: wire.StreamFileStat, Path: dir}); err != nil || !got.File.Dir {
		t.Errorf("%+v %v", got.File, err)
	}
	for _, x := range []struct {
		path      string
		recursive bool
		code      string
	}{
		{dir + "/wd/none", false, "FileNotFound"},
		{dir + "/wd/deep", false, "OperationInvalidForCurrentState"},
		{dir + "/wd/out/secret", false, "FileNotFound"},
		{"", true, "InvalidUri"},
		{"..", true, "InvalidUri"},
		{dir + "/wd/out", false, ""}, // the link, not what it leads to
		{dir + "/wd/a", false, ""},
		{dir + "/wd", true, ""},
	} {
		if _, _, err := c.stream(wire.Open{Kind: wire.StreamFileDelete, Path: x.path, Recursive: x.recursive}); code(err) != x.code {
			t.Errorf("%+v: %v", x, err)
		}
	}
	if _, err := os.Stat(filepath.Join(m.tasksRoot, dir, "wd")); !os.IsNotExist(err) {
		t.Error("wd is still there")
	}
	if got := read(t, m.root, "secret"); got != "host secret" {
		t.Error(got)
	}
	if _, _, err := c.stream(wire.Open{Kind: "file.eat"}); code(err) != "InvalidRequest" {
		t.Errorf("unknown kind: %v", err)
	}
}
