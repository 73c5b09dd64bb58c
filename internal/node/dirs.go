package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"millpond/internal/node/wire"
)

// nodeDirs are the folders of AZ_BATCH_NODE_ROOT_DIR (facts/wire.md 2.12). The
// group of all task users may write into shared and volatile.
var nodeDirs = []struct {
	name string
	mode fs.FileMode
}{
	{"applications", 0o755},
	{"fsmounts", 0o755},
	{"shared", 0o775 | fs.ModeSetgid},
	{"startup", 0o755},
	{"volatile", 0o775 | fs.ModeSetgid},
	{"workitems", 0o755},
}

// makeNodeDirs creates what a node shows before its first task.
func makeNodeDirs(root string) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for _, d := range nodeDirs {
		path := filepath.Join(root, d.name)
		if err := os.Mkdir(path, 0o755); err != nil {
			if errors.Is(err, fs.ErrExist) {
				continue
			}
			return err
		}
		if err := os.Lchown(path, 0, batchID); err != nil {
			return err
		}
		if err := os.Chmod(path, d.mode); err != nil {
			return err
		}
	}
	return nil
}

// taskDir is the prepared directory of one attempt.
type taskDir struct {
	dir, wd        string
	stdout, stderr *os.File
}

func (d *taskDir) close() {
	d.stdout.Close()
	d.stderr.Close()
}

// makeTaskDir makes dir, dir/wd and fresh stdout.txt and stderr.txt, owned by
// the attempt's user. A retry on the same node finds the directory as the
// attempt before left it, but for the two files, which start empty (Azure).
//
// The parents of dir belong to root. Inside dir the user of an earlier attempt
// may have left anything, so no symbolic link is followed there.
func makeTaskDir(root string, t *wire.Task, cred credential) (*taskDir, error) {
	if !filepath.IsLocal(t.Dir) {
		return nil, fmt.Errorf("task directory %q is not below the node's root directory", t.Dir)
	}
	mode := fs.FileMode(0o755)
	if cred.alone {
		mode = 0o750
	}
	d := &taskDir{dir: filepath.Join(root, t.Dir)}
	d.wd = filepath.Join(d.dir, "wd")
	err := os.Mkdir(d.dir, mode)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(d.dir), 0o755); err == nil {
			err = os.Mkdir(d.dir, mode)
		}
	}
	again := errors.Is(err, fs.ErrExist)
	if err != nil && !again {
		return nil, err
	}
	if err := makeWorkDir(d.wd, mode, again); err != nil {
		return nil, err
	}
	if d.stdout, err = freshFile(d.dir, "stdout.txt", again, cred); err != nil {
		return nil, err
	}
	if d.stderr, err = freshFile(d.dir, "stderr.txt", again, cred); err != nil {
		d.stdout.Close()
		return nil, err
	}
	if err = putFiles(d.dir, t.Files, cred); err == nil && (!cred.root() || again) {
		if err = os.Lchown(d.wd, cred.uid, cred.gid); err == nil {
			err = os.Lchown(d.dir, cred.uid, cred.gid)
		}
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// makeWorkDir makes wd. What an earlier attempt put in its place, such as a link
// to where only root may write, goes.
func makeWorkDir(wd string, mode fs.FileMode, again bool) error {
	err := os.Mkdir(wd, mode)
	if !again || !errors.Is(err, fs.ErrExist) {
		return err
	}
	if info, err := os.Lstat(wd); err != nil || info.IsDir() {
		return err
	}
	if err := os.Remove(wd); err != nil {
		return err
	}
	return os.Mkdir(wd, mode)
}

func freshFile(dir, name string, again bool, cred credential) (*os.File, error) {
	path := filepath.Join(dir, name)
	if again {
		if err := os.RemoveAll(path); err != nil {
			return nil, err
		}
	}
	// A blocking descriptor: it is only handed on, never read or polled here.
	fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_NOFOLLOW|syscall.O_APPEND|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if !cred.root() {
		if err := f.Chown(cred.uid, cred.gid); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// putFiles writes the files a task brings along into dir/wd; neither their paths
// nor wd itself can lead out of dir, which is the attempt's user's.
func putFiles(dir string, files []wire.Inline, cred credential) error {
	if len(files) == 0 {
		return nil
	}
	top, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer top.Close()
	root, err := top.OpenRoot("wd")
	if err != nil {
		return err
	}
	defer root.Close()
	for _, f := range files {
		if dir := filepath.Dir(f.Path); dir != "." {
			if err := root.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			for at := dir; at != "."; at = filepath.Dir(at) {
				if err := root.Lchown(at, cred.uid, cred.gid); err != nil {
					return err
				}
			}
		}
		mode := fs.FileMode(f.Mode & 0o777)
		if mode == 0 {
			mode = 0o770 // Azure's default fileMode
		}
		if err := root.WriteFile(f.Path, f.Data, mode); err != nil {
			return err
		}
		if err := root.Chmod(f.Path, mode); err != nil {
			return err
		}
		if err := root.Lchown(f.Path, cred.uid, cred.gid); err != nil {
			return err
		}
	}
	return nil
}

// findProgram looks name up as execvp would, in the task's PATH and working
// directory. exists is false when there is nothing of that name at all.
func findProgram(name, path, wd string) (file string, exists bool) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(wd, name)
		}
		_, err := os.Stat(name)
		return name, err == nil
	}
	var barred string
	for _, dir := range filepath.SplitList(path) {
		if dir == "" {
			dir = wd
		} else if !filepath.IsAbs(dir) {
			dir = filepath.Join(wd, dir)
		}
		file := dir + "/" + name
		var st syscall.Stat_t
		if syscall.Stat(file, &st) != nil || st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
			continue
		}
		if st.Mode&0o111 != 0 {
			return file, true
		}
		if barred == "" {
			barred = file
		}
	}
	return barred, barred != ""
}
