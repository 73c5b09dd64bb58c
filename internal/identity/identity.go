package identity

import (
	"context"
	"sync"

	"github.com/google/uuid"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Identity answers who somebody is and what they may do. Make it with New; it
// is safe for use by many requests at once.
type Identity struct {
	store  Store
	clock  resource.Clock
	sealer *Sealer

	mu      sync.Mutex
	ring    *keyRing
	tenants map[string]bool // known to exist; tenants are never deleted
	grants  grants
}

// New makes the service; sealer guards the signing keys.
func New(store Store, clock resource.Clock, sealer *Sealer) *Identity {
	return &Identity{store: store, clock: clock, sealer: sealer, tenants: map[string]bool{}}
}

// Sealer is the folder's, for rooms that keep secrets of their own in the same
// store (account keys).
func (s *Identity) Sealer() *Sealer { return s.sealer }

// Store is where sealed secrets rest.
func (s *Identity) Store() Store { return s.store }

// AddTenant makes a directory; id "" takes a new one. A caller that chose the
// id before may call again after a crash.
func (s *Identity) AddTenant(ctx context.Context, id, displayName string) (Tenant, error) {
	t := Tenant{ID: orNew(id), DisplayName: displayName, Created: s.clock.Now()}
	return t, s.store.PutTenant(ctx, t)
}

// Tenants lists every directory.
func (s *Identity) Tenants(ctx context.Context) ([]Tenant, error) { return s.store.ListTenants(ctx) }

// Tenant finds a directory by id; TenantNotFound.
func (s *Identity) Tenant(ctx context.Context, id string) (Tenant, error) {
	return s.store.GetTenant(ctx, resource.Fold(id))
}

// AddApplication makes a service principal in a tenant and its first client
// secret, which is shown here and never again. Empty ids are new; with ids of
// an existing application it is written anew, its old secrets gone.
func (s *Identity) AddApplication(ctx context.Context, a Application) (Application, Secret, error) {
	if _, err := s.Tenant(ctx, a.TenantID); err != nil {
		return Application{}, Secret{}, err
	}
	clear, hash := newClientSecret()
	a.AppID, a.ObjectID = orNew(a.AppID), orNew(a.ObjectID)
	a.SecretHashes, a.Created = []string{hash}, s.clock.Now()
	return a, clear, s.store.PutApplication(ctx, a)
}

// AddClientSecret gives an application one more secret; the older ones go on
// working, so that clients can change over.
func (s *Identity) AddClientSecret(ctx context.Context, appID string) (Secret, error) {
	a, err := s.Application(ctx, appID)
	if err != nil {
		return Secret{}, err
	}
	clear, hash := newClientSecret()
	a.SecretHashes = append(a.SecretHashes, hash)
	return clear, s.store.PutApplication(ctx, a)
}

// Proves reports whether clear is one of the application's client secrets.
func (a Application) Proves(clear string) bool { return clientSecretMatches(clear, a.SecretHashes) }

func orNew(id string) string {
	if id == "" {
		return uuid.NewString()
	}
	return resource.Fold(id)
}

// Application finds a service principal by its application id or object id;
// ApplicationNotFound.
func (s *Identity) Application(ctx context.Context, id string) (Application, error) {
	return s.store.ApplicationByID(ctx, resource.Fold(id))
}

// Applications lists the service principals of a tenant; "" lists all.
func (s *Identity) Applications(ctx context.Context, tenantID string) ([]Application, error) {
	all, err := s.store.ListApplications(ctx)
	if err != nil || tenantID == "" {
		return all, err
	}
	var mine []Application
	for _, a := range all {
		if resource.Fold(a.TenantID) == resource.Fold(tenantID) {
			mine = append(mine, a)
		}
	}
	return mine, nil
}

// knows reports whether the tenant exists, asking the store once per tenant.
func (s *Identity) knows(ctx context.Context, tenantID string) (bool, error) {
	key := resource.Fold(tenantID)
	s.mu.Lock()
	known := s.tenants[key]
	s.mu.Unlock()
	if known {
		return true, nil
	}
	switch _, err := s.store.GetTenant(ctx, key); {
	case fault.Is(err, "TenantNotFound"):
		return false, nil
	case err != nil:
		return false, err
	}
	s.mu.Lock()
	s.tenants[key] = true
	s.mu.Unlock()
	return true, nil
}
