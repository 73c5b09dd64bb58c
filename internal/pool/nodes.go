package pool

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/resource"
)

// NewNodeID makes an id in Azure's present form: tvmps_, 64 hex digits, and
// _d for dedicated or _p for low-priority nodes.
func NewNodeID(dedicated bool) string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	end := "_p"
	if dedicated {
		end = "_d"
	}
	return "tvmps_" + hex.EncodeToString(raw[:]) + end
}

// Find gives the pool and one of its nodes. Errors: PoolNotFound, NodeNotFound.
func (ps *Pools) Find(ctx context.Context, owner Owner, poolID, nodeID string) (*Pool, *Node, error) {
	p, err := ps.Store.GetPool(ctx, owner.UID, poolID)
	if err != nil {
		return nil, nil, err
	}
	n, err := ps.Nodes.GetNode(ctx, p.UID, nodeID)
	return p, n, err
}

// Reboot is POST .../reboot with its option (requeue, terminate,
// taskcompletion; requeue by default).
func (ps *Pools) Reboot(ctx context.Context, who identity.Principal, owner Owner, poolID, nodeID, option string) error {
	return ps.wish(ctx, who, owner, poolID, nodeID, WishReboot, option, RebootAsked)
}

// Reimage is POST .../reimage; it works on every pool (docs/divergences.md).
func (ps *Pools) Reimage(ctx context.Context, who identity.Principal, owner Owner, poolID, nodeID, option string) error {
	return ps.wish(ctx, who, owner, poolID, nodeID, WishReimage, option, ReimageAsked)
}

func (ps *Pools) wish(ctx context.Context, who identity.Principal, owner Owner, poolID, nodeID, wish, option string, e NodeEvent) error {
	option, err := deallocation(option)
	if err != nil {
		return err
	}
	p, n, err := ps.Find(ctx, owner, poolID, nodeID)
	if err != nil {
		return err
	}
	now := ps.Clock.Now()
	_, err = ps.Nodes.UpdateNode(ctx, n.UID, by(who, "Node"+wish), func(n *Node) error {
		if n.Wish == WishRemove {
			return refusal(NodeLeaving)
		}
		if err := n.Move(e, now); err != nil {
			return err
		}
		n.Wish, n.WishOption = wish, option
		n.Losses = 0 // who asks wants it tried again
		return nil
	})
	if err == nil {
		ps.Wake(p.UID)
	}
	return err
}

// Remove is POST /pools/{id}/removenodes: the targets fall by the nodes taken,
// and the pool is resizing until they are gone. Which ones is written with the
// targets: the loop, which this write wakes, must not choose others.
func (ps *Pools) Remove(ctx context.Context, who identity.Principal, owner Owner, poolID string, nodeIDs []string, check func(*Pool) error, want Targets) (*Pool, error) {
	if len(nodeIDs) == 0 {
		return nil, fault.Missing("nodeList")
	}
	if len(nodeIDs) > MaxRemoveNodes {
		return nil, fault.Property("nodeList", strconv.Itoa(len(nodeIDs)), fmt.Sprintf("At most %d nodes can be removed at a time.", MaxRemoveNodes))
	}
	option, err := deallocation(want.Deallocation)
	if err != nil {
		return nil, err
	}
	if want.Timeout == 0 {
		want.Timeout = DefaultResizeTimeout
	}
	var gone [2]int
	seen := map[string]bool{}
	var departing []string
	found, err := ps.Store.GetPool(ctx, owner.UID, poolID)
	if err != nil {
		return nil, err
	}
	for _, id := range nodeIDs {
		n, err := ps.Nodes.GetNode(ctx, found.UID, id)
		if err != nil {
			return nil, err
		}
		if seen[n.UID] || n.Wish == WishRemove || n.State == NodeLeaving {
			continue
		}
		seen[n.UID] = true
		departing = append(departing, n.UID)
		if n.Dedicated {
			gone[0]++
		} else {
			gone[1]++
		}
	}
	return ps.write(ctx, owner, poolID, by(who, "PoolRemoveNodes"), check, func(p *Pool) error {
		if p.Allocation != Steady {
			return fault.New("PoolBeingResized", "")
		}
		if err := CheckTargets(0, 0, want.Timeout); err != nil {
			return err
		}
		p.TargetDedicated = max(p.TargetDedicated-gone[0], 0)
		p.TargetLowPriority = max(p.TargetLowPriority-gone[1], 0)
		p.resize(p.Modified, want.Timeout, option)
		p.Departing = departing
		return nil
	})
}

// DefaultUserExpiry is how long a node user lasts when no expiry is given.
const DefaultUserExpiry = resource.Day

// AddUser is POST .../users: the account is made on the node at once and kept
// in its row, so that a reboot makes it again.
func (ps *Pools) AddUser(ctx context.Context, who identity.Principal, owner Owner, reach Reach, poolID, nodeID string, u NodeUser) error {
	if u.PasswordHash == "" && u.SSHKey == "" {
		return fault.Missing("password")
	}
	if err := CheckUserName("name", u.Name); err != nil {
		return err
	}
	now := ps.Clock.Now()
	if u.Expiry == 0 {
		u.Expiry = now.Add(DefaultUserExpiry)
	}
	if u.Expiry <= now {
		return fault.Property("expiryTime", "", "The value must be a time in the future.")
	}
	return ps.putUser(ctx, who, owner, reach, poolID, nodeID, u.Name, true, func(*NodeUser) NodeUser { return u })
}

// UserChange is what PUT .../users/{name} replaces; absent parts are removed,
// as Azure does, save that one credential must remain.
type UserChange struct {
	PasswordHash string
	SSHKey       string
	Expiry       resource.Ticks
}

// UpdateUser is PUT .../users/{name}.
func (ps *Pools) UpdateUser(ctx context.Context, who identity.Principal, owner Owner, reach Reach, poolID, nodeID, name string, c UserChange) error {
	if c.PasswordHash == "" && c.SSHKey == "" {
		return fault.Missing("password")
	}
	expiry := c.Expiry
	if expiry == 0 {
		expiry = ps.Clock.Now().Add(DefaultUserExpiry)
	}
	return ps.putUser(ctx, who, owner, reach, poolID, nodeID, name, false, func(old *NodeUser) NodeUser {
		return NodeUser{Name: old.Name, Admin: old.Admin, Expiry: expiry, PasswordHash: c.PasswordHash, SSHKey: c.SSHKey}
	})
}

func (ps *Pools) putUser(ctx context.Context, who identity.Principal, owner Owner, reach Reach, poolID, nodeID, name string, fresh bool, build func(*NodeUser) NodeUser) error {
	p, n, err := ps.Find(ctx, owner, poolID, nodeID)
	if err != nil {
		return err
	}
	for _, a := range p.Spec.UserAccounts {
		if a.Name == name && fresh {
			return fault.New("NodeUserExists", "")
		}
	}
	if !n.Reachable() {
		return refusal(n.State)
	}
	var put, old NodeUser
	now := ps.Clock.Now()
	_, err = ps.Nodes.UpdateNode(ctx, n.UID, by(who, "NodeUser"), func(n *Node) error {
		n.Users = slices.DeleteFunc(slices.Clone(n.Users), func(u NodeUser) bool { return u.Expiry <= now }) // Azure's go when they expire
		for i := range n.Users {
			if n.Users[i].Name != name {
				continue
			}
			if fresh {
				return fault.New("NodeUserExists", "")
			}
			old = n.Users[i]
			put = build(&old)
			n.Users[i] = put
			return nil
		}
		if !fresh {
			return fault.New("NodeUserNotFound", "")
		}
		put = build(nil)
		n.Users = append(n.Users, put)
		return nil
	})
	if err != nil {
		return err
	}
	err = reach.PutUser(ctx, n.UID, put, false)
	if err != nil {
		// The client is told that nothing changed: the next try must not meet it.
		_, undo := ps.Nodes.UpdateNode(context.WithoutCancel(ctx), n.UID, by(who, "NodeUserUndone"), func(n *Node) error {
			n.Users = slices.DeleteFunc(slices.Clone(n.Users), func(u NodeUser) bool { return u.Name == name })
			if !fresh {
				n.Users = append(n.Users, old)
			}
			return nil
		})
		err = errors.Join(err, undo)
	}
	return err
}

// DeleteUser is DELETE .../users/{name}; the user's sessions end.
func (ps *Pools) DeleteUser(ctx context.Context, who identity.Principal, owner Owner, reach Reach, poolID, nodeID, name string) error {
	_, n, err := ps.Find(ctx, owner, poolID, nodeID)
	if err != nil {
		return err
	}
	_, err = ps.Nodes.UpdateNode(ctx, n.UID, by(who, "NodeUserDelete"), func(n *Node) error {
		kept := make([]NodeUser, 0, len(n.Users))
		for _, u := range n.Users {
			if u.Name != name {
				kept = append(kept, u)
			}
		}
		if len(kept) == len(n.Users) {
			return fault.New("NodeUserNotFound", "")
		}
		n.Users = kept
		return nil
	})
	if err != nil {
		return err
	}
	if !n.Reachable() {
		return nil
	}
	return reach.DeleteUser(ctx, n.UID, name)
}

// RemoteLogin is GET .../remoteloginsettings. The port is chosen at the first
// call and kept in the node's row.
func (ps *Pools) RemoteLogin(ctx context.Context, who identity.Principal, owner Owner, reach Reach, poolID, nodeID string) (host string, port int, err error) {
	_, n, err := ps.Find(ctx, owner, poolID, nodeID)
	if err != nil {
		return "", 0, err
	}
	host, port, err = reach.OpenSSH(ctx, n.UID, n.SSHPort)
	if err != nil || port == n.SSHPort {
		return host, port, err
	}
	_, err = ps.Nodes.UpdateNode(ctx, n.UID, by(who, "NodeSSH"), func(n *Node) error {
		n.SSHPort = port
		return nil
	})
	return host, port, err
}
