// Package rooms keeps the layout: which room may import which, how long a file may grow, what every package says of
// itself, and the few conventions a compiler does not know. It holds tests only; `make check` runs them.
//
// It owns the table of arrows (arrows_test.go), which is docs/architecture.md as a machine reads it. It refuses to own
// rules about code inside a room: those are linters (.golangci.yml) or the room's own tests. Nobody imports it.
package rooms
