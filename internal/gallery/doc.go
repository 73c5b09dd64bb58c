// Package gallery owns everything an image is made of and goes through: the
// catalogue of Marketplace-style references and their agent SKUs, disks,
// snapshots, managed images, galleries, definitions, versions and replicas,
// and the rules by which a pool may use an image.
//
// It refuses to own virtual machines (machine: asked through Sources), pools
// (pool: this room answers ImageFor and TreeFor in its own words), bytes of
// layers (layer) and the order in which long work is done (schedule calls
// Work for each open operation). The Resource Manager face, the admin face,
// machine and schedule call it; the data plane lists its catalogue.
package gallery
