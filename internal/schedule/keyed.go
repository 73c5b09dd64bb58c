package schedule

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// keyed runs a pass per key: never two at once for one key, and once more when
// a key was woken while its pass ran. Failed passes are tried again after a
// pause, so that no wish is forgotten.
type keyed struct {
	name string
	log  *slog.Logger
	pass func(ctx context.Context, key string) error

	mu      sync.Mutex
	ctx     context.Context
	running map[string]bool // true = woken again meanwhile
	closed  bool
	wg      sync.WaitGroup
}

// retryAfter is the pause before a failed pass is tried again.
const retryAfter = time.Second

func newKeyed(ctx context.Context, name string, log *slog.Logger, pass func(context.Context, string) error) *keyed {
	return &keyed{name: name, log: log, pass: pass, ctx: ctx, running: map[string]bool{}}
}

// wake makes sure that a pass for key begins after this call.
func (k *keyed) wake(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || k.ctx.Err() != nil {
		return
	}
	if _, busy := k.running[key]; busy {
		k.running[key] = true
		return
	}
	k.running[key] = false
	k.wg.Add(1)
	go k.run(key)
}

func (k *keyed) run(key string) {
	defer k.wg.Done()
	for {
		err := k.pass(k.ctx, key)
		if err != nil && k.ctx.Err() == nil {
			k.log.Warn("pass failed", "loop", k.name, "key", key, "error", err)
			select {
			case <-k.ctx.Done():
			case <-time.After(retryAfter):
			}
		}
		k.mu.Lock()
		again := (k.running[key] || err != nil) && k.ctx.Err() == nil
		if !again {
			delete(k.running, key)
			k.mu.Unlock()
			return
		}
		k.running[key] = false
		k.mu.Unlock()
	}
}

// wait returns when no pass runs and none will; the context must have ended
// before.
func (k *keyed) wait() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.wg.Wait()
}
