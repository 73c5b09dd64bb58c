package layer

import (
	"archive/tar"
	"path"
	"strings"
)

// Names of the OCI layer format: ".wh.NAME" says NAME of the layers below is
// gone, ".wh..wh..opq" that its directory hides all they have there.
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
	aufsPrefix     = ".wh..wh."
)

// On disk an overlay mounted with userxattr keeps the same two facts as a
// character device 0:0 (which the kernel lets anybody make since 5.8, also in a
// user namespace) and as an attribute.
const (
	overlayPrefix = "user.overlay."
	opaqueXattr   = overlayPrefix + "opaque"
)

// paxXattr is how tar writers keep extended attributes.
const paxXattr = "SCHILY.xattr."

// checkWhiteout turns a marker file into the entry it stands for; the other
// files of the aufs family mean nothing to us and are passed over.
func (a *archive) checkWhiteout(h *tar.Header, e *entry, base string) (*entry, error) {
	dir := path.Dir(e.Path)
	if e.Kind == kindDir {
		return nil, invalid(h.Name, "a whiteout cannot be a directory")
	}
	if err := a.admitParents(h.Name, e.Path); err != nil {
		return nil, err
	}
	switch {
	case base == opaqueName:
		return &entry{Path: dir, Kind: kindOpaque}, nil
	case strings.HasPrefix(base, aufsPrefix):
		return nil, nil
	}
	hidden := strings.TrimPrefix(base, whiteoutPrefix)
	if hidden == "" || hidden == "." || hidden == ".." {
		return nil, invalid(h.Name, "the whiteout names nothing")
	}
	return &entry{Path: path.Join(dir, hidden), Kind: kindWhiteout}, nil
}

// xattrsOf gives the attributes of a header as they are written on disk. Only
// those that mean something inside a machine are kept. An attribute that
// overlayfs itself would obey is written escaped, as overlayfs does for an
// overlay inside an overlay: an archive cannot redirect a directory.
func xattrsOf(h *tar.Header) map[string]string {
	var kept map[string]string
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, paxXattr)
		if !ok {
			continue
		}
		if name, ok = xattrOnDisk(name); !ok {
			continue
		}
		if kept == nil {
			kept = map[string]string{}
		}
		kept[name] = value
	}
	return kept
}

func xattrOnDisk(name string) (string, bool) {
	switch {
	case strings.HasPrefix(name, overlayPrefix):
		return overlayPrefix + "overlay." + strings.TrimPrefix(name, overlayPrefix), true
	case strings.HasPrefix(name, "user."),
		name == "security.capability",
		name == "system.posix_acl_access",
		name == "system.posix_acl_default":
		return name, true
	}
	return "", false
}

// xattrInTar is the way back: false for what overlayfs keeps for itself.
func xattrInTar(name string) (string, bool) {
	if inner, ok := strings.CutPrefix(name, overlayPrefix); ok {
		inner, ok = strings.CutPrefix(inner, "overlay.")
		return overlayPrefix + inner, ok
	}
	_, ok := xattrOnDisk(name)
	return name, ok
}
