package account

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"sync"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/resource"
)

// keyLength in bytes; clients show keys as 88 characters of base64.
const keyLength = 64

// Names of the two keys, also in the store.
const (
	Primary   = "Primary"
	Secondary = "Secondary"
)

// Keys are the two shared keys of an account, in the clear.
type Keys struct{ Primary, Secondary identity.Secret }

// keyCache keeps opened keys, as every shared-key request needs them.
type keyCache struct {
	mu   sync.Mutex
	by   map[string]kept
	turn int64 // raised by drop, so that a read begun before a write is not kept
}

type kept struct {
	keys Keys
	at   resource.Ticks
}

func (c *keyCache) drop(uid string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.by, uid)
	c.turn++
}

// Key gives both keys of an account by its uid; AccountNotFound when it has
// none. A key changed by another server is seen within ten seconds.
func (a *Accounts) Key(ctx context.Context, accountUID string) (Keys, error) {
	now := a.clock.Now()
	a.keys.mu.Lock()
	k, ok := a.keys.by[accountUID]
	turn := a.keys.turn
	a.keys.mu.Unlock()
	if ok && now < k.at.Add(resource.SpanOf(cacheAge)) {
		return k.keys, nil
	}
	primary, err := a.openKey(ctx, accountUID, Primary)
	if err != nil {
		return Keys{}, err
	}
	secondary, err := a.openKey(ctx, accountUID, Secondary)
	if err != nil {
		return Keys{}, err
	}
	keys := Keys{primary, secondary}
	a.keys.mu.Lock()
	defer a.keys.mu.Unlock()
	if a.keys.turn == turn {
		a.keys.by[accountUID] = kept{keys, now}
	}
	return keys, nil
}

func (a *Accounts) openKey(ctx context.Context, uid, name string) (identity.Secret, error) {
	sealed, err := a.ids.Store().GetSecret(ctx, uid, name)
	if err != nil {
		return identity.Secret{}, err
	}
	if sealed == nil {
		return identity.Secret{}, fault.New("AccountNotFound", "")
	}
	return a.ids.Sealer().Open(uid, name, sealed)
}

// RegenerateKey makes a new Primary or Secondary key; the other stays.
func (a *Accounts) RegenerateKey(ctx context.Context, acct Account, name string) (Keys, error) {
	switch {
	case strings.EqualFold(name, Primary):
		name = Primary
	case strings.EqualFold(name, Secondary):
		name = Secondary
	default:
		return Keys{}, fault.Property("keyName", clip(name), "The value is Primary or Secondary")
	}
	if err := a.newKey(ctx, acct.UID, name); err != nil {
		return Keys{}, err
	}
	return a.Key(ctx, acct.UID)
}

func (a *Accounts) newKeys(ctx context.Context, uid string) error {
	if err := a.newKey(ctx, uid, Primary); err != nil {
		return err
	}
	return a.newKey(ctx, uid, Secondary)
}

func (a *Accounts) newKey(ctx context.Context, uid, name string) error {
	clear := make([]byte, keyLength)
	_, _ = rand.Read(clear) // never fails: crypto/rand ends the process instead
	defer a.keys.drop(uid)
	return a.ids.Store().PutSecret(ctx, uid, name, a.ids.Sealer().Seal(uid, name, clear))
}

// EncodeKey is a key as clients see it.
func EncodeKey(s identity.Secret) string { return base64.StdEncoding.EncodeToString(s.Reveal()) }
