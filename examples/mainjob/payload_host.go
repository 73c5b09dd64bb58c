package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

const (
	gofmtDir   = "/opt/gofmt"
	gofmtTasks = 200
)

// gofmt formats files of Go's own standard library with Go's own formatter. It is the job where the base is the host's
// system, which has no package manager: both are copied into the machine over SSH, below a folder that exists nowhere else.
func gofmt(ctx context.Context) (payload, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return payload{}, fmt.Errorf("where is Go: %w", err)
	}
	root := strings.TrimSpace(string(out))
	program, err := os.ReadFile(filepath.Join(root, "bin", "gofmt")) //nolint:gosec // the toolchain's own
	if err != nil {
		return payload{}, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := add(w, "gofmt", 0o755, program); err != nil {
		return payload{}, err
	}
	p := payload{name: "formatting Go's standard library", startTask: "/bin/sh -c 'echo package x | " + gofmtDir + "/gofmt'"}
	src := filepath.Join(root, "src")
	err = filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil || len(p.tasks) == gofmtTasks {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "cmd") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || d.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		// The input is the file without its indentation, which the task must put right.
		flat := bytes.ReplaceAll(text, []byte("\n\t"), []byte("\n"))
		want, err := format.Source(flat)
		if err != nil || bytes.ContainsRune(text, '`') {
			return nil //nolint:nilerr // not a file for this job
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		name := strings.ReplaceAll(rel, string(filepath.Separator), "-")
		p.tasks = append(p.tasks, task{
			id: strings.ReplaceAll(name, ".", "-"), output: name,
			command: fmt.Sprintf("/bin/sh -c '%s/gofmt %s/src/%s > %s'", gofmtDir, gofmtDir, name, name),
			check: func(data []byte) error {
				if !bytes.Equal(data, want) {
					return errors.New("it is not what go/format makes of the file here")
				}
				return nil
			},
		})
		return add(w, "src/"+name, 0o644, flat)
	})
	if err != nil {
		return payload{}, err
	}
	if err := w.Close(); err != nil {
		return payload{}, err
	}
	p.install = func(ctx context.Context, s *steps, vm *ssh.Client) error {
		return s.do("gofmt and its input copied over SSH", func() (string, error) {
			return remote(ctx, vm, "mkdir -p "+gofmtDir+" && tar -x --no-same-owner -C "+gofmtDir+" && ls -d "+gofmtDir, &archive)
		})
	}
	return p, nil
}

func add(w *tar.Writer, name string, mode int64, data []byte) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}
