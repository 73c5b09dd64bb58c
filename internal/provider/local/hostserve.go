package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"millpond/internal/layer"
	"millpond/internal/provider"
)

// host is the node host: a table of machines and a worker behind a socket.
type host struct {
	config hostConfig
	agent  string // sha256
	base   string // the skeleton
	worker layer.Worker
	groups groups
	log    *slog.Logger

	mu       sync.Mutex
	machines map[string]*machine
	turns    map[string]*turn
	watchers map[chan<- struct{}]*[]provider.Instance
	untold   []provider.Instance // exits while nobody watched, for the next who does
	stop     context.CancelFunc
}

func newHost(config hostConfig, agent, base string, worker layer.Worker, log *slog.Logger) *host {
	return &host{
		config: config, agent: agent, base: base, worker: worker, log: log,
		groups:   groups{c: config.Cgroups},
		machines: map[string]*machine{},
		turns:    map[string]*turn{},
		watchers: map[chan<- struct{}]*[]provider.Instance{},
	}
}

// serve answers until ctx ends, somebody asks for the end, or the data folder
// is gone: then nobody can ever ask for these machines again.
func (h *host) serve(ctx context.Context, listener net.Listener) {
	ctx, h.stop = context.WithCancel(ctx)
	defer h.stop()
	context.AfterFunc(ctx, func() { listener.Close() })
	go h.watchFolder(ctx)
	var open sync.WaitGroup
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			break
		}
		if err != nil { // such as no descriptor left; others end, and some come free
			h.log.Error("accept", "error", err)
			pause(ctx, retryEvery)
			continue
		}
		open.Go(func() { h.answer(ctx, conn.(*net.UnixConn)) })
	}
	h.stop()
	open.Wait()
	h.endAll()
}

func (h *host) watchFolder(ctx context.Context) {
	probe := filepath.Join(h.config.Data, tmpFolder, keepName)
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := os.Stat(probe); errors.Is(err, os.ErrNotExist) {
				h.log.Warn("the data folder is gone: stopping", "folder", h.config.Data)
				h.stop()
				return
			}
		}
	}
}

// keepName is a file whose absence says that the data folder was deleted.
const keepName = ".millpond"

// answer serves one connection: one request.
func (h *host) answer(ctx context.Context, conn *net.UnixConn) {
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := json.NewDecoder(conn)
	var req request
	if err := in.Decode(&req); err != nil {
		return
	}
	go func() { // the client's end of file is its word that it gave up
		_, _ = io.Copy(io.Discard, conn)
		cancel()
	}()
	out := &replies{json: json.NewEncoder(conn)}
	r, err := h.do(ctx, req, out)
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	r.Done, r.Error = true, failureOf(err)
	out.send(r)
}

// replies writes to a client from more than one goroutine. A client that went
// away is noticed by reading, so errors of writing say nothing new.
type replies struct {
	mu   sync.Mutex
	json *json.Encoder
}

func (o *replies) send(r reply) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = o.json.Encode(r)
}

// Write sends what a program prints, as it comes.
func (o *replies) Write(p []byte) (int, error) {
	o.send(reply{Log: p})
	return len(p), nil
}

func (h *host) do(ctx context.Context, req request, out *replies) (r reply, err error) {
	switch req.Op {
	case opHello:
		r.Hello = &hello{Protocol: protocol, Agent: h.agent, Machines: len(h.list()), Cgroups: h.config.Cgroups}
	case opWatch:
		h.watch(ctx, out)
	case opShutdown:
		h.stop()
		h.endAll()
	case opList:
		r.Instances = h.list()
	case opCreate, opReboot:
		if req.Machine == nil {
			return r, errors.New("request has no machine")
		}
		if req.Op == opReboot {
			return r, h.reboot(ctx, *req.Machine)
		}
		return r, h.create(ctx, *req.Machine)
	case opDestroy:
		return r, h.destroy(ctx, req.ID)
	case opUnpack:
		err = h.worker.Unpack(ctx, req.Blob, req.Layer, req.Dir)
	case opClone:
		err = h.worker.Clone(ctx, req.Disk)
	case opDiff:
		r.Layer, err = h.worker.Diff(ctx, req.Disk, req.Blob, req.Strip)
	case opCopyDisk:
		err = h.worker.CopyDisk(ctx, req.Disk, req.To)
	case opVerify:
		err = h.worker.Verify(ctx, req.Blob, req.Layer, req.Dir)
	case opMkdir:
		err = h.worker.Mkdir(ctx, req.Dir)
	case opRemove:
		err = h.worker.Remove(ctx, req.Dir)
	case opBootstrap:
		r.Layer, err = h.worker.Bootstrap(ctx, req.Suite, req.Blob, out)
	default:
		err = fmt.Errorf("unknown request %q", req.Op)
	}
	return r, err
}

// watch sends exits until the client goes. They are queued without bound,
// because a lost one would be a node that never comes back.
func (h *host) watch(ctx context.Context, out *replies) {
	wake, queue := make(chan struct{}, 1), &[]provider.Instance{}
	wake <- struct{}{}
	h.mu.Lock()
	*queue, h.untold = h.untold, nil
	h.watchers[wake] = queue
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.watchers, wake)
		h.mu.Unlock()
	}()
	out.send(reply{})
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
			h.mu.Lock()
			exits := *queue
			*queue = nil
			h.mu.Unlock()
			for _, e := range exits {
				out.send(reply{Exit: &e})
			}
		}
	}
}

// tell puts an exit into every watcher's queue. The caller holds h.mu. A server
// whose node host was killed may have had the next one start machines before it
// watches it; they end once, so there are no more of them than machines.
func (h *host) tell(e provider.Instance) {
	if len(h.watchers) == 0 {
		h.untold = append(h.untold, e)
	}
	for wake, queue := range h.watchers {
		*queue = append(*queue, e)
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}
