package identity

import (
	"context"
	"strings"
	"sync"
	"time"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// grants is every assignment by principal, kept in memory: the question is
// asked for each request and assignments change rarely. Writes through this
// service drop it at once; grantsAge bounds how long another server's write
// stays unseen.
type grants struct {
	mu   sync.Mutex
	by   map[string][]grant // folded object id
	at   resource.Ticks
	turn int64 // raised by every write, so that a slow read is not kept
}

type grant struct {
	scope string // folded, without trailing slash; "" is the root
	role  Role
}

const grantsAge = 10 * time.Second

// Allowed reports whether the principal may do action at the scope, by an
// assignment there or at anything above. Shared-key principals hold no roles:
// the data plane compares their AccountUID with the account instead.
func (s *Identity) Allowed(ctx context.Context, p Principal, action, scopeID string) (bool, error) {
	return s.allowed(ctx, p, action, scopeID, false)
}

// AllowedData is Allowed for data actions: jobs, job schedules and what lies
// in them are data actions of Microsoft.Batch, pools and nodes are actions.
func (s *Identity) AllowedData(ctx context.Context, p Principal, action, scopeID string) (bool, error) {
	return s.allowed(ctx, p, action, scopeID, true)
}

func (s *Identity) allowed(ctx context.Context, p Principal, action, scopeID string, data bool) (bool, error) {
	if p.ObjectID == "" {
		return false, nil
	}
	held, err := s.held(ctx, p.ObjectID)
	if err != nil {
		return false, err
	}
	scope := foldScope(scopeID)
	for _, g := range held {
		if within(scope, g.scope) && g.role.gives(action, data) {
			return true, nil
		}
	}
	return false, nil
}

// Require is Allowed with Resource Manager's refusal, AuthorizationFailed.
func (s *Identity) Require(ctx context.Context, p Principal, action, scopeID string) error {
	ok, err := s.Allowed(ctx, p, action, scopeID)
	if err != nil || ok {
		return err
	}
	return Refused(p, action, scopeID)
}

// Refused is the error for a missing permission, in Azure's words.
func Refused(p Principal, action, scopeID string) *fault.Error {
	return fault.Newf("AuthorizationFailed",
		"The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		p.AppID, p.ObjectID, action, scopeID)
}

// ForgetGrants makes the next question read the assignments anew; for writers
// that go past this service.
func (s *Identity) ForgetGrants() {
	s.grants.mu.Lock()
	defer s.grants.mu.Unlock()
	s.grants.by = nil
	s.grants.turn++
}

func (s *Identity) held(ctx context.Context, objectID string) ([]grant, error) {
	now := s.clock.Now()
	s.grants.mu.Lock()
	by, turn := s.grants.by, s.grants.turn
	fresh := by != nil && now < s.grants.at.Add(resource.SpanOf(grantsAge))
	s.grants.mu.Unlock()
	if !fresh {
		all, err := s.store.ListAssignments(ctx, "", true)
		if err != nil {
			return nil, err
		}
		by = map[string][]grant{}
		for _, a := range all {
			if role, ok := RoleByID(a.RoleDefinitionID); ok {
				key := resource.Fold(a.PrincipalID)
				by[key] = append(by[key], grant{foldScope(a.Scope), role})
			}
		}
		s.grants.mu.Lock()
		if s.grants.turn == turn {
			s.grants.by, s.grants.at = by, now
		}
		s.grants.mu.Unlock()
	}
	return by[resource.Fold(objectID)], nil
}

func foldScope(id string) string { return strings.TrimRight(resource.Fold(id), "/") }

// within reports whether scope is at or below the assignment's.
func within(scope, assigned string) bool {
	rest, ok := strings.CutPrefix(scope, assigned)
	return ok && (rest == "" || rest[0] == '/')
}

// HoldsAny reports whether the principal has any role that touches the scope:
// there, above it or below it.
func (s *Identity) HoldsAny(ctx context.Context, p Principal, scopeID string) (bool, error) {
	if p.ObjectID == "" {
		return false, nil
	}
	held, err := s.held(ctx, p.ObjectID)
	if err != nil {
		return false, err
	}
	scope := foldScope(scopeID)
	for _, g := range held {
		if within(scope, g.scope) || within(g.scope, scope) {
			return true, nil
		}
	}
	return false, nil
}
