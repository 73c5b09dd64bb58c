// Package cli is the millpond command: its words, flags and help, and what the
// commands other than up do, which is to be clients of a running server over
// public and admin HTTP.
//
// It refuses to open the database or to know a noun. Starting the server, the
// node host and the machine's check come in through Program, which
// cmd/millpond fills from app.
package cli
