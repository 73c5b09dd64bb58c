package batchapi

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"millpond/internal/fault"
	"millpond/internal/web"
)

// What a client calls a file is either refused or a clean path below the
// place: agents are asked for nothing else.
func FuzzFilePath(f *testing.F) {
	for _, name := range []string{"stdout.txt", "wd/a", "/etc/passwd", "../x", `..\x`, "a/../b", "a//b/.", ".", "", "a\x00b", "\xff", "...", "..a", `C:\x`, "~", "a/" + strings.Repeat("b/", 500)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		c := &web.Call{Request: httptest.NewRequest(http.MethodGet, "/", nil), Params: web.Params{{Name: "filePath", Value: name}}}
		got, err := filePath(c)
		if err != nil {
			if code := fault.CodeOf(err); code != "InvalidUri" && code != "FileNotFound" {
				t.Errorf("%q: %v", name, err)
			}
			return
		}
		for _, root := range []string{"", "workitems/j/job-1/t"} {
			if on := (place{root: root}).on(got); !fs.ValidPath(on) || on == "." || root != "" && !strings.HasPrefix(on, root+"/") {
				t.Errorf("%q below %q became %q", name, root, on)
			}
		}
	})
}

// A range is refused or lies within the file.
func FuzzRange(f *testing.F) {
	for _, header := range []string{"", "bytes=0-0", "bytes=1-", "bytes=5-3", "bytes=-1", "bytes=0-9223372036854775807", "bytes=9223372036854775807-", "lines=0-1", "bytes=a-b", "bytes=1-2,4-5"} {
		f.Add(header, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		offset, length, err := ranged(header, size)
		if err != nil {
			if code := fault.CodeOf(err); code != "InvalidRange" && code != "InvalidHeaderValue" {
				t.Errorf("%q: %v", header, err)
			}
			return
		}
		if offset < 0 || offset > size || length < -1 || length >= 0 && offset+length > size {
			t.Errorf("%q of %d: %d bytes from %d", header, size, length, offset)
		}
	})
}
