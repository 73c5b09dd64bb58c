// Package layer keeps what machines boot from: content-addressed layers (OCI:
// a tar, zstd or gzip, named by its sha256), trees (stacks of layers, unpacked
// in a store folder) and disks (the writable part over a tree).
//
// It refuses to know accounts, regions, galleries or pools: a store folder is
// given by its caller. gallery, schedule, provider and provider/local use
// it; web/registry will. Work on files that belong to machines is done
// through Worker, which provider/local runs inside the outer user namespace;
// Local is that work. Blobs (put, import, export, collect) is the server's own.
//
// Folders: Blobs.Dir/sha256/HEX holds the blobs, Store.Dir/HEX one unpacked
// layer each, Disk.Path/{upper,work,root} the writable part. NAME.part is being
// made and NAME.gone being removed. The server and the machines' root both write
// below Blobs.Dir; all else belongs to the machines' root.
package layer
