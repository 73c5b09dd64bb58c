package identity

import (
	"context"

	"millpond/internal/resource"
)

// Tenant is a directory: subscriptions and principals belong to one.
type Tenant struct {
	ID          string         `json:"id"`
	DisplayName string         `json:"displayName"`
	Created     resource.Ticks `json:"created"`
}

// Application is a service principal. SecretHashes are hashes of its client
// secrets; the clear text is shown once, when made.
type Application struct {
	TenantID     string         `json:"tenantId"`
	AppID        string         `json:"appId"`
	ObjectID     string         `json:"objectId"`
	DisplayName  string         `json:"displayName"`
	SecretHashes []string       `json:"secretHashes"`
	Created      resource.Ticks `json:"created"`
}

// Assignment gives a principal a role at a scope and everything below it.
type Assignment struct {
	ID               string         `json:"id"`   // full id as made
	Name             string         `json:"name"` // its GUID
	Scope            string         `json:"scope"`
	RoleDefinitionID string         `json:"roleDefinitionId"`
	PrincipalID      string         `json:"principalId"`
	PrincipalType    string         `json:"principalType"`
	Description      *string        `json:"description,omitempty"`
	Created          resource.Ticks `json:"created"`
	Updated          resource.Ticks `json:"updated"`
	CreatedBy        string         `json:"createdBy"`
}

// Store keeps tenants, applications, role assignments, custom role
// definitions and sealed secrets. Each method is one transaction. Secrets are
// given sealed (see Sealer): the store never sees one in the clear.
type Store interface {
	PutTenant(ctx context.Context, t Tenant) error
	GetTenant(ctx context.Context, id string) (Tenant, error) // TenantNotFound
	ListTenants(ctx context.Context) ([]Tenant, error)

	PutApplication(ctx context.Context, a Application) error
	// ApplicationByID finds by application id or by object id.
	ApplicationByID(ctx context.Context, id string) (Application, error) // ApplicationNotFound
	ListApplications(ctx context.Context) ([]Application, error)

	// CreateAssignment refuses a second one with the same name at the scope, or
	// with the same scope, role and principal: RoleAssignmentExists.
	CreateAssignment(ctx context.Context, a Assignment) error
	// ListAssignments gives all whose folded scope is scope, a prefix of it
	// (inherited) or, with below, lies under it. "" and below = every one.
	ListAssignments(ctx context.Context, scope string, below bool) ([]Assignment, error)
	// DeleteAssignment is by folded id; missing gives RoleAssignmentNotFound.
	DeleteAssignment(ctx context.Context, id string) (Assignment, error)

	PutSecret(ctx context.Context, owner, name string, sealed []byte) error
	// GetSecret gives nil when there is none.
	GetSecret(ctx context.Context, owner, name string) ([]byte, error)
	DeleteSecrets(ctx context.Context, owner string) error
}
