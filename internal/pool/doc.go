// Package pool owns pools and their nodes: specifications with Azure's
// defaults, the rules of creation and change, the node state machine, and the
// pure decision how a resize goes on.
//
// It refuses to own tasks (job), machines (provider), SQL (store), the loops
// (schedule) and wire shapes (web/batchapi, web/armapi). Faces and schedule
// call it; Reach is how it reaches into a running node.
package pool
