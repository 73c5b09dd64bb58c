// Package rig runs the built programs for whole-program tests: a server in a
// folder of its own, killed and started at will, and a small client that signs
// with the account's shared key, as any client outside would.
//
// It imports nothing of the program. test/faults, test/scripts and test/bench
// use it.
package rig
