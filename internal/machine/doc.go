// Package machine owns VM sizes and virtual machines: what a machine is made
// from, its power states, who may log in, whether it was generalized, and what
// its agent proves when it connects.
//
// It refuses to start or stop anything (schedule does, through a provider), to
// own disks (gallery does; a machine names its disk), and to own networks: what
// a request says of them is kept and shown. The Resource Manager face, schedule
// and the node gateway call it; gallery asks it through gallery.Sources.
package machine
