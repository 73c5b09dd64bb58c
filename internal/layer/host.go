package layer

import (
	"archive/tar"
	"context"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// merged are the directories that are links into /usr on a machine with merged
// /usr, and real directories with programs on one without.
var merged = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"}

// HostBinds are the host's own directories a machine of the host image needs
// bound read-only: /usr, and /bin and the like where they are not links into it.
func HostBinds() []string {
	binds := []string{"/usr"}
	for _, name := range merged {
		if st, err := os.Lstat("/" + name); err == nil && st.IsDir() {
			binds = append(binds, "/"+name)
		}
	}
	return binds
}

// hostEtc are the parts of the host's /etc a program may need to run at all:
// where libraries and alternatives lie, certificates, name services, shells,
// the locale. Nothing that says who may enter the host, and no key.
var hostEtc = []string{
	"ImageMagick-6", "ImageMagick-7", "alternatives", "bash.bashrc", "bindresvport.blacklist",
	"ca-certificates.conf", "crypto-policies", "debian_version", "default/locale", "ethertypes",
	"fonts", "gai.conf", "host.conf", "inputrc", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
	"locale.alias", "locale.conf", "localtime", "login.defs", "lsb-release", "magic", "mime.types",
	"networks", "nsswitch.conf", "os-release", "perl", "pki/ca-trust/extracted", "pki/tls/certs",
	"pki/tls/cert.pem", "pki/tls/openssl.cnf", "povray", "profile", "profile.d", "protocols",
	"python3", "redhat-release", "resolv.conf", "rpc", "services", "shells", "skel",
	"ssl/cert.pem", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone", "xattr.conf",
}

// hostMade are directories every machine has, with their modes.
var hostMade = []struct {
	path string
	mode int64
}{
	{"dev", 0o755}, {"etc", 0o755}, {"home", 0o755}, {"media", 0o755}, {"mnt", 0o755},
	{"opt", 0o755}, {"proc", 0o555}, {"root", 0o700}, {"run", 0o755}, {"srv", 0o755},
	{"sys", 0o555}, {"tmp", 0o1777}, {"usr", 0o755}, {"var", 0o755}, {"var/cache", 0o755},
	{"var/lib", 0o755}, {"var/lib/misc", 0o755}, {"var/local", 0o755}, {"var/log", 0o755},
	{"var/opt", 0o755}, {"var/spool", 0o755}, {"var/tmp", 0o1777},
}

// HostLayer makes the one layer of the host image: directories, links into /usr
// and an /etc of our own, to be used with the host's programs (HostBinds, which
// Store.Ensure puts into the tree). Accounts are made, never the host's; no
// shadow file, key or machine id of the host is read. Files only root may read
// are left out.
func HostLayer(ctx context.Context, blobs Blobs) (Layer, error) {
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(writeHost(pw)) }()
	l, err := blobs.Put(ctx, pr)
	pr.CloseWithError(io.ErrClosedPipe) // lets the writer go when Put gave up
	if err != nil {
		return Layer{}, err
	}
	l.Host = true
	return l, nil
}

func writeHost(out io.Writer) error {
	h := &hostWriter{tw: tar.NewWriter(out)}
	for _, d := range hostMade {
		h.header(&tar.Header{Typeflag: tar.TypeDir, Name: d.path + "/", Mode: d.mode, ModTime: time.Unix(0, 0)})
	}
	for _, name := range merged {
		h.merged(name)
	}
	h.link("var/run", "/run")
	h.link("var/lock", "/run/lock")
	h.link("etc/mtab", "../proc/self/mounts")
	for _, f := range madeEtc {
		h.file(f.name, f.mode, f.gid, f.text)
	}
	for _, name := range hostEtc {
		h.copy(path.Join("etc", name))
	}
	if h.err != nil {
		return h.err
	}
	return h.tw.Close()
}

// hostWriter writes the archive; the first error stops all that follows.
type hostWriter struct {
	tw  *tar.Writer
	err error
}

func (h *hostWriter) header(th *tar.Header) {
	if h.err == nil {
		h.err = h.tw.WriteHeader(th)
	}
}

func (h *hostWriter) link(name, target string) {
	h.header(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777, ModTime: time.Unix(0, 0)})
}

func (h *hostWriter) file(name string, mode int64, gid int, text string) {
	h.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Gid: gid, Size: int64(len(text)), ModTime: time.Unix(0, 0)})
	if h.err == nil {
		_, h.err = io.WriteString(h.tw, text)
	}
}

// merged repeats the host's way: a link into /usr, or a place to bind to.
func (h *hostWriter) merged(name string) {
	if target, err := os.Readlink("/" + name); err == nil {
		h.link(name, target)
	} else if st, err := os.Lstat("/" + name); err == nil && st.IsDir() {
		h.header(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: time.Unix(0, 0)})
	}
}

// copy takes over a file, link or directory of the host, all root's. A link
// that leads nowhere inside such a machine (os-release into /usr is fine,
// resolv.conf into /run is not) is taken over as the file it leads to.
func (h *hostWriter) copy(name string) {
	st, err := os.Lstat("/" + name)
	if err != nil || h.err != nil {
		return
	}
	th := &tar.Header{Name: name, Mode: int64(st.Mode().Perm()), ModTime: time.Unix(st.ModTime().Unix(), 0)}
	switch {
	case st.IsDir():
		entries, err := os.ReadDir("/" + name)
		if err != nil {
			return
		}
		th.Typeflag, th.Name = tar.TypeDir, name+"/"
		h.header(th)
		for _, e := range entries {
			h.copy(path.Join(name, e.Name()))
		}
	case st.Mode()&os.ModeSymlink != 0:
		target, err := os.Readlink("/" + name)
		if err != nil {
			return
		}
		to := target
		if !filepath.IsAbs(to) {
			to = filepath.Join("/", filepath.Dir(name), to)
		}
		if strings.HasPrefix(to, "/usr/") || strings.HasPrefix(to, "/etc/") {
			h.link(name, target)
			return
		}
		h.contents(th, name)
	case st.Mode().IsRegular():
		h.contents(th, name)
	}
}

func (h *hostWriter) contents(th *tar.Header, name string) {
	f, err := os.Open("/" + name)
	if err != nil {
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Mode()&0o004 == 0 {
		return
	}
	th.Typeflag, th.Size, th.Mode = tar.TypeReg, st.Size(), int64(st.Mode().Perm()&0o755)
	h.header(th)
	if h.err == nil {
		_, h.err = io.CopyN(h.tw, f, st.Size())
	}
}

// madeEtc are the files of /etc that are ours: Debian's standing accounts with
// their fixed ids, none of which can log in.
var madeEtc = []struct {
	name string
	mode int64
	gid  int
	text string
}{
	{"etc/passwd", 0o644, 0, hostPasswd},
	{"etc/group", 0o644, 0, hostGroup},
	{"etc/shadow", 0o640, 42, lockAll(hostPasswd, ":*:1::::::\n")},
	{"etc/gshadow", 0o640, 42, lockAll(hostGroup, ":*::\n")},
	{"etc/hosts", 0o644, 0, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"},
	{"etc/hostname", 0o644, 0, "localhost\n"},
	{"etc/machine-id", 0o444, 0, ""},
	{"etc/fstab", 0o644, 0, ""},
}

const hostPasswd = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
games:x:5:60:games:/usr/games:/usr/sbin/nologin
man:x:6:12:man:/var/cache/man:/usr/sbin/nologin
lp:x:7:7:lp:/var/spool/lpd:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
backup:x:34:34:backup:/var/backups:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`

const hostGroup = `root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
lp:x:7:
mail:x:8:
man:x:12:
kmem:x:15:
cdrom:x:24:
sudo:x:27:
audio:x:29:
www-data:x:33:
backup:x:34:
shadow:x:42:
utmp:x:43:
video:x:44:
plugdev:x:46:
staff:x:50:
games:x:60:
users:x:100:
nogroup:x:65534:
`

// lockAll makes the shadow file of an account file: every name, rest after it.
func lockAll(accounts, rest string) string {
	var out strings.Builder
	for line := range strings.Lines(accounts) {
		name, _, _ := strings.Cut(line, ":")
		out.WriteString(name + rest)
	}
	return out.String()
}
