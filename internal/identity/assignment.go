package identity

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

const (
	assignmentsPath = "/providers/Microsoft.Authorization/roleAssignments/"
	definitionsPath = "/providers/Microsoft.Authorization/roleDefinitions/"
)

// Grant is the wish for an assignment: name is a GUID the caller chose, Role
// the id or GUID of a definition.
type Grant struct {
	Scope         string
	Name          string
	Role          string
	PrincipalID   string
	PrincipalType string // "" is looked up
	Description   *string
}

// Assign gives a role. Asking again for the very same one gives the one that
// is there; other clashes are RoleAssignmentExists and
// RoleAssignmentUpdateNotPermitted. Whether the caller may assign is asked
// before, by the face.
func (s *Identity) Assign(ctx context.Context, by Principal, g Grant) (Assignment, error) {
	a, err := s.newAssignment(ctx, by, g)
	if err != nil {
		return Assignment{}, err
	}
	there, err := s.Assignment(ctx, a.ID)
	switch {
	case fault.Is(err, "RoleAssignmentNotFound"):
	case err != nil:
		return Assignment{}, err
	case strings.EqualFold(there.PrincipalID, a.PrincipalID) && strings.EqualFold(there.RoleDefinitionID, a.RoleDefinitionID):
		return there, nil
	default:
		return Assignment{}, fault.New("RoleAssignmentUpdateNotPermitted",
			"Tenant ID, application ID, principal ID, and scope are not allowed to be updated.")
	}
	defer s.ForgetGrants()
	if err := s.store.CreateAssignment(ctx, a); err != nil {
		return Assignment{}, err
	}
	return a, nil
}

func (s *Identity) newAssignment(ctx context.Context, by Principal, g Grant) (Assignment, error) {
	var wrong fault.Problems
	if _, err := uuid.Parse(g.Name); err != nil {
		wrong.Add(fault.Newf("InvalidRoleAssignmentId", "The role assignment ID '%s' is not valid. The role assignment ID must be a GUID.", clip(g.Name)))
	}
	if _, err := uuid.Parse(g.PrincipalID); err != nil {
		wrong.Add(fault.New("InvalidPrincipalId", "A valid principal ID must be provided for role assignment."))
	}
	role, ok := RoleByID(g.Role)
	if !ok {
		wrong.Add(fault.Newf("RoleDefinitionDoesNotExist", "The specified role definition with ID '%s' does not exist.", clip(g.Role)))
	}
	if err := wrong.Err(); err != nil {
		return Assignment{}, err
	}
	kind := g.PrincipalType
	if kind == "" {
		app, err := s.store.ApplicationByID(ctx, resource.Fold(g.PrincipalID))
		if fault.Is(err, "ApplicationNotFound") || err == nil && !strings.EqualFold(app.ObjectID, g.PrincipalID) {
			return Assignment{}, fault.Newf("PrincipalNotFound",
				"Principal %s does not exist in the directory %s. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.",
				strings.ReplaceAll(g.PrincipalID, "-", ""), by.TenantID)
		} else if err != nil {
			return Assignment{}, err
		}
		kind = "ServicePrincipal"
	}
	now := s.clock.Now()
	scope := strings.TrimRight(g.Scope, "/")
	return Assignment{
		ID: scope + assignmentsPath + g.Name, Name: g.Name, Scope: orRoot(scope),
		RoleDefinitionID: RoleDefinitionID(scope, role), PrincipalID: g.PrincipalID, PrincipalType: kind,
		Description: g.Description, Created: now, Updated: now, CreatedBy: by.ObjectID,
	}, nil
}

// RoleDefinitionID is a role's id as seen from a scope: below the scope's
// subscription, or the root's.
func RoleDefinitionID(scope string, r Role) string {
	if id, err := resource.ParseID(scope); err == nil && id.Subscription != "" {
		return "/subscriptions/" + id.Subscription + definitionsPath + r.ID
	}
	return definitionsPath + r.ID
}

func orRoot(scope string) string {
	if scope == "" {
		return "/"
	}
	return scope
}

// Assignment finds one by its full id; RoleAssignmentNotFound.
func (s *Identity) Assignment(ctx context.Context, id string) (Assignment, error) {
	scope, name, err := splitAssignmentID(id)
	if err != nil {
		return Assignment{}, err
	}
	all, err := s.store.ListAssignments(ctx, foldScope(scope), false)
	if err != nil {
		return Assignment{}, err
	}
	for _, a := range all {
		if strings.EqualFold(a.ID, id) {
			return a, nil
		}
	}
	return Assignment{}, assignmentMissing(name)
}

// Assignments lists what holds at a scope: its own and those inherited from
// above, and with below also what lies under it.
func (s *Identity) Assignments(ctx context.Context, scope string, below bool) ([]Assignment, error) {
	return s.store.ListAssignments(ctx, foldScope(scope), below)
}

// Unassign takes a role back; RoleAssignmentNotFound.
func (s *Identity) Unassign(ctx context.Context, id string) (Assignment, error) {
	defer s.ForgetGrants()
	return s.store.DeleteAssignment(ctx, resource.Fold(id))
}

// DropScope takes back every assignment at a scope and below it, as Azure does
// when the resource there is deleted. It may run again.
func (s *Identity) DropScope(ctx context.Context, scope string) error {
	all, err := s.store.ListAssignments(ctx, foldScope(scope), true)
	if err != nil {
		return err
	}
	defer s.ForgetGrants()
	for _, a := range all {
		if !within(foldScope(a.Scope), foldScope(scope)) {
			continue // inherited from above
		}
		_, err := s.store.DeleteAssignment(ctx, resource.Fold(a.ID))
		if err != nil && !fault.Is(err, "RoleAssignmentNotFound") {
			return err
		}
	}
	return nil
}

func splitAssignmentID(id string) (scope, name string, err error) {
	at := strings.LastIndex(resource.Fold(id), strings.ToLower(assignmentsPath))
	if at < 0 {
		return "", "", fault.New("RoleAssignmentNotFound", "").Because(errors.New("not the id of an assignment"))
	}
	return id[:at], id[at+len(assignmentsPath):], nil
}

func assignmentMissing(name string) error {
	return fault.Newf("RoleAssignmentNotFound", "The role assignment '%s' is not found.", clip(name))
}
