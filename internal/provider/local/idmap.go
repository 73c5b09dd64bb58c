package local

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// idCount is how many ids a machine has: all that files and users of an
// ordinary Linux image use.
const idCount = 65536

// firstDefault is where root's range begins when /etc/subuid gives root none.
const firstDefault = 100000

// idMap is a data folder's range: id 0 of its machines is First of this
// computer. It is kept in the folder, because every file in it carries it.
type idMap struct {
	First int `json:"first"`
	Count int `json:"count"`
	// Owner is the ordinary user who also appears in the map, as id 65536, so
	// that the machines' root can work in his folders; -1 for root's folders.
	Owner int `json:"owner"`
}

// loadIDMap gives the folder's range, choosing and keeping it at first use.
func loadIDMap(data string) (idMap, error) {
	path := filepath.Join(data, "idmap.json")
	want, err := availableRange()
	if err != nil {
		return idMap{}, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return want, os.WriteFile(path, append(encode(want), '\n'), 0o644)
	}
	if err != nil {
		return idMap{}, err
	}
	var kept idMap
	if err := json.Unmarshal(text, &kept); err != nil {
		return idMap{}, fmt.Errorf("%s: %w", path, err)
	}
	if kept == want {
		return kept, nil
	}
	if kept.Owner < 0 && want.Owner < 0 && kept.Count == idCount && kept.First > 0 {
		return kept, nil // root can map any range: the folder's own goes on
	}
	return idMap{}, fmt.Errorf("data folder %s was made with user ids %s, and this user has %s: "+
		"its files would belong to nobody. Start as the user who made it, give the range back in /etc/subuid and /etc/subgid, or use another folder",
		data, kept, want)
}

func (m idMap) String() string {
	text := fmt.Sprintf("%d to %d", m.First, m.First+m.Count-1)
	if m.Owner >= 0 {
		text += fmt.Sprintf(" (user %d)", m.Owner)
	}
	return text
}

// availableRange is the range of the calling user.
func availableRange() (idMap, error) {
	if os.Geteuid() == 0 {
		first := firstDefault
		if found, err := subordinate("/etc/subuid", 0); err == nil {
			first = found
		}
		return idMap{First: first, Count: idCount, Owner: -1}, nil
	}
	uids, err := subordinate("/etc/subuid", os.Getuid())
	if err != nil {
		return idMap{}, err
	}
	gids, err := subordinate("/etc/subgid", os.Getuid())
	if err != nil {
		return idMap{}, err
	}
	if uids != gids {
		return idMap{}, fmt.Errorf("/etc/subuid gives user %d ids from %d and /etc/subgid from %d; make them the same", os.Getuid(), uids, gids)
	}
	return idMap{First: uids, Count: idCount, Owner: os.Getuid()}, nil
}

// subordinate finds the first range of at least idCount ids that file grants
// to uid, by number or by name.
func subordinate(file string, uid int) (first int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	name := ""
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name = u.Username
	}
	first, ok := findRange(f, name, uid)
	if !ok {
		return 0, fmt.Errorf("%s grants user %s (%d) no range of %d ids; add one with: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
			file, name, uid, idCount, name)
	}
	return first, nil
}

// findRange reads lines NAME-OR-UID:FIRST:COUNT. A range from 0 is passed
// over: the machines' root would be this computer's.
func findRange(r io.Reader, name string, uid int) (first int, ok bool) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		field := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(field) != 3 || (field[0] != name || name == "") && field[0] != strconv.Itoa(uid) {
			continue
		}
		first, err1 := strconv.Atoi(field[1])
		count, err2 := strconv.Atoi(field[2])
		if err1 == nil && err2 == nil && first > 0 && count >= idCount {
			return first, true
		}
	}
	return 0, false
}

// write gives process pid, new in a user namespace, its ids.
func (m idMap) write(pid int) error {
	if m.Owner < 0 {
		line := []byte(fmt.Sprintf("0 %d %d\n", m.First, m.Count))
		for _, name := range []string{"uid_map", "gid_map"} {
			if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, name), line, 0); err != nil {
				return fmt.Errorf("write the id map: %w", err)
			}
		}
		return nil
	}
	for program, own := range map[string]int{"newuidmap": os.Getuid(), "newgidmap": os.Getgid()} {
		out, err := exec.Command(program, strconv.Itoa(pid),
			"0", strconv.Itoa(m.First), strconv.Itoa(m.Count),
			strconv.Itoa(m.Count), strconv.Itoa(own), "1").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s (Debian and Ubuntu have it in the package uidmap)", program, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
