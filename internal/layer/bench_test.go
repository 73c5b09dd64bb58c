package layer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// benchLayer is like a small distribution: 4,000 files of 10 kB on average in
// 400 directories, half compressible.
func benchLayer(b *testing.B, blobs Blobs) (Layer, []byte) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var items []item
	for d := range 400 {
		items = append(items, item{name: fmt.Sprintf("usr/share/d%03d/", d)})
		for f := range 10 {
			text := make([]byte, r.IntN(20_000))
			for i := range text {
				if text[i] = byte(r.Uint32()); i%2 == 0 {
					text[i] = 'a'
				}
			}
			items = append(items, item{name: fmt.Sprintf("usr/share/d%03d/f%d", d, f), text: string(text)})
		}
	}
	data := tarOf(b, items...)
	l, err := blobs.Put(b.Context(), bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	return l, data
}

// BenchmarkUnpack is in bytes of file contents; BenchmarkUnpackTar is the same
// layer by tar(1), uncompressed, to compare with.
func BenchmarkUnpack(b *testing.B) {
	needRoot(b)
	p := newPlace(b)
	l, _ := benchLayer(b, p.blobs)
	b.SetBytes(l.Unpacked)
	for i := 0; b.Loop(); i++ {
		if err := p.worker.Unpack(b.Context(), p.blobs.Path(l.Digest), l, filepath.Join(p.dir, fmt.Sprint("u", i))); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnpackTar(b *testing.B) {
	p := newPlace(b)
	l, data := benchLayer(b, p.blobs)
	file := filepath.Join(p.dir, "plain.tar")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(l.Unpacked)
	for i := 0; b.Loop(); i++ {
		dir := filepath.Join(p.dir, fmt.Sprint("t", i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		if out, err := exec.Command("tar", "-xpf", file, "-C", dir).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	p := newPlace(b)
	l, data := benchLayer(b, p.blobs)
	b.SetBytes(l.Unpacked)
	for b.Loop() {
		if _, err := p.blobs.Put(b.Context(), bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	needRoot(b)
	p := newPlace(b)
	l, _ := benchLayer(b, p.blobs)
	p.ensure(b, Stack{l})
	b.SetBytes(l.Unpacked)
	for b.Loop() {
		if err := p.store.Verify(b.Context(), p.worker, p.blobs, Stack{l}); err != nil {
			b.Fatal(err)
		}
	}
}

// benchDisk is a disk whose upper part is the bench layer.
func benchDisk(b *testing.B, p *place) (Disk, Layer) {
	b.Helper()
	l, _ := benchLayer(b, p.blobs)
	d := Disk{Path: filepath.Join(p.dir, "full")}
	if err := p.worker.Unpack(b.Context(), p.blobs.Path(l.Digest), l, filepath.Join(d.Path, upperDir)); err != nil {
		b.Fatal(err)
	}
	return d, l
}

func BenchmarkDiff(b *testing.B) {
	needRoot(b)
	p := newPlace(b)
	d, l := benchDisk(b, p)
	b.SetBytes(l.Unpacked)
	for b.Loop() {
		if _, err := p.worker.Diff(b.Context(), d, p.blobs.Dir, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCopyDisk(b *testing.B) {
	needRoot(b)
	p := newPlace(b)
	d, l := benchDisk(b, p)
	b.SetBytes(l.Unpacked)
	for i := 0; b.Loop(); i++ {
		if err := p.worker.CopyDisk(b.Context(), d, Disk{Path: filepath.Join(p.dir, fmt.Sprint("c", i))}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkClone is what a node of a pool costs in disk work.
func BenchmarkClone(b *testing.B) {
	p := newPlace(b)
	for i := 0; b.Loop(); i++ {
		if err := p.worker.Clone(b.Context(), Disk{Path: filepath.Join(p.dir, fmt.Sprint("d", i))}); err != nil {
			b.Fatal(err)
		}
	}
}
