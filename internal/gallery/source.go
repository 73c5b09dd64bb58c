package gallery

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"millpond/internal/fault"
)

// Kinds of source a base image is made from.
const (
	SourceHost      = "host"        // this machine's own /usr
	SourceBootstrap = "debootstrap" // a Debian suite
	SourceTar       = "tar"         // a root file system as one archive
	SourceLayout    = "layout"      // an OCI image layout folder
)

// Source is where a base image comes from.
type Source struct {
	Kind string
	Arg  string // suite or path
}

// ParseSource reads what a person writes: host, debootstrap:SUITE, or the path
// of a tar (.tar, .tar.gz, .tar.zst) or of an OCI layout folder. tar: and
// layout: before a path say which when the path alone cannot.
func ParseSource(s string) (Source, error) {
	bad := func(rule string) (Source, error) {
		return Source{}, fault.Newf("InvalidParameter", "The image source '%s' is not valid. %s", s, rule).With("target", "source")
	}
	if s == SourceHost {
		return Source{Kind: SourceHost}, nil
	}
	if suite, ok := strings.CutPrefix(s, SourceBootstrap+":"); ok {
		if suite == "" || strings.Trim(suite, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
			return bad("After debootstrap: comes a suite such as bookworm.")
		}
		return Source{Kind: SourceBootstrap, Arg: suite}, nil
	}
	for _, kind := range []string{SourceTar, SourceLayout} {
		if path, ok := strings.CutPrefix(s, kind+":"); ok {
			if !filepath.IsAbs(path) {
				return bad("The path must be absolute.")
			}
			return Source{Kind: kind, Arg: filepath.Clean(path)}, nil
		}
	}
	if !filepath.IsAbs(s) {
		return bad("It must be host, debootstrap:SUITE, or the absolute path of a tar or of an OCI layout folder.")
	}
	if st, err := os.Stat(s); err == nil && st.IsDir() {
		return Source{Kind: SourceLayout, Arg: filepath.Clean(s)}, nil
	}
	return Source{Kind: SourceTar, Arg: filepath.Clean(s)}, nil
}

// String is the form ParseSource reads.
func (s Source) String() string {
	if s.Arg == "" {
		return s.Kind
	}
	return s.Kind + ":" + s.Arg
}

// missing says why this machine cannot make the source now; "" means it can.
func (s Source) missing(offline bool) string {
	switch s.Kind {
	case SourceHost:
		return ""
	case SourceTar, SourceLayout:
		if _, err := os.Stat(s.Arg); err != nil {
			return "its source " + s.String() + " cannot be read on this machine"
		}
		return ""
	case SourceBootstrap:
		if offline {
			return "its source " + s.String() + " needs the network and the service runs offline"
		}
		if _, err := exec.LookPath("mmdebstrap"); err == nil {
			return ""
		}
		if _, err := exec.LookPath("debootstrap"); err != nil {
			return "its source " + s.String() + " needs mmdebstrap or debootstrap, and neither is installed"
		}
		if _, err := os.Stat("/usr/share/debootstrap/scripts/" + s.Arg); err != nil {
			return "the installed debootstrap does not know the suite " + s.Arg
		}
		return ""
	default:
		return "it has no source"
	}
}
