package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// etcFiles are the account files of the machine, line by line. Lines the agent
// did not write are kept as they are, in their order.
type etcFiles struct {
	passwd, shadow, group []string
}

type etcUser struct {
	uid, gid    int
	home, shell string
}

func readEtc(root string) (*etcFiles, error) {
	e := &etcFiles{}
	for name, lines := range map[string]*[]string{"passwd": &e.passwd, "shadow": &e.shadow, "group": &e.group} {
		data, err := os.ReadFile(filepath.Join(root, "etc", name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if len(data) > 0 {
			*lines = strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		}
	}
	return e, nil
}

func (e *etcFiles) user(name string) (etcUser, bool) {
	for _, line := range e.passwd {
		if f := strings.Split(line, ":"); len(f) >= 7 && f[0] == name {
			uid, err1 := strconv.Atoi(f[2])
			gid, err2 := strconv.Atoi(f[3])
			return etcUser{uid, gid, f[5], f[6]}, err1 == nil && err2 == nil
		}
	}
	return etcUser{}, false
}

func (e *etcFiles) nameOf(uid int) string  { return nameWithID(e.passwd, uid) }
func (e *etcFiles) groupOf(gid int) string { return nameWithID(e.group, gid) }

func nameWithID(lines []string, id int) string {
	want := strconv.Itoa(id)
	for _, line := range lines {
		if f := strings.Split(line, ":"); len(f) >= 3 && f[2] == want {
			return f[0]
		}
	}
	return ""
}

// groupsWith lists the groups that name user as a member.
func (e *etcFiles) groupsWith(user string) []uint32 {
	var ids []uint32
	for _, line := range e.group {
		f := strings.Split(line, ":")
		if len(f) < 4 {
			continue
		}
		for _, member := range strings.Split(f[3], ",") {
			if id, err := strconv.Atoi(f[2]); member == user && err == nil {
				ids = append(ids, uint32(id))
			}
		}
	}
	return ids
}

// drop removes every line of name.
func (e *etcFiles) drop(name string) {
	e.passwd = withoutName(e.passwd, name)
	e.shadow = withoutName(e.shadow, name)
	e.group = withoutName(e.group, name)
}

func withoutName(lines []string, name string) []string {
	var kept []string
	for _, line := range lines {
		if first, _, _ := strings.Cut(line, ":"); first != name {
			kept = append(kept, line)
		}
	}
	return kept
}

// dropOurs removes what write adds for tasks.
func (e *etcFiles) dropOurs() {
	for _, lines := range []*[]string{&e.passwd, &e.shadow, &e.group} {
		var kept []string
		for _, line := range *lines {
			if !strings.HasPrefix(line, autoUser) { // all our names begin so
				kept = append(kept, line)
			}
		}
		*lines = kept
	}
}

func (e *etcFiles) add(name string, uid, gid int, home, shell string) {
	e.passwd = append(e.passwd, fmt.Sprintf("%s:x:%d:%d::%s:%s", name, uid, gid, home, shell))
	// No password is ever valid here: the agent's SSH server checks it itself.
	e.shadow = append(e.shadow, name+":*:19000:0:99999:7:::")
}

func (e *etcFiles) addGroup(name string, gid int) {
	if e.groupOf(gid) == "" {
		e.group = append(e.group, fmt.Sprintf("%s:x:%d:", name, gid))
	}
}

// write puts the image's lines, the named accounts, the auto users and the
// live task-scope users into the three files; called with mu held.
func (a *accounts) write(e *etcFiles) error {
	e.dropOurs()
	e.addGroup(batchGroup, batchID)
	e.add(autoUser, batchID, batchID, "/nonexistent", "/bin/sh")
	e.add(autoAdmin, 0, 0, "/root", "/bin/sh") // behind root's own line: uid 0 still reads as root
	for _, acc := range a.named {
		if acc.Made {
			e.drop(acc.Name)
		}
	}
	for _, acc := range a.named {
		if acc.Made {
			e.add(acc.Name, acc.UID, acc.GID, acc.Home, acc.Shell)
			e.addGroup(acc.Name, acc.GID)
		}
	}
	for uid := range a.taskLive {
		if uid < a.taskNext-taskUserBlock || uid >= a.taskEnd {
			e.addTaskUser(uid)
		}
	}
	for uid := max(firstTaskID, a.taskNext-taskUserBlock); uid < a.taskEnd; uid++ {
		if a.taskLive[uid] || uid >= a.taskNext-1 {
			e.addTaskUser(uid)
		}
	}
	return e.save(a.root)
}

// save replaces the files that differ from these lines.
func (e *etcFiles) save(root string) error {
	for _, f := range []struct {
		name  string
		lines []string
		mode  fs.FileMode
	}{{"group", e.group, 0o644}, {"shadow", e.shadow, 0o640}, {"passwd", e.passwd, 0o644}} {
		path := filepath.Join(root, "etc", f.name)
		text := []byte(strings.Join(f.lines, "\n") + "\n")
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
			continue
		}
		gid := 0
		if st, err := os.Stat(path); err == nil {
			gid = int(st.Sys().(*syscall.Stat_t).Gid)
		}
		if err := replaceFile(path, text, f.mode, gid); err != nil {
			return err
		}
	}
	return nil
}

func (e *etcFiles) addTaskUser(uid int) {
	e.add(taskUserName(uid), uid, uid, "/nonexistent", "/bin/sh")
	e.addGroup(taskUserName(uid), uid)
}

// replaceFile puts data at path in one step: readers see the old file or the new.
func replaceFile(path string, data []byte, mode fs.FileMode, gid int) error {
	next := path + ".millpond"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chown(0, gid)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	return err
}
