package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"image/png"
	"path"
	"strings"

	"golang.org/x/crypto/ssh"
)

// payload is the software of the job and its tasks.
type payload struct {
	name      string
	install   func(ctx context.Context, s *steps, vm *ssh.Client) error
	startTask string // fails where the software is missing
	tasks     []task
}

// task runs on a node, where it writes output into its working directory.
type task struct {
	id, command, output string
	check               func(data []byte) error
}

// The scenes were chosen by rendering all of the package: these 50 need less than 0.4 s of processor time at 400x300 and
// end well under POV-Ray's default rules for files.
//
//go:embed scenes.txt
var scenes string

const examples = "/usr/share/doc/povray/examples/"

// povray ray-traces Debian's example scenes, each at four sizes.
func povray() payload {
	p := payload{name: "ray-tracing Debian's povray-examples", startTask: "/bin/sh -c 'povray --version 2>&1 | head -n 1 && test -d " + examples + "'"}
	p.install = func(ctx context.Context, s *steps, vm *ssh.Client) error {
		const apt = "DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends "
		if err := s.download("povray and its examples", func() (string, error) {
			_, err := remote(ctx, vm, apt+"update && "+apt+"--download-only install povray povray-examples", nil)
			return "", err
		}); err != nil {
			return err
		}
		return s.do("povray installed over SSH", func() (string, error) {
			if _, err := remote(ctx, vm, apt+"install povray povray-examples && apt-get clean", nil); err != nil {
				return "", err
			}
			return remote(ctx, vm, "dpkg-query -W povray povray-examples | tr '\\t\\n' '  '", nil)
		})
	}
	for _, scene := range strings.Fields(scenes) {
		name := strings.ReplaceAll(strings.TrimSuffix(scene, ".pov"), "/", "-")
		for _, size := range [][2]int{{120, 90}, {160, 120}, {240, 180}, {320, 240}} {
			id := fmt.Sprintf("%s-%dx%d", name, size[0], size[1])
			p.tasks = append(p.tasks, task{
				id: id, output: id + ".png",
				command: fmt.Sprintf("povray -D +WT1 +FN8 +W%d +H%d +L%s +I%s +O%s.png", size[0], size[1],
					examples+path.Dir(scene), examples+scene, id),
				check: func(data []byte) error { return checkPNG(data, size[0], size[1]) },
			})
		}
	}
	return p
}

// checkPNG decodes a picture: a PNG of the right size that is not all of one colour.
func checkPNG(data []byte, width, height int) error {
	if !bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) {
		return fmt.Errorf("it does not begin as a PNG does: % x", data[:min(8, len(data))])
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return err
	}
	b := img.Bounds()
	if b.Dx() != width || b.Dy() != height {
		return fmt.Errorf("it is %dx%d, not %dx%d", b.Dx(), b.Dy(), width, height)
	}
	first := img.At(b.Min.X, b.Min.Y)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if img.At(x, y) != first {
				return nil
			}
		}
	}
	return fmt.Errorf("it is all of one colour")
}
