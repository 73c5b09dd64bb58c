package armapi

import (
	"millpond/internal/resource"
	"millpond/internal/web"
)

// values is a list without further pages: this face's lists are short.
func values[T any](items []T) web.Reply { return web.List("", items, "") }

// value gives what was sent, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// orNone keeps absent tags out of replies.
func orNone(t map[string]string) map[string]string {
	if len(t) == 0 {
		return nil
	}
	return t
}

// sevenDigits is Authorization's form of an instant: always seven decimals
// (facts/wire.md 3.8).
func sevenDigits(t resource.Ticks) string {
	return t.Time().Format("2006-01-02T15:04:05.0000000Z")
}

// clip keeps what a stranger sent from filling our replies.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}
