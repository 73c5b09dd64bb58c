package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"millpond/internal/node/wire"
)

// hostFile is a file of /etc that belongs to this start of the machine and not
// to its image. It lives in /run and is bound over, so a capture never holds it.
type hostFile struct {
	name string // below /etc
	text string
}

func hostFiles(boot wire.Boot) []hostFile {
	ip := boot.IP
	if ip == "" {
		ip = "127.0.1.1"
	}
	hosts := "127.0.0.1\tlocalhost\n" + ip + "\t" + boot.Hostname + "\n" +
		"::1\tlocalhost ip6-localhost ip6-loopback\n"
	resolv, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		// A host without one resolves through the local port 53, glibc's default.
		resolv = []byte("nameserver 127.0.0.1\n")
	}
	return []hostFile{
		{"hostname", boot.Hostname + "\n"},
		{"hosts", hosts},
		{"resolv.conf", string(resolv)},
	}
}

func placeFiles(files []hostFile) error {
	const dir = "/run/millpond-etc"
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := makeDir("/etc"); err != nil {
		return err
	}
	for _, f := range files {
		made := filepath.Join(dir, f.name)
		if err := os.WriteFile(made, []byte(f.text), 0o644); err != nil {
			return err
		}
		target := filepath.Join("/etc", f.name)
		if to, err := os.Readlink(target); err == nil {
			// Ubuntu's resolv.conf leads into /run, which is ours and empty:
			// the file is put where the link leads.
			if err := follow(to, f.text); err != nil {
				return fmt.Errorf("%s -> %s: %w", target, to, err)
			}
			continue
		}
		if err := touch(target); err != nil {
			return err
		}
		if err := unix.Mount(made, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", target, err)
		}
	}
	return nil
}

// follow writes text where a link of /etc leads, when that is inside /run;
// elsewhere the image means something by it and keeps it.
func follow(link, text string) error {
	path := link
	if !filepath.IsAbs(path) {
		path = filepath.Join("/etc", path)
	}
	if path = filepath.Clean(path); !strings.HasPrefix(path, "/run/") {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
