package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"millpond/internal/fault"
)

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstded(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

// sparse is a tar whose one file says it is size bytes long and carries none.
func sparse(t testing.TB, size string) []byte {
	t.Helper()
	var out bytes.Buffer
	block := func(b []byte) {
		out.Write(b)
		out.Write(make([]byte, (512-len(b)%512)%512))
	}
	header := func(name string, typ byte, body string) {
		var h bytes.Buffer
		tw := tar.NewWriter(&h)
		if err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(body)), Mode: 0o644, Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		b := h.Bytes()[:512]
		b[156] = typ
		copy(b[148:156], "        ")
		sum := 0
		for _, c := range b {
			sum += int(c)
		}
		copy(b[148:156], []byte{'0' + byte(sum>>15&7), '0' + byte(sum>>12&7), '0' + byte(sum>>9&7), '0' + byte(sum>>6&7), '0' + byte(sum>>3&7), '0' + byte(sum&7), 0, ' '})
		block(b)
		block([]byte(body))
	}
	record := func(k, v string) string {
		n := len(k) + len(v) + 3
		for {
			s := itoa(n) + " " + k + "=" + v + "\n"
			if len(s) == n {
				return s
			}
			n = len(s)
		}
	}
	header("pax", 'x', record("GNU.sparse.major", "1")+record("GNU.sparse.minor", "0")+
		record("GNU.sparse.name", "huge")+record("GNU.sparse.realsize", size))
	body := make([]byte, 512)
	copy(body, "1\n"+size+"\n0\n")
	header("huge", '0', string(body))
	out.Write(make([]byte, 1024))
	return out.Bytes()
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// Every archive that may not be unpacked is refused with InvalidArchive, naming
// the entry, by import and by unpack alike; neither leaves anything.
func TestHostileArchives(t *testing.T) {
	deep := strings.Repeat("d/", 300)
	limits := Limits{Bytes: 8 << 20, Entries: 50, RatioFrom: 1 << 20}
	many := make([]item, 60)
	for i := range many {
		many[i] = item{name: "f" + itoa(i)}
	}
	zeros := tarOf(t, item{name: "zeros", text: strings.Repeat("\x00", 4<<20)})
	for name, c := range map[string]struct {
		data  []byte
		entry string
		says  string
	}{
		"dot dot":              {tarOf(t, item{name: "a/../../x"}), "a/../../x", `".."`},
		"dot dot dir":          {tarOf(t, item{name: "../"}), "../", `".."`},
		"absolute path":        {tarOf(t, item{name: "/etc/passwd"}), "/etc/passwd", "absolute"},
		"absolute hard link":   {tarOf(t, item{name: "x", typ: '1', link: "/etc/shadow"}), "x", "absolute"},
		"escaping hard link":   {tarOf(t, item{name: "x", typ: '1', link: "../../etc/shadow"}), "x", "leaves"},
		"hard link to nothing": {tarOf(t, item{name: "x", typ: '1', link: "y"}), "x", "come before"},
		"hard link to a directory": {tarOf(t, item{name: "y/"}, item{name: "x", typ: '1', link: "y"}),
			"x", "directory"},
		"hard link to itself": {tarOf(t, item{name: "x"}, item{name: "x", typ: '1', link: "x"}), "x", "itself"},
		"through an absolute link": {tarOf(t, item{name: "l", typ: '2', link: "/tmp"}, item{name: "l/x"}),
			"l/x", "symbolic link"},
		"through a relative link": {tarOf(t, item{name: "l", typ: '2', link: "../.."}, item{name: "l/a/b/x"}),
			"l/a/b/x", "symbolic link"},
		"hard link made a way out": {tarOf(t, item{name: "l", typ: '2', link: "/etc"}, item{name: "m", typ: '1', link: "l"}, item{name: "m/x"}),
			"m/x", "not a directory"},
		"whiteout through a link": {tarOf(t, item{name: "l", typ: '2', link: "/"}, item{name: "l/.wh.etc"}),
			"l/.wh.etc", "symbolic link"},
		"whiteout of dot dot":    {tarOf(t, item{name: "a/.wh..."}), "a/.wh...", "names nothing"},
		"whiteout of nothing":    {tarOf(t, item{name: ".wh."}), ".wh.", "names nothing"},
		"whiteout directory":     {tarOf(t, item{name: ".wh.x/"}), ".wh.x/", "directory"},
		"below a file":           {tarOf(t, item{name: "f"}, item{name: "f/x"}), "f/x", "not a directory"},
		"file over a directory":  {tarOf(t, item{name: "d/"}, item{name: "d/x"}, item{name: "d", text: "f"}), "d", "directory"},
		"block device":           {tarOf(t, item{name: "sda", typ: '4'}), "sda", "device"},
		"device beside dev":      {tarOf(t, item{name: "device/null", typ: '3'}), "device/null", "device"},
		"device named dev":       {tarOf(t, item{name: "dev", typ: '3'}), "dev", "device"},
		"the root as a file":     {tarOf(t, item{name: ".", text: "x"}), ".", "directory"},
		"owner too large":        {tarOf(t, item{name: "x", uid: 65536}), "x", "65536"},
		"unknown type":           {tarOf(t, item{name: "x", typ: 'Q'}), "x", "type"},
		"too deep":               {tarOf(t, item{name: deep + "x"}), deep[:64] + "...", "deeper"},
		"name too long":          {tarOf(t, item{name: strings.Repeat("n", 256)}), strings.Repeat("n", 64) + "...", "255"},
		"path too long":          {tarOf(t, item{name: strings.Repeat("n/", 4000)}), strings.Repeat("n/", 32) + "...", "4096"},
		"too many entries":       {tarOf(t, many...), "f50", "50 entries"},
		"too many bytes":         {tarOf(t, item{name: "big", text: strings.Repeat("x", 9<<20)}), "big", "bytes"},
		"gzip bomb":              {gzipped(t, zeros), "", "times its size"},
		"zstd bomb":              {zstded(t, zeros), "", "times its size"},
		"bomb after the end":     {zstded(t, append(tarOf(t, item{name: "x"}), make([]byte, 4<<20)...)), "", "times its size"},
		"endless after the end":  {append(tarOf(t, item{name: "x"}), make([]byte, 9<<20)...), "", "8388608 bytes"},
		"sparse, huge":           {sparse(t, "9000000000000"), "huge", "bytes"},
		"sparse, within bytes":   {gzipped(t, sparse(t, "7000000")), "", "times its size"},
		"truncated":              {tarOf(t, item{name: "x", text: strings.Repeat("x", 4000)})[:2048], "", "read"},
		"truncated gzip":         {gzipped(t, tarOf(t, item{name: "x", text: "x"}))[:60], "", "gzip"},
		"not an archive":         {[]byte(strings.Repeat("no archive ", 100)), "", "read"},
		"empty":                  {nil, "", "empty"},
		"link to nothing":        {tarOf(t, item{name: "x", typ: '2'}), "x", "empty"},
		"whiteout under a file":  {tarOf(t, item{name: "f"}, item{name: "f/.wh.x"}), "f/.wh.x", "not a directory"},
		"damaged header":         {damaged(tarOf(t, item{name: "x", text: "x"})), "", "read"},
		"opaque below a symlink": {tarOf(t, item{name: "l", typ: '2', link: "/"}, item{name: "l/.wh..wh..opq"}), "l/.wh..wh..opq", "symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			blobs := Blobs{Dir: filepath.Join(dir, "layers"), Limits: limits}
			_, err := blobs.Put(t.Context(), bytes.NewReader(c.data))
			refused(t, "import", err, c.entry, c.says)
			if left, _ := os.ReadDir(filepath.Join(dir, "layers/sha256")); len(left) > 0 {
				t.Errorf("import left %v", left)
			}
			needRoot(t)
			blob := filepath.Join(dir, "blob")
			if err := os.WriteFile(blob, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			err = NewLocal(limits).Unpack(t.Context(), blob, Layer{}, filepath.Join(dir, "out"))
			refused(t, "unpack", err, c.entry, c.says)
			if left, _ := filepath.Glob(filepath.Join(dir, "out*")); len(left) > 0 {
				t.Errorf("unpack left %v", left)
			}
			if _, err := os.Lstat(filepath.Join(dir, "x")); err == nil {
				t.Error("a file was made outside")
			}
		})
	}
}

func damaged(data []byte) []byte {
	data[0] ^= 1
	return data
}

func refused(t *testing.T, who string, err error, entry, says string) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != "InvalidArchive" {
		t.Fatalf("%s: %v, want InvalidArchive", who, err)
	}
	if !strings.Contains(f.Message, says) {
		t.Errorf("%s: %q does not say %q", who, f.Message, says)
	}
	if entry == "" {
		return
	}
	if len(f.Details) != 1 || f.Details[0] != (fault.Detail{Key: "entry", Value: entry}) {
		t.Errorf("%s: details %v, want the entry %q", who, f.Details, entry)
	}
}

// A layer's own promises bind it: the size it declares and both its digests.
func TestUnpackHoldsALayerToItsWord(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	blobs := Blobs{Dir: dir}
	l := put(t, blobs, item{name: "x", text: "12345"})
	for name, change := range map[string]struct {
		code string
		do   func(*Layer)
	}{
		"declared size": {"InvalidArchive", func(l *Layer) { l.Unpacked = 4 }},
		"digest":        {"DigestMismatch", func(l *Layer) { l.Digest = "sha256:" + strings.Repeat("0", 64) }},
		"diff id":       {"DigestMismatch", func(l *Layer) { l.DiffID = "sha256:" + strings.Repeat("0", 64) }},
	} {
		bad := l
		change.do(&bad)
		out := filepath.Join(dir, "out")
		err := NewLocal(Limits{}).Unpack(t.Context(), blobs.Path(l.Digest), bad, out)
		if !fault.Is(err, change.code) {
			t.Errorf("%s: %v, want %s", name, err, change.code)
		}
		if left, _ := filepath.Glob(out + "*"); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

func TestUnpackStopsWhenCancelled(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	blobs := Blobs{Dir: dir}
	l := put(t, blobs, item{name: "x", text: "12345"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := NewLocal(Limits{}).Unpack(ctx, blobs.Path(l.Digest), l, filepath.Join(dir, "out"))
	if !errors.Is(err, context.Canceled) || fault.CodeOf(err) != "" {
		t.Errorf("%v, want only context.Canceled", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "out*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// The device nodes of a base image are passed over, everything else in dev stays.
func TestUnpackDropsDeviceNodes(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	blobs := Blobs{Dir: dir}
	l := put(t, blobs, item{name: "./dev/"}, item{name: "./dev/null", typ: '3'}, item{name: "./dev/pts/"},
		item{name: "./dev/fd", typ: '2', link: "/proc/self/fd"})
	out := filepath.Join(dir, "out")
	if err := NewLocal(Limits{}).Unpack(t.Context(), blobs.Path(l.Digest), l, out); err != nil {
		t.Fatal(err)
	}
	got := view(t, out)
	if _, ok := got["dev/null"]; ok || len(got) != 3 {
		t.Errorf("got %v, want dev, dev/fd and dev/pts", got)
	}
}
