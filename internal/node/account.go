package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"millpond/internal/node/wire"
)

// Names and numbers of the accounts the agent makes for tasks, as Azure's
// Linux agent names them. Task-scope users take a fresh number each attempt.
const (
	autoUser      = "_azbatch"
	autoAdmin     = "_azbatchadmin"
	taskUserStem  = "_azbatchtask_"
	batchGroup    = "_azbatchgrp"
	batchID       = 2000 // uid of autoUser, gid of batchGroup
	firstNamedID  = 2100
	firstTaskID   = 10_000
	lastTaskID    = 59_999
	taskUserBlock = 64 // task-scope entries written to passwd at once
)

// accountsFile is kept in the machine's own tree, beside the /etc it speaks
// about: a reboot finds both, a reimage neither.
const accountsFile = "var/lib/millpond/accounts.json"

// account is a named user of the machine.
type account struct {
	wire.NodeUser
	Home  string `json:"home"`
	Shell string `json:"shell"`
	// Made says that the agent wrote the entry; one that the image brought is
	// only given its keys and password, and stays when the account is deleted.
	Made bool `json:"made"`
}

// credential is who a process runs as. Root stands for every administrator:
// nodes are throw-away machines in a user namespace of their own, and minimal
// images have no sudo, so an administrator's processes have uid 0 under the
// account's own name and home.
type credential struct {
	name     string
	uid, gid int
	groups   []uint32
	alone    bool // the uid belongs to this attempt only
	home     string
	shell    string
}

func (c credential) root() bool { return c.uid == 0 }

func (c credential) sys() *syscall.Credential {
	return &syscall.Credential{Uid: uint32(c.uid), Gid: uint32(c.gid), Groups: c.groups}
}

// accounts keeps /etc/passwd, shadow and group in step with the users the
// service names and the ones tasks need.
type accounts struct {
	root string // the machine's root folder; "/" but in tests

	mu       sync.Mutex
	named    map[string]*account
	taskNext int          // next task-scope number
	taskEnd  int          // numbers below are in passwd already
	taskLive map[int]bool // numbers in use
	ready    bool         // the batch group and auto users are written
}

func openAccounts(root string) (*accounts, error) {
	a := &accounts{root: root, named: map[string]*account{}, taskNext: firstTaskID, taskEnd: firstTaskID, taskLive: map[int]bool{}}
	data, err := os.ReadFile(filepath.Join(root, accountsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	var list []*account
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", accountsFile, err)
	}
	for _, acc := range list {
		a.named[acc.Name] = acc
	}
	return a, nil
}

// names lists the accounts the service knows about, sorted.
func (a *accounts) names() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]string, 0, len(a.named))
	for name := range a.named {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func refuse(code, format string, args ...any) *wire.StreamError {
	return &wire.StreamError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// put creates or replaces users. With keep an existing one is refused
// (NodeUserExists) and nothing changes.
func (a *accounts) put(users []wire.NodeUser, keep bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	etc, err := readEtc(a.root)
	if err != nil {
		return err
	}
	for _, u := range users {
		if err := checkName(u.Name); err != nil {
			return err
		}
		if keep && a.named[u.Name] != nil {
			return refuse("NodeUserExists", "The specified node user already exists.")
		}
	}
	changed := false
	for _, u := range users {
		next, err := a.shape(etc, u)
		if err != nil {
			return err
		}
		if old := a.named[u.Name]; old != nil && sameAccount(old, next) {
			continue
		}
		a.named[u.Name] = next
		changed = true
		if err := makeHome(a.root, next); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	if err := a.write(etc); err != nil {
		return err
	}
	return a.save()
}

// shape decides numbers, home and shell of u.
func (a *accounts) shape(etc *etcFiles, u wire.NodeUser) (*account, error) {
	acc := &account{NodeUser: u, Made: true, Shell: a.loginShell(), Home: "/home/" + u.Name}
	old := a.named[u.Name]
	if have, ok := etc.user(u.Name); ok && (old == nil || !old.Made) {
		// The image brought this user: it keeps its number and home.
		acc.UID, acc.GID, acc.Home, acc.Made = have.uid, have.gid, have.home, false
		if have.shell != "" {
			acc.Shell = have.shell
		}
		return acc, nil
	}
	switch {
	case u.Admin:
		acc.UID, acc.GID = 0, 0
		return acc, nil
	case u.UID != 0:
		if name := etc.nameOf(u.UID); name != "" && name != u.Name {
			return nil, refuse("InvalidPropertyValue", "uid %d of user %s already belongs to %s", u.UID, u.Name, name)
		}
	case old != nil && old.UID != 0:
		acc.UID = old.UID
	default:
		acc.UID = a.freeID(etc)
	}
	if u.GID == 0 {
		acc.GID = acc.UID
	}
	return acc, nil
}

func (a *accounts) freeID(etc *etcFiles) int {
	for id := firstNamedID; ; id++ {
		taken := etc.nameOf(id) != "" || etc.groupOf(id) != ""
		for _, other := range a.named {
			taken = taken || other.UID == id || other.GID == id
		}
		if !taken {
			return id
		}
	}
}

func (a *accounts) loginShell() string {
	if _, err := os.Stat(filepath.Join(a.root, "bin/bash")); err == nil {
		return "/bin/bash"
	}
	return "/bin/sh"
}

// remove deletes a user; its home stays, as on Azure.
func (a *accounts) remove(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.named[name] == nil {
		return refuse("NodeUserNotFound", "The specified node user does not exist.")
	}
	etc, err := readEtc(a.root)
	if err != nil {
		return err
	}
	gone := a.named[name]
	delete(a.named, name)
	if gone.Made {
		etc.drop(name)
	}
	if err := a.write(etc); err != nil {
		a.named[name] = gone
		return err
	}
	return a.save()
}

// login gives the account a user enters with, or false when there is none, it
// may not log in, or it expired.
func (a *accounts) login(name string, now time.Time) (account, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	acc := a.named[name]
	if acc == nil || !acc.Login || acc.Expiry != 0 && ticks(now) >= acc.Expiry {
		return account{}, false
	}
	return *acc, true
}

func sameAccount(x, y *account) bool {
	a, _ := json.Marshal(x)
	b, _ := json.Marshal(y)
	return string(a) == string(b)
}

// checkName accepts what every Linux tool accepts as a login name.
func checkName(name string) error {
	ok := name != "" && len(name) <= 32
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		ok = ok && (letter || i > 0 && (c >= '0' && c <= '9' || c == '-' || c == '.'))
	}
	if !ok || name == "root" || strings.HasPrefix(name, autoUser) {
		return refuse("InvalidPropertyValue", "%q cannot be the name of a user on a Linux node", name)
	}
	return nil
}

// save keeps the list for the machine's next boot; called with mu held.
func (a *accounts) save() error {
	list := make([]*account, 0, len(a.named))
	for _, acc := range a.named {
		list = append(list, acc)
	}
	slices.SortFunc(list, func(x, y *account) int { return strings.Compare(x.Name, y.Name) })
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	path := filepath.Join(a.root, accountsFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return replaceFile(path, data, 0o600, 0)
}

func makeHome(root string, acc *account) error {
	if !acc.Made {
		return nil
	}
	home := filepath.Join(root, acc.Home)
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(home, 0o750); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return os.Lchown(home, acc.UID, acc.GID)
}

func taskUserName(uid int) string { return taskUserStem + strconv.Itoa(uid-firstTaskID+1) }
