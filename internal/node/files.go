package node

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"millpond/internal/node/wire"
)

// listMost bounds one listing, so that its answer fits wire.MaxOpened.
const listMost = 200_000

var errFileNotFound = refuse("FileNotFound", "The specified file does not exist.")

// local cleans a path the service gave; "" is the root directory. os.Root
// guards the rest: neither ".." nor a symbolic link leaves it.
func local(name string) (string, error) {
	if name == "" {
		return ".", nil
	}
	if !fs.ValidPath(name) {
		return "", refuse("InvalidUri", "The path %q is not a clean path below the node's root directory.", name)
	}
	return name, nil
}

func notFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) ||
		errors.Is(err, syscall.ENAMETOOLONG) || escapes(err) {
		return errFileNotFound
	}
	return err
}

// escapes recognizes os.Root's refusal; the package exports no name for it.
func escapes(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p) && p.Err != nil && p.Err.Error() == "path escapes from parent"
}

// listFiles gives the entries below name, breadth first and in raw directory
// order (facts/wire.md 2.12, 2b). Symbolic links to directories are entries
// like files and are not entered.
func listFiles(root *os.Root, name string, recursive bool) ([]wire.File, error) {
	name, err := local(name)
	if err != nil {
		return nil, err
	}
	files := []wire.File{}
	for queue := []string{""}; len(queue) > 0; queue = queue[1:] {
		below := queue[0]
		entries, err := readDir(root, path.Join(name, below), listMost+1-len(files))
		if err != nil {
			if below == "" {
				return nil, notFound(err)
			}
			continue // deleted while we walk
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				continue
			}
			f := fileOf(path.Join(below, e.Name()), info)
			files = append(files, f)
			if f.Dir && recursive {
				queue = append(queue, f.Name)
			}
		}
		if len(files) > listMost {
			return nil, refuse("OutOfRangeInput", "The directory holds more than %d entries; list its parts.", listMost)
		}
	}
	return files, nil
}

// readDir gives at most that many entries: a task can make a directory of
// millions, and the agent is small.
func readDir(root *os.Root, name string, most int) ([]fs.DirEntry, error) {
	d, err := root.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(most)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return entries, err
}

func fileOf(name string, info fs.FileInfo) wire.File {
	f := wire.File{Name: name, Dir: info.IsDir(), Size: info.Size(), Modified: ticks(info.ModTime())}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		f.Mode = st.Mode
	}
	return f
}

func statFile(root *os.Root, name string) (*wire.File, error) {
	name, err := local(name)
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(name)
	if err != nil {
		return nil, notFound(err)
	}
	f := fileOf(path.Base(name), info)
	return &f, nil
}

// readFile answers with the file's size as it was when it was opened and then
// exactly the bytes asked for, fewer only when the file shrinks meanwhile. A
// file that grows is not followed.
func (a *agent) readFile(s *wire.Stream, open wire.Open) {
	f, info, err := openFile(a.files, open)
	if err != nil {
		_ = s.SendOpened(wire.Opened{Error: refusal(err)})
		return
	}
	defer f.Close()
	left := info.Size - open.Offset
	if open.Length >= 0 {
		left = min(left, open.Length)
	}
	if s.SendOpened(wire.Opened{File: info}) != nil {
		return
	}
	// An error here is the service gone or the disk failing; either way the
	// stream ends short of the size announced.
	_, _ = io.Copy(s, io.NewSectionReader(f, open.Offset, left))
}

func openFile(root *os.Root, open wire.Open) (*os.File, *wire.File, error) {
	name, err := local(open.Path)
	if err != nil {
		return nil, nil, err
	}
	// O_NONBLOCK: a task's FIFO must not hang the agent.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, notFound(err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = refuse("FileNotFound", "The specified file does not exist: %q is no regular file.", name)
	case open.Offset < 0 || open.Offset > info.Size() || open.Length < -1:
		err = refuse("InvalidRange", "The range specified is invalid for the current size of the resource.")
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	file := fileOf(path.Base(name), info)
	return f, &file, nil
}

// deleteFile removes a file, or with recursive a directory and all in it.
func deleteFile(root *os.Root, name string, recursive bool) error {
	name, err := local(name)
	if err != nil {
		return err
	}
	if name == "." {
		return refuse("InvalidUri", "The node's root directory cannot be deleted.")
	}
	info, err := root.Lstat(name)
	if err != nil {
		return notFound(err)
	}
	if info.IsDir() && recursive {
		return notFoundOrNil(root.RemoveAll(name))
	}
	err = root.Remove(name)
	if errors.Is(err, syscall.ENOTEMPTY) {
		return refuse("OperationInvalidForCurrentState", "The directory %q is not empty; delete it recursively.", name)
	}
	return notFoundOrNil(err)
}

func notFoundOrNil(err error) error {
	if err == nil {
		return nil
	}
	return notFound(err)
}
