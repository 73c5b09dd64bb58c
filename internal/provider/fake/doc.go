// Package fake gives machines that exist in memory only. It keeps every promise
// of provider.Provider, so that schedule and load tests can use it, and lets a
// caller delay or fail any call (Before) and attach a simulated agent to every
// start (OnStart).
//
// It refuses to simulate what happens inside a machine: that is its caller's.
package fake
