package account_test

import (
	"context"
	"testing"

	"millpond/internal/account"
	"millpond/internal/identity"
)

// late is a store in which something else happens right after a secret was read.
type late struct {
	identity.Store
	then func()
}

func (l *late) GetSecret(ctx context.Context, owner, name string) ([]byte, error) {
	sealed, err := l.Store.GetSecret(ctx, owner, name)
	if then := l.then; then != nil {
		l.then = nil
		then()
	}
	return sealed, err
}

// A key that is regenerated while a request reads it is not taken afterwards:
// the request's copy must not outlive the change in the cache.
func TestARegeneratedKeyIsRefusedAtOnce(t *testing.T) {
	r := newRoom(t)
	sealer, err := identity.NewSealer(make([]byte, identity.SealerKeyLength))
	must(t, err)
	slow := &late{Store: r.db}
	accounts := account.New(r.db, identity.New(slow, r.clock, sealer), r.clock, account.DefaultQuotas(), nil)
	acct, err := accounts.ByName(r.ctx(), account.DefaultAccount)
	must(t, err)
	var changed account.Keys
	slow.then = func() {
		changed, err = accounts.RegenerateKey(r.ctx(), acct, account.Primary)
		must(t, err)
	}
	_, err = accounts.Key(r.ctx(), acct.UID)
	must(t, err)
	seen, err := accounts.Key(r.ctx(), acct.UID)
	must(t, err)
	if account.EncodeKey(seen.Primary) != account.EncodeKey(changed.Primary) {
		t.Error("the old key is still taken")
	}
}
