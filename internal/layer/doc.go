// Package layer keeps what machines boot from: content-addressed layers (OCI:
// a tar, zstd or gzip, named by its sha256), trees (stacks of layers, unpacked
// in a store folder) and disks (the writable part over a tree).
//
// It refuses to know accounts, regions, galleries or pools: a store folder is
// given by its caller. gallery, machine, schedule, provider and provider/local
// use it; web/registry will. Work on files that belong to machines is done
// through Worker, which provider/local runs inside the outer user namespace.
package layer
