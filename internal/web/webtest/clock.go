package webtest

import (
	"sync"
	"time"

	"millpond/internal/resource"
)

// Start is where a new Clock stands: 2024-02-29 12:00:00.1234567 UTC, an
// instant whose seven digits show rounding and trimming.
const Start resource.Ticks = 638_448_048_001_234_567

// Clock stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now resource.Ticks
}

// NewClock gives a clock at Start.
func NewClock() *Clock { return &Clock{now: Start} }

// Now is the time it was moved to.
func (c *Clock) Now() resource.Ticks {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(s resource.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(s)
}

// After never delivers: a face's tests do not wait.
func (c *Clock) After(time.Duration) <-chan time.Time { return nil }
