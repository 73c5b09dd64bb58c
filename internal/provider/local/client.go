package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"millpond/internal/provider"
)

// errHostGone is a request whose node host died under it: its machines ended.
var errHostGone = fmt.Errorf("local: %w", provider.ErrLost)

// errClosed is a request after Close.
var errClosed = errors.New("local: provider is closed")

// giveUp is how long a cancelled request waits to hear how it ended.
const giveUp = 15 * time.Second

func (p *Provider) socket() string { return filepath.Join(p.config.RunDir, hostSocket) }

// dial connects to the node host, starting one if there is none.
func (p *Provider) dial(ctx context.Context) (*net.UnixConn, error) {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	conn, err := p.dialOnce(ctx)
	if err == nil || ctx.Err() != nil {
		return conn, err
	}
	if !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("local: node host: %w", err)
	}
	if err := p.revive(ctx); err != nil {
		return nil, err
	}
	return p.dialOnce(ctx)
}

func (p *Provider) dialOnce(ctx context.Context) (*net.UnixConn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", p.socket())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

// call makes one request and gives its last reply; each, if not nil, sees the
// ones before. When ctx ends the host is told, and its answer still awaited:
// the caller must know whether the thing was done.
func (p *Provider) call(ctx context.Context, req request, each func(reply)) (reply, error) {
	conn, err := p.dial(ctx)
	if err != nil {
		return reply{}, err
	}
	return exchange(ctx, conn, req, each)
}

func exchange(ctx context.Context, conn *net.UnixConn, req request, each func(reply)) (reply, error) {
	defer conn.Close()
	if _, err := conn.Write(append(encode(req), '\n')); err != nil {
		return reply{}, hostGone(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetReadDeadline(time.Now().Add(giveUp))
		_ = conn.CloseWrite()
	})
	defer stop()
	in := json.NewDecoder(conn)
	for {
		var r reply
		if err := in.Decode(&r); err != nil {
			return r, hostGone(ctx, err)
		}
		if r.Done {
			return r, r.Error.err()
		}
		if each != nil {
			each(r)
		}
	}
}

func hostGone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return errHostGone
	}
	return fmt.Errorf("%w: %w", errHostGone, err)
}
