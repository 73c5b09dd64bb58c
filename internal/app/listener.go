package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"millpond/internal/web"
)

// drainTime is how long open requests may take after the server was asked to end.
const drainTime = 5 * time.Second

// newServer makes an HTTP server and the way to stop it: requests under way
// are waited for, connections that never sent one are closed at once, because
// Shutdown alone would give each of them five seconds.
func (a *App) newServer(handler http.Handler) (s *http.Server, stop func(context.Context) error) {
	var mu sync.Mutex
	fresh := map[net.Conn]bool{}
	s = &http.Server{
		Handler: web.Patient(handler), ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
		ConnState: func(c net.Conn, state http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			if state == http.StateNew {
				fresh[c] = true
			} else {
				delete(fresh, c)
			}
		},
	}
	return s, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, drainTime)
		defer cancel()
		mu.Lock()
		for c := range fresh {
			_ = c.Close()
		}
		mu.Unlock()
		if s.Shutdown(ctx) != nil {
			return s.Close()
		}
		return nil
	}
}

func listen(address, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, address, err)
	}
	return l, nil
}

// onLoopback keeps plain HTTP on this machine: a shared key signs requests but
// hides nothing.
func onLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("--http %s: plain HTTP is served on loopback only (127.0.0.1:PORT); other machines use --listen", address)
}

// agentListener is the socket agents dial; a stale one of a killed server is
// replaced.
func (a *App) agentListener() (net.Listener, error) {
	path := filepath.Join(a.provider.Sockets(), a.provider.Gateway())
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := a.provider.Admit(path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
