// Package faults kills parts of a running deployment at seeded moments and
// checks that nothing is lost, nothing counted twice, and nothing left over.
package faults
