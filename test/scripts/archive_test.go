package scripts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// entry is a member of an archive.
type entry struct {
	header tar.Header
	text   string
}

func directory(name string) entry {
	return entry{header: tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}}
}

func plain(name, text string) entry {
	return entry{header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(text))}, text: text}
}

// base is enough of a root file system to be taken for one.
var base = []entry{
	directory("bin"), directory("etc"), directory("usr"),
	plain("etc/os-release", "ID=debian\nVERSION_ID=12\nPRETTY_NAME=Test\n"), plain("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
}

// evil are the archives that must be refused.
var evil = map[string]entry{
	"dotdot":   plain("../../escaped", "x"),
	"absolute": plain("/etc/escaped", "x"),
	"hardlink": {header: tar.Header{Typeflag: tar.TypeLink, Name: "etc/link", Linkname: "/etc/shadow"}},
	"through":  {header: tar.Header{Typeflag: tar.TypeLink, Name: "etc/link", Linkname: "../../../etc/shadow"}},
	"device":   {header: tar.Header{Typeflag: tar.TypeBlock, Name: "etc/disk", Mode: 0o666, Devmajor: 8}},
}

func write(w io.Writer, entries ...entry) error {
	tw := tar.NewWriter(w)
	for _, e := range entries {
		if err := tw.WriteHeader(&e.header); err != nil {
			return err
		}
		if _, err := io.WriteString(tw, e.text); err != nil {
			return err
		}
	}
	return tw.Close()
}

func tree(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 1, "tree FILE")
	var b bytes.Buffer
	ts.Check(write(&b, base...))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

// hostile makes one of the evil archives, "link", a link out of the tree with a
// file through it, "bomb", four GiB of nothing in a few megabytes, or "nonsense".
func hostile(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 2, "hostile FILE KIND")
	var b bytes.Buffer
	switch args[1] {
	case "link":
		link := entry{header: tar.Header{Typeflag: tar.TypeSymlink, Name: "var", Linkname: "/tmp"}}
		ts.Check(write(&b, append(base[:len(base):len(base)], link, plain("var/escaped", "x"))...))
	case "bomb":
		ts.Check(bomb(&b))
	case "nonsense":
		b.WriteString("this is no archive at all, by no reading of it")
	default:
		e, ok := evil[args[1]]
		want(ts, ok, "hostile FILE KIND")
		ts.Check(write(&b, append(base[:len(base):len(base)], e)...))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

// bomb writes a gzip of gzips: members that each unpack to 64 MiB of zeros.
func bomb(out io.Writer) error {
	const member, members = 64 << 20, 1 << 10
	var head, zeros bytes.Buffer
	hw := gzip.NewWriter(&head)
	tw := tar.NewWriter(hw)
	for _, e := range base {
		if err := tw.WriteHeader(&e.header); err != nil {
			return err
		}
		if _, err := io.WriteString(tw, e.text); err != nil {
			return err
		}
	}
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "etc/big", Mode: 0o644, Size: member * members}); err != nil {
		return err
	}
	if err := hw.Close(); err != nil {
		return err
	}
	zw := gzip.NewWriter(&zeros)
	if _, err := io.CopyN(zw, zero{}, member); err != nil {
		return err
	}
	if err := zw.Close(); err != nil {
		return err
	}
	if _, err := out.Write(head.Bytes()); err != nil {
		return err
	}
	for range members {
		if _, err := out.Write(zeros.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }
