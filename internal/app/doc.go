// Package app wires the program: from a configuration it builds the store, the
// nouns, the provider, the loops and the faces, starts them, routes requests by
// host and path, and stops everything in order.
//
// It owns no rule and no shape. It is the only room that imports all others,
// and nobody but cmd/millpond imports it. Adapters here translate between rooms
// that must not know each other.
package app
