package account

import (
	"context"
	"sync"
	"time"

	"millpond/internal/resource"
)

// cached keeps the decoded records of one type: subscriptions and accounts are
// asked for by every request and written a few times a day. Writes through
// this room drop it at once; cacheAge bounds how long another writer's change
// stays unseen.
type cached[T any] struct {
	store  resource.Store
	clock  resource.Clock
	typ    string
	decode func(resource.Record) (T, error)

	mu   sync.Mutex
	list []T
	kept bool
	at   resource.Ticks
	turn int64 // raised by drop, so that a read begun before a write is not kept
}

const cacheAge = 10 * time.Second

// all gives every one; the caller does not change the slice.
func (c *cached[T]) all(ctx context.Context) ([]T, error) {
	now := c.clock.Now()
	c.mu.Lock()
	list, turn := c.list, c.turn
	fresh := c.kept && now < c.at.Add(resource.SpanOf(cacheAge))
	c.mu.Unlock()
	if fresh {
		return list, nil
	}
	recs, err := c.store.ListResources(ctx, resource.Query{Type: c.typ})
	if err != nil {
		return nil, err
	}
	list = make([]T, 0, len(recs))
	for _, rec := range recs {
		v, err := c.decode(rec)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.turn == turn {
		c.list, c.kept, c.at = list, true, now
	}
	return list, nil
}

func (c *cached[T]) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list, c.kept = nil, false
	c.turn++
}
