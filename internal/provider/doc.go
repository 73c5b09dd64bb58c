// Package provider is the boundary to whatever gives machines: one small
// interface, what each method promises, and the facts a provider declares about
// itself.
//
// It refuses to know pools, tasks or images: a machine is a tree, a disk, a
// size and an id. schedule calls it; provider/local and provider/fake satisfy
// it; provider/providertest is the promise as tests.
package provider
