// Package local gives machines on this computer: each is a process of the
// agent in namespaces of its own, over a copy-on-write clone of its tree.
//
// It has two halves that speak over a unix socket. The client half (Open,
// Provider) lives in the server. The node host (HostMain, `millpond node-host`)
// is one process per data folder that outlives the server; it alone sits in
// the outer user namespace, starts and ends machines, and does for package
// layer all work on files that belong to machines' users. When the node host
// dies its machines die with it, because it is the first process of a pid
// namespace, and the client half starts a new one.
//
// It refuses to know what an agent does after its boot, which tree or disk a
// machine should have, and whether a machine that ended should come back: that
// is schedule's. app opens it; cmd/millpond runs HostMain.
package local
