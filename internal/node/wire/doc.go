// Package wire is what a node's agent and the service say to each other: the
// boot message a machine starts with, the control frames on stream 0 of the
// agent's session, and the header of every further stream.
//
// It owns shapes and their encoding, and nothing that acts on them.
// internal/node, internal/provider/local and web/nodeapi use it; it imports
// only the standard library.
package wire
