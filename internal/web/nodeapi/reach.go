package nodeapi

import (
	"context"
	"errors"
	"io"
	"time"

	"millpond/internal/fault"
	"millpond/internal/node/wire"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// open starts a stream to the node's agent and asks o; a refusal comes back as
// a fault. The stream ends with ctx.
func (g *Gateway) open(ctx context.Context, nodeUID string, o wire.Open) (*wire.Stream, wire.Opened, func(), error) {
	s, err := g.session(nodeUID)
	if err != nil {
		return nil, wire.Opened{}, nil, err
	}
	raw, err := s.mux.OpenStream()
	if err != nil {
		return nil, wire.Opened{}, nil, unreachable(err)
	}
	unhook := context.AfterFunc(ctx, func() {
		_ = raw.SetDeadline(time.Unix(1, 0)) // closing ends only our direction; an agent may hang
		_ = raw.Close()
	})
	end := func() {
		unhook()
		_ = raw.Close()
	}
	stream := wire.NewStream(raw)
	got, err := stream.Ask(o)
	if err != nil {
		end()
		if refusal, ok := errors.AsType[*wire.StreamError](err); ok {
			return nil, got, nil, refused(refusal)
		}
		return nil, got, nil, unreachable(err)
	}
	return stream, got, end, nil
}

// refusals are the codes an agent may answer with; any other, which only one
// who took the agent's place would send, must not pass for an answer of ours.
var refusals = map[string]bool{
	"FileNotFound": true, "InvalidUri": true, "InvalidRange": true, "OutOfRangeInput": true, "InvalidRequest": true,
	"OperationInvalidForCurrentState": true, "OperationNotAllowed": true, "InternalError": true,
	"NodeUserExists": true, "NodeUserNotFound": true, "InvalidPropertyValue": true, "MissingRequiredProperty": true,
}

func refused(e *wire.StreamError) error {
	if !refusals[e.Code] {
		return unreachable(e)
	}
	return fault.New(e.Code, clip(e.Message, maxText))
}

func unreachable(err error) error {
	return fault.New("NodeNotReady", "The specified node is not ready: its agent does not answer.").Because(err)
}

// ask is open for exchanges of one line each way.
func (g *Gateway) ask(ctx context.Context, nodeUID string, o wire.Open) (wire.Opened, error) {
	_, got, end, err := g.open(ctx, nodeUID, o)
	if err == nil {
		end()
	}
	return got, err
}

// ListFiles lists a directory below the node's root directory.
func (g *Gateway) ListFiles(ctx context.Context, nodeUID, path string, recursive bool) ([]pool.File, error) {
	got, err := g.ask(ctx, nodeUID, wire.Open{Kind: wire.StreamFileList, Path: path, Recursive: recursive})
	if err != nil {
		return nil, err
	}
	files := make([]pool.File, len(got.Files))
	for i := range got.Files {
		files[i] = fileOf(&got.Files[i])
	}
	return files, nil
}

// StatFile tells of one file.
func (g *Gateway) StatFile(ctx context.Context, nodeUID, path string) (pool.File, error) {
	got, err := g.ask(ctx, nodeUID, wire.Open{Kind: wire.StreamFileStat, Path: path})
	if err != nil {
		return pool.File{}, err
	}
	return fileOf(got.File), nil
}

// ReadFile reads a part of a file; the reader must be closed.
func (g *Gateway) ReadFile(ctx context.Context, nodeUID, path string, offset, length int64) (pool.File, pool.ReadCloser, error) {
	stream, got, end, err := g.open(ctx, nodeUID, wire.Open{Kind: wire.StreamFileRead, Path: path, Offset: offset, Length: length})
	if err != nil {
		return pool.File{}, nil, err
	}
	return fileOf(got.File), body{ctx, stream, end}, nil
}

type body struct {
	ctx    context.Context
	stream io.Reader
	end    func()
}

// Read never lets the end of the request pass for the end of the file: a
// stream we close may answer with EOF.
func (b body) Read(p []byte) (int, error) {
	n, err := b.stream.Read(p)
	if errors.Is(err, io.EOF) && b.ctx.Err() != nil {
		err = b.ctx.Err()
	}
	return n, err
}

func (b body) Close() error {
	b.end()
	return nil
}

// DeleteFile removes a file, or with recursive a directory.
func (g *Gateway) DeleteFile(ctx context.Context, nodeUID, path string, recursive bool) error {
	_, err := g.ask(ctx, nodeUID, wire.Open{Kind: wire.StreamFileDelete, Path: path, Recursive: recursive})
	return err
}

// PutUser makes or changes an account on the node and opens its SSH port, as
// Azure's nodes can be entered once they have a user.
func (g *Gateway) PutUser(ctx context.Context, nodeUID string, u pool.NodeUser, mustBeNew bool) error {
	w := &wire.NodeUser{Name: u.Name, Admin: u.Admin, PasswordHash: u.PasswordHash, Expiry: int64(u.Expiry), Login: true}
	if u.SSHKey != "" {
		w.SSHKeys = []string{u.SSHKey}
	}
	_, err := g.ask(ctx, nodeUID, wire.Open{Kind: wire.StreamUserPut, User: w, Keep: mustBeNew})
	return err
}

// DeleteUser removes an account and ends its sessions; a missing one is no error.
func (g *Gateway) DeleteUser(ctx context.Context, nodeUID, name string) error {
	_, err := g.ask(ctx, nodeUID, wire.Open{Kind: wire.StreamUserDelete, User: &wire.NodeUser{Name: name}})
	if fault.Is(err, "NodeUserNotFound") {
		return nil
	}
	return err
}

// Prepare readies a virtual machine for capture: its files are flushed and
// what identifies it is swept away.
func (g *Gateway) Prepare(ctx context.Context, uid string) error {
	_, err := g.ask(ctx, uid, wire.Open{Kind: wire.StreamPrepare})
	return err
}

func fileOf(f *wire.File) pool.File {
	if f == nil {
		return pool.File{}
	}
	return pool.File{Path: f.Name, Dir: f.Dir, Size: f.Size, Modified: resource.Ticks(f.Modified), Mode: f.Mode}
}

// dialSSH opens a raw SSH connection into the node.
func (g *Gateway) dialSSH(ctx context.Context, nodeUID string) (io.ReadWriteCloser, error) {
	stream, _, end, err := g.open(ctx, nodeUID, wire.Open{Kind: wire.StreamSSH})
	if err != nil {
		return nil, err
	}
	return sshStream{stream, end}, nil
}

type sshStream struct {
	io.ReadWriter
	end func()
}

func (s sshStream) Close() error {
	s.end()
	return nil
}
