// Package adminapi is Millpond's own API below /millpond/v1: the image
// catalogue with its aliases and the check of replicas. The millpond commands
// use it, and the portal will.
//
// It speaks Resource Manager's dialect (bearer tokens, error bodies) and owns
// no rule: gallery does the work.
package adminapi
