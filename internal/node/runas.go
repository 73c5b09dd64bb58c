package node

import (
	"fmt"

	"millpond/internal/node/wire"
)

// runAs finds or makes the user of an attempt. release must be called when no
// process of the attempt is left.
//
// Pool-scope auto users are _azbatch, and for administrators uid 0. A
// task-scope user is a number no other attempt has had since the machine
// started (until 50,000 went by), with a passwd entry for as long as it lives.
func (a *accounts) runAs(u wire.RunAs) (cred credential, release func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	release = func() {}
	if err := a.prepare(); err != nil {
		return cred, release, err
	}
	switch {
	case u.Name != "":
		acc := a.named[u.Name]
		if acc == nil {
			return cred, release, fmt.Errorf("the user %s the task is to run as does not exist on the node", u.Name)
		}
		return a.credentialOf(*acc), release, nil
	case u.Admin:
		return credential{name: autoAdmin}, release, nil
	case !u.TaskScope:
		return credential{name: autoUser, uid: batchID, gid: batchID, groups: []uint32{batchID}}, release, nil
	}
	uid, err := a.taskUser()
	if err != nil {
		return cred, release, err
	}
	cred = credential{name: taskUserName(uid), uid: uid, gid: uid, groups: []uint32{uint32(uid), batchID}, alone: true}
	return cred, func() {
		a.mu.Lock()
		delete(a.taskLive, uid)
		a.mu.Unlock()
	}, nil
}

// credentialOf is what a named account's processes run with.
func (a *accounts) credentialOf(acc account) credential {
	c := credential{name: acc.Name, uid: acc.UID, gid: acc.GID, home: acc.Home, shell: acc.Shell}
	if acc.Admin {
		c.uid, c.gid = 0, 0
		return c
	}
	c.groups = []uint32{uint32(acc.GID), batchID}
	if !acc.Made {
		if etc, err := readEtc(a.root); err == nil {
			c.groups = append(c.groups, etc.groupsWith(acc.Name)...)
		}
	}
	return c
}

// prepare writes the auto users once; called with mu held.
func (a *accounts) prepare() error {
	if a.ready {
		return nil
	}
	etc, err := readEtc(a.root)
	if err != nil {
		return err
	}
	if err := a.write(etc); err != nil {
		return err
	}
	a.ready = true
	return nil
}

// taskUser gives the next free task-scope number. Entries go to passwd in
// blocks, so that most attempts write nothing; called with mu held.
func (a *accounts) taskUser() (int, error) {
	for range lastTaskID - firstTaskID {
		uid := a.taskNext
		if uid > lastTaskID {
			uid, a.taskEnd = firstTaskID, firstTaskID
		}
		a.taskNext = uid + 1
		if a.taskLive[uid] {
			continue
		}
		a.taskLive[uid] = true
		if uid < a.taskEnd {
			return uid, nil
		}
		a.taskEnd = min(uid+taskUserBlock, lastTaskID+1)
		etc, err := readEtc(a.root)
		if err == nil {
			err = a.write(etc)
		}
		if err != nil {
			a.taskEnd = uid
			delete(a.taskLive, uid)
			return 0, err
		}
		return uid, nil
	}
	return 0, fmt.Errorf("all %d numbers for users of task scope are in use", lastTaskID-firstTaskID+1)
}
