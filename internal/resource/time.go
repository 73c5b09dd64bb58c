package resource

import (
	"fmt"
	"sync"
	"time"
)

// Ticks is an instant as .NET counts it: 100 ns steps since 0001-01-01 UTC.
// Azure's ETags are these ticks in hexadecimal (facts/wire.md 1.2).
type Ticks int64

// Span is a duration in steps of 100 ns; MaxSpan is Azure's "no limit".
type Span int64

// Span units and limits.
const (
	Second  Span = 10_000_000
	Minute       = 60 * Second
	Hour         = 60 * Minute
	Day          = 24 * Hour
	MaxSpan Span = 1<<63 - 1 // P10675199DT2H48M5.4775807S
)

const unixEpoch Ticks = 621_355_968_000_000_000

// TicksOf converts a time; fractions below 100 ns are cut.
func TicksOf(t time.Time) Ticks {
	return unixEpoch + Ticks(t.Unix())*Ticks(Second) + Ticks(t.Nanosecond()/100)
}

// Time converts back to UTC.
func (t Ticks) Time() time.Time {
	rest := t - unixEpoch
	sec := rest / Ticks(Second)
	frac := rest % Ticks(Second)
	return time.Unix(int64(sec), int64(frac)*100).UTC()
}

// Add moves t by s.
func (t Ticks) Add(s Span) Ticks {
	if s > 0 && t > Ticks(MaxSpan)-Ticks(s) {
		return Ticks(MaxSpan)
	}
	return t + Ticks(s)
}

// ETag is the tick as Azure Batch writes it: 0x and upper-case hexadecimal.
func (t Ticks) ETag() string { return fmt.Sprintf("0x%X", int64(t)) }

// Duration converts to a Go duration, which ends at about 292 years.
func (s Span) Duration() time.Duration {
	if s > Span((1<<63-1)/100) {
		return 1<<63 - 1
	}
	return time.Duration(s) * 100
}

// SpanOf converts a Go duration.
func SpanOf(d time.Duration) Span { return Span(d / 100) }

// Clock tells the time and wakes its users; production uses SystemClock, tests
// a clock that is moved by hand.
type Clock interface {
	Now() Ticks
	// After delivers once when d has passed on this clock.
	After(d time.Duration) <-chan time.Time
}

type systemClock struct {
	mu   sync.Mutex
	last Ticks
}

// SystemClock is the machine's clock, strictly rising within the process, so
// that two writes never share an ETag.
func SystemClock() Clock { return &systemClock{} }

func (c *systemClock) Now() Ticks {
	now := TicksOf(time.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if now <= c.last {
		now = c.last + 1
	}
	c.last = now
	return now
}

func (c *systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }
