package gallery

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"millpond/internal/fault"
	"millpond/internal/layer"
)

// capture freezes a disk's writable part into layers, lowest first: all but the
// stripped paths and, when accounts are named, a small one above it with the
// account files as they are without those accounts. No blob ever holds the
// accounts' password hashes.
func (g *Images) capture(ctx context.Context, uid string, strip, accounts []string) (layer.Stack, error) {
	if len(accounts) == 0 {
		l, err := g.Worker.Diff(ctx, g.DiskAt(uid), g.Blobs.Dir, strip)
		return layer.Stack{l}, err
	}
	var files []string
	for name := range accountFiles {
		files = append(files, name)
	}
	main, err := g.Worker.Diff(ctx, g.DiskAt(uid), g.Blobs.Dir, append(files, strip...))
	if err != nil {
		return nil, err
	}
	others, touched, err := othersThan(filepath.Join(g.DiskAt(uid).Path, "upper"))
	if err != nil || !touched {
		return layer.Stack{main}, err
	}
	// The raw copy is written beside the blobs, and nothing is left of it.
	raw := layer.Blobs{Dir: filepath.Join(g.Blobs.Dir, ".capture-"+uid), Limits: g.Blobs.Limits}
	if err := g.Worker.Remove(ctx, raw.Dir); err != nil { // of an attempt that was cut short
		return nil, err
	}
	l, err := g.Worker.Diff(ctx, g.DiskAt(uid), raw.Dir, others)
	if err == nil {
		l, err = g.withoutAccounts(ctx, raw, l, accounts)
	}
	return layer.Stack{main, l}, errors.Join(err, g.Worker.Remove(context.WithoutCancel(ctx), raw.Dir))
}

// othersThan lists what of an upper folder is no account file, and tells whether
// there is one: the machines' root owns it, and leaves these two directories
// open to be read.
func othersThan(upper string) (others []string, touched bool, err error) {
	for _, dir := range []string{"", "etc"} {
		entries, err := os.ReadDir(filepath.Join(upper, dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		for _, e := range entries {
			switch name := path.Join(dir, e.Name()); {
			case accountFiles[name]:
				touched = true
			case name != "etc":
				others = append(others, name)
			}
		}
	}
	return others, touched, nil
}

func (g *Images) withoutAccounts(ctx context.Context, raw layer.Blobs, l layer.Layer, accounts []string) (layer.Layer, error) {
	blob, err := raw.Open(l.Digest)
	if err != nil {
		return layer.Layer{}, err
	}
	defer blob.Close()
	plain, err := decompress(blob, l.MediaType)
	if err != nil {
		return layer.Layer{}, err
	}
	defer plain.Close()
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(withoutAccounts(plain, pw, accounts)) }()
	clean, err := g.Blobs.Put(ctx, pr)
	pr.CloseWithError(io.ErrClosedPipe) // lets the writer go when Put gave up
	return clean, err
}

func decompress(r io.Reader, mediaType string) (io.ReadCloser, error) {
	switch mediaType {
	case layer.MediaZstd:
		z, err := zstd.NewReader(r)
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case layer.MediaGzip:
		return gzip.NewReader(r)
	case layer.MediaTar:
		return io.NopCloser(r), nil
	}
	return nil, fault.Newf("InvalidImage", "A layer of type %s cannot be read.", mediaType)
}

// accountFiles are line files whose first field is an account or group. The
// ones ending in a dash are the backups that useradd and its kin leave.
var accountFiles = map[string]bool{
	"etc/passwd": true, "etc/shadow": true, "etc/group": true, "etc/gshadow": true, "etc/subuid": true, "etc/subgid": true,
	"etc/passwd-": true, "etc/shadow-": true, "etc/group-": true, "etc/gshadow-": true, "etc/subuid-": true, "etc/subgid-": true,
}

// maxAccountFile bounds what is held in memory of an account file.
const maxAccountFile = 16 << 20

// withoutAccounts copies a layer's tar and takes accounts out of the account
// files: their own lines, and their names from the member lists of groups.
func withoutAccounts(in io.Reader, out io.Writer, accounts []string) error {
	gone := map[string]bool{}
	for _, a := range accounts {
		gone[a] = true
	}
	tr, tw := tar.NewReader(in), tar.NewWriter(out)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return tw.Close()
		}
		if err != nil {
			return err
		}
		if strings.HasPrefix(path.Base(h.Name), ".wh.") {
			continue // said by the layer below; here it would hide that one's files
		}
		if h.Typeflag != tar.TypeReg || !accountFiles[path.Clean(h.Name)] || h.Size > maxAccountFile {
			if err := tw.WriteHeader(h); err != nil {
				return err
			}
			if _, err := io.Copy(tw, tr); err != nil {
				return err
			}
			continue
		}
		text, err := io.ReadAll(tr)
		if err != nil {
			return err
		}
		kept := keepAccounts(text, gone, strings.HasPrefix(path.Base(h.Name), "g"))
		h.Size = int64(len(kept))
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if _, err := tw.Write(kept); err != nil {
			return err
		}
	}
}

// keepAccounts filters one account file; in group files the last field, and in
// gshadow the administrators before it, are lists of members.
func keepAccounts(text []byte, gone map[string]bool, groups bool) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		fields := strings.Split(strings.TrimSuffix(string(line), "\n"), ":")
		if gone[fields[0]] {
			continue
		}
		if groups && len(fields) >= 4 {
			for i := len(fields) - 1; i >= 2; i-- {
				var members []string
				for m := range strings.SplitSeq(fields[i], ",") {
					if !gone[m] {
						members = append(members, m)
					}
				}
				fields[i] = strings.Join(members, ",")
			}
		}
		out.WriteString(strings.Join(fields, ":") + "\n")
	}
	return out.Bytes()
}
