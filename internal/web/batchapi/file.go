package batchapi

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/web"
)

// place is where a file request points: a node, a directory on it, and the
// address below which clients see that directory.
type place struct {
	node string // uid
	root string // below the node's root directory, "" for all of it
	base string // URL of the files collection
}

func (a *API) nodePlace(c *web.Call) (place, error) {
	p, n, err := a.findNode(c)
	if err != nil {
		return place{}, err
	}
	return place{node: n.UID, base: c.URL("pools", p.Spec.ID, "nodes", n.ID, "files")}, nil
}

// taskPlace finds a task's files on the node it ran on.
func (a *API) taskPlace(c *web.Call) (place, error) {
	j, t, err := a.findTask(c)
	if err != nil {
		return place{}, err
	}
	if t.NodeUID == "" || t.State == job.Active {
		return place{}, fault.New("TaskFilesUnavailable", "").With("Reason", "The task has not run on a node.")
	}
	if _, err := a.NodeStore.NodeByUID(c.Context(), t.NodeUID); err != nil {
		if fault.Is(err, "NodeNotFound") {
			return place{}, fault.New("TaskFilesUnavailable", "").With("Reason", "The node the task ran on has left the pool.")
		}
		return place{}, err
	}
	return place{node: t.NodeUID, root: t.Dir(j.Spec.ID), base: c.URL("jobs", j.Spec.ID, "tasks", t.Spec.ID, "files")}, nil
}

// url is the address of a file below the place, its slashes as they are.
func (p place) url(name string) string {
	return p.base + (&url.URL{Path: "/" + name}).EscapedPath()
}

// on is the path of a file below the node's root directory; agents take only
// clean, relative ones.
func (p place) on(name string) string { return strings.TrimPrefix(path.Join(p.root, name), "/") }

// filePath is the file the request names, below the place and clean: it stays
// there whatever it says.
func filePath(c *web.Call) (string, error) {
	name := strings.ReplaceAll(c.Param("filePath"), `\`, "/")
	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return "", fault.New("InvalidUri", "").With("Reason", "The file path must be UTF-8 and must not hold a NUL.")
	}
	if slices.Contains(strings.Split(name, "/"), "..") {
		return "", fault.New("InvalidUri", "").With("Reason", "The file path must not hold '..'.")
	}
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	if clean == "" {
		return "", fault.New("FileNotFound", "")
	}
	return clean, nil
}

func (a *API) listNodeFiles(c *web.Call) (web.Reply, error) { return a.listFiles(c, a.nodePlace) }
func (a *API) listTaskFiles(c *web.Call) (web.Reply, error) { return a.listFiles(c, a.taskPlace) }
func (a *API) getNodeFile(c *web.Call) (web.Reply, error)   { return a.getFile(c, a.nodePlace) }
func (a *API) getTaskFile(c *web.Call) (web.Reply, error)   { return a.getFile(c, a.taskPlace) }
func (a *API) headNodeFile(c *web.Call) (web.Reply, error)  { return a.headFile(c, a.nodePlace) }
func (a *API) headTaskFile(c *web.Call) (web.Reply, error)  { return a.headFile(c, a.taskPlace) }
func (a *API) deleteNodeFile(c *web.Call) (web.Reply, error) {
	return a.deleteFile(c, a.nodePlace)
}
func (a *API) deleteTaskFile(c *web.Call) (web.Reply, error) {
	return a.deleteFile(c, a.taskPlace)
}

// listFiles keeps the order of the directory, as Azure does on Linux; the page
// key is the position in it.
func (a *API) listFiles(c *web.Call, find func(*web.Call) (place, error)) (web.Reply, error) {
	at, err := find(c)
	if err != nil {
		return web.Reply{}, err
	}
	recursive, err := c.QueryBool("recursive")
	if err != nil {
		return web.Reply{}, err
	}
	files, err := a.Reach.ListFiles(c.Context(), at.node, at.root, recursive)
	if err != nil {
		return web.Reply{}, err
	}
	type entry struct {
		pool.File
		n int
	}
	return list(c, listing[entry, NodeFile]{
		of: "files", key: func(e entry) string { return strconv.Itoa(e.n) },
		next: func(after string, limit int) ([]entry, error) {
			from := 0
			if after != "" {
				var err error
				if from, err = strconv.Atoi(after); err != nil || from < 0 {
					return nil, web.QueryFault("$skiptoken", c.Query("$skiptoken"), "The token was not made for this list")
				}
			}
			var out []entry
			for i := from; i < len(files) && len(out) < limit; i++ {
				out = append(out, entry{files[i], i + 1})
			}
			return out, nil
		},
		field: func(e entry) func(string) any { return fileField(e.File) },
		show:  always(func(e entry) NodeFile { return fileOut(at, e.File) }),
	})
}

func fileField(f pool.File) func(string) any {
	return func(path string) any {
		switch path {
		case "name":
			return f.Path
		case "isDirectory":
			return f.Dir
		case "properties/lastModified":
			return f.Modified
		case "properties/contentLength":
			return f.Size
		}
		return unknown{}
	}
}

func fileOut(at place, f pool.File) NodeFile {
	out := NodeFile{Name: new(f.Path), URL: new(at.url(f.Path)), IsDirectory: new(f.Dir)}
	if !f.Dir {
		out.Properties = &FileProperties{LastModified: web.At(f.Modified), ContentLength: new(f.Size),
			ContentType: new(contentType(f.Path)), FileMode: new(mode(f))}
	}
	return out
}

func mode(f pool.File) string { return fmt.Sprintf("0o%o", f.Mode) }

// contentType is what Azure answers: text for what looks like it.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".txt", ".log", ".csv", ".json", ".xml", ".md", "":
		return "text/plain"
	}
	return "application/octet-stream"
}

func fileHeader(c *web.Call, at place, name string, f pool.File) http.Header {
	h := http.Header{}
	h.Set("Content-Type", contentType(name))
	h.Set("Last-Modified", web.HTTPDate(f.Modified))
	h["ocp-batch-file-isdirectory"] = []string{"False"}
	if f.Dir {
		h["ocp-batch-file-isdirectory"] = []string{"True"}
	}
	h["ocp-batch-file-url"] = []string{url.QueryEscape(at.url(name))}
	h["ocp-batch-file-mode"] = []string{mode(f)}
	if c.Request.Method == http.MethodHead {
		h.Set("Content-Length", strconv.FormatInt(f.Size, 10))
	}
	return h
}

// findFile is the file a request names and where it lies.
func (a *API) findFile(c *web.Call, find func(*web.Call) (place, error)) (at place, name string, f pool.File, err error) {
	if at, err = find(c); err != nil {
		return at, "", f, err
	}
	if name, err = filePath(c); err != nil {
		return at, "", f, err
	}
	if f, err = a.Reach.StatFile(c.Context(), at.node, at.on(name)); err == nil {
		err = c.Conditions().Check(f.Modified)
	}
	return at, name, f, err
}

func (a *API) headFile(c *web.Call, find func(*web.Call) (place, error)) (web.Reply, error) {
	at, name, f, err := a.findFile(c, find)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Header: fileHeader(c, at, name, f)}, nil
}

func (a *API) getFile(c *web.Call, find func(*web.Call) (place, error)) (web.Reply, error) {
	at, name, f, err := a.findFile(c, find)
	if err != nil {
		return web.Reply{}, err
	}
	if f.Dir {
		return web.Reply{}, fault.New("FileNotFound", "").With("Reason", "The path names a directory.")
	}
	offset, length, err := ranged(c.Header("ocp-range"), f.Size)
	if err != nil {
		return web.Reply{}, err
	}
	f, body, err := a.Reach.ReadFile(c.Context(), at.node, at.on(name), offset, length)
	if err != nil {
		return web.Reply{}, err
	}
	if length < 0 {
		length = f.Size - offset
	}
	return web.Reply{Header: fileHeader(c, at, name, f), Stream: func(w http.ResponseWriter) error {
		defer body.Close()
		n, err := io.Copy(w, body)
		if err == nil && n < length {
			err = io.ErrUnexpectedEOF // its node went away: a part must not pass for the whole
		}
		return err
	}}, nil
}

// ranged reads ocp-range: bytes=first-last. The answer is 200 with just these
// bytes (facts/wire.md 2.12).
func ranged(header string, size int64) (offset, length int64, err error) {
	if header == "" {
		return 0, -1, nil
	}
	bad := fault.New("InvalidRange", "")
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash {
		return 0, 0, fault.New("InvalidHeaderValue", "").With("HeaderName", "ocp-range").With("HeaderValue", header).
			With("Reason", "The value must be of the form bytes=first-last.")
	}
	offset, err = strconv.ParseInt(first, 10, 64)
	if err != nil || offset < 0 || offset > size || offset == size && size > 0 {
		return 0, 0, bad
	}
	if last == "" {
		return offset, -1, nil
	}
	end, err := strconv.ParseInt(last, 10, 64)
	if err != nil || end < offset {
		return 0, 0, bad
	}
	return offset, min(end, size-1) + 1 - offset, nil
}

func (a *API) deleteFile(c *web.Call, find func(*web.Call) (place, error)) (web.Reply, error) {
	at, err := find(c)
	if err != nil {
		return web.Reply{}, err
	}
	name, err := filePath(c)
	if err != nil {
		return web.Reply{}, err
	}
	recursive, err := c.QueryBool("recursive")
	if err != nil {
		return web.Reply{}, err
	}
	return deleted(), a.Reach.DeleteFile(c.Context(), at.node, at.on(name), recursive)
}
