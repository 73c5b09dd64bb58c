package layer

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// needRoot skips a test that writes owners, or fails it under CI=true.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("the test needs root")
	}
	t.Skip("needs root")
}

// item is one entry of a test's archive. Type 0 is a file with text, or a
// directory when the name ends in a slash.
type item struct {
	name, text, link string
	typ              byte
	mode             int64
	uid, gid         int
	xattrs           map[string]string
}

var testTime = time.Unix(1_600_000_000, 0)

// tarOf makes the plain tar of items.
func tarOf(t testing.TB, items ...item) []byte {
	t.Helper()
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for _, it := range items {
		h := &tar.Header{
			Name: it.name, Linkname: it.link, Typeflag: it.typ, Mode: it.mode,
			Uid: it.uid, Gid: it.gid, Size: int64(len(it.text)), ModTime: testTime,
		}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
			if strings.HasSuffix(it.name, "/") {
				h.Typeflag = tar.TypeDir
			}
		}
		if h.Mode == 0 {
			h.Mode = 0o644
			if h.Typeflag == tar.TypeDir {
				h.Mode = 0o755
			}
		}
		for k, v := range it.xattrs {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords[paxXattr+k] = v
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(it.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// put stores items as a layer of blobs.
func put(t testing.TB, blobs Blobs, items ...item) Layer {
	t.Helper()
	l, err := blobs.Put(t.Context(), bytes.NewReader(tarOf(t, items...)))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// view describes every file below dir in a line, by path: what a program can
// see of it, plus the attributes asked for. It shares no code with walk.
func view(t testing.TB, dir string) map[string]string {
	t.Helper()
	lines, first := map[string]string{}, map[uint64]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		if rel == "." {
			return nil
		}
		info, err := os.Lstat(p)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%v %d:%d", info.Mode(), st.Uid, st.Gid)
		if !info.IsDir() {
			// A directory's time moves with what is made in it.
			line += fmt.Sprintf(" mtime=%d", st.Mtim.Sec)
		}
		switch {
		case info.Mode().IsRegular():
			text, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %x", len(text), sha256.Sum256(text))
			if f := first[st.Ino]; f != "" {
				line += " link=" + f
			} else {
				first[st.Ino] = rel
			}
			line += xattrText(t, p)
		case info.IsDir():
			line += xattrText(t, p)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			line += " -> " + target
		case info.Mode()&fs.ModeDevice != 0:
			line = fmt.Sprintf("device %d", st.Rdev)
		}
		lines[rel] = line
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func xattrText(t testing.TB, p string) string {
	t.Helper()
	text := ""
	for _, name := range []string{"user.color", opaqueXattr, "security.capability"} {
		buf := make([]byte, 256)
		if n, err := unix.Lgetxattr(p, name, buf); err == nil {
			text += fmt.Sprintf(" %s=%x", name, buf[:n])
		}
	}
	return text
}

// mountOverlay mounts a tree and a disk as a machine would and returns where.
// unmount may be called by hand, and is called at the test's end.
func mountOverlay(t testing.TB, tree Tree, disk Disk) (root string, unmount func()) {
	t.Helper()
	root = filepath.Join(disk.Path, rootDir)
	lower := make([]string, len(tree.Dirs))
	for i, d := range tree.Dirs {
		lower[i] = filepath.Join(tree.Root, d)
	}
	options := "userxattr,lowerdir=" + strings.Join(lower, ":") +
		",upperdir=" + filepath.Join(disk.Path, upperDir) + ",workdir=" + filepath.Join(disk.Path, workDir)
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		t.Fatalf("mount %s: %v", options, err)
	}
	done := false
	unmount = func() {
		if done {
			return
		}
		done = true
		if err := unix.Unmount(root, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	}
	t.Cleanup(unmount)
	return root, unmount
}

// sh runs a shell script in dir.
func sh(t testing.TB, dir, script string) {
	t.Helper()
	if out, err := shell(dir, script); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}
