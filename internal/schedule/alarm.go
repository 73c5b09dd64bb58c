package schedule

import (
	"sync"

	"millpond/internal/resource"
)

// alarm calls somebody at an instant before the next sweep. However often it is
// set, one wait is under way for the earliest instant.
type alarm struct {
	mu  sync.Mutex
	due resource.Ticks // 0 = none is under way
}

// set calls wake at the instant at, 0 for never. Later instants than the one
// waited for are not kept: who is woken sets the alarm again.
func (a *alarm) set(clock resource.Clock, at resource.Ticks, wake func()) {
	if at == 0 {
		return
	}
	wait := max(resource.Span(at-clock.Now()), 0).Duration()
	if wait >= SweepEvery {
		return // the sweep comes first
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.due != 0 && a.due <= at {
		return
	}
	a.due = at
	after := clock.After(wait)
	go func() { // ends within SweepEvery
		<-after
		a.mu.Lock()
		mine := a.due == at
		if mine {
			a.due = 0
		}
		a.mu.Unlock()
		if mine {
			wake()
		}
	}()
}
