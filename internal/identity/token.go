package identity

import (
	"context"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Token lifetimes as Azure's: 3599 s from now, valid from five minutes ago so
// that a slow clock elsewhere does no harm.
const (
	TokenLifetime = 3599 * time.Second
	tokenBackdate = 5 * time.Minute
)

// Issuer is the iss claim of a tenant's tokens. The resource decides a token's
// version in Azure, and Resource Manager, Batch and Graph take version 1.0, so
// all three endpoints (v1, v2, adfs) issue this one form.
func Issuer(tenantID string) string { return "https://sts.windows.net/" + tenantID + "/" }

// TokenRequest is a client_credentials grant, already taken out of its form.
type TokenRequest struct {
	Tenant   string // as in the path; "" where the path has none (adfs)
	AppID    string
	Secret   string
	Resource string // resource of v1, or scope of v2 and adfs
	Scoped   bool   // Resource is a scope and must end in /.default
	// Own tells whether a host:port is an address of this service.
	Own func(host string) bool
}

// Token is what the endpoint answers.
type Token struct {
	Access    string
	Resource  string // the aud claim
	NotBefore time.Time
	Expires   time.Time
	ExpiresIn time.Duration
}

// claims of a version 1.0 token for an application.
type claims struct {
	jwt.Claims
	AppID    string `json:"appid"`
	AppIDACR string `json:"appidacr"` // 1: proved by a client secret
	IDP      string `json:"idp"`
	ObjectID string `json:"oid"`
	TenantID string `json:"tid"`
	UTI      string `json:"uti"`
	Version  string `json:"ver"`
}

// anyTenant names authorities that stand for the application's own tenant.
func anyTenant(name string) bool {
	switch strings.ToLower(name) {
	case "", "adfs", "common", "organizations":
		return true
	}
	return false
}

// IssueToken checks the client and its secret. Codes of its errors are those
// of OAuth (invalid_client, unauthorized_client, invalid_request, invalid_scope,
// invalid_resource); messages begin with Azure's AADSTS number.
func (s *Identity) IssueToken(ctx context.Context, r TokenRequest) (Token, error) {
	app, err := s.client(ctx, r)
	if err != nil {
		return Token{}, err
	}
	audience, claim := AudienceOf(r.Resource, r.Own)
	switch {
	case r.Scoped && !strings.HasSuffix(strings.ToLower(r.Resource), "/.default"):
		return Token{}, fault.Newf("invalid_scope", "AADSTS1002012: The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", clip(r.Resource))
	case audience == "":
		return Token{}, fault.Newf("invalid_resource", "AADSTS500011: The resource principal named %s was not found in the tenant named %s. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.", clip(r.Resource), app.TenantID)
	}
	now := s.clock.Now().Time()
	t := Token{Resource: claim, NotBefore: now.Add(-tokenBackdate), Expires: now.Add(TokenLifetime), ExpiresIn: TokenLifetime}
	t.Access, err = s.sign(ctx, app, t)
	return t, err
}

func (s *Identity) sign(ctx context.Context, app Application, t Token) (string, error) {
	ring, err := s.keys(ctx)
	if err != nil {
		return "", err
	}
	iss := Issuer(app.TenantID)
	raw, err := jwt.Signed(ring.sign).Claims(claims{
		Claims: jwt.Claims{
			Issuer: iss, Subject: app.ObjectID, Audience: jwt.Audience{t.Resource},
			IssuedAt: jwt.NewNumericDate(t.NotBefore), NotBefore: jwt.NewNumericDate(t.NotBefore), Expiry: jwt.NewNumericDate(t.Expires),
		},
		AppID: app.AppID, AppIDACR: "1", IDP: iss, ObjectID: app.ObjectID, TenantID: app.TenantID,
		UTI: uuid.NewString(), Version: "1.0",
	}).Serialize()
	if err != nil {
		return "", fault.New("InternalError", "").Because(err)
	}
	return raw, nil
}

// client finds the application and proves its secret. The order of checks is
// Azure's: tenant, application, secret.
func (s *Identity) client(ctx context.Context, r TokenRequest) (Application, error) {
	if !anyTenant(r.Tenant) {
		if ok, err := s.knows(ctx, r.Tenant); err != nil {
			return Application{}, err
		} else if !ok {
			return Application{}, fault.Newf("invalid_request", "AADSTS90002: Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", clip(r.Tenant))
		}
	}
	app, err := s.store.ApplicationByID(ctx, resource.Fold(r.AppID))
	missing := fault.Is(err, "ApplicationNotFound")
	if err != nil && !missing {
		return Application{}, err
	}
	if missing || !strings.EqualFold(app.AppID, r.AppID) || !anyTenant(r.Tenant) && !strings.EqualFold(app.TenantID, r.Tenant) {
		return Application{}, fault.Newf("unauthorized_client", "AADSTS700016: Application with identifier '%s' was not found in the directory '%s'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.", clip(r.AppID), clip(r.Tenant))
	}
	if r.Secret == "" {
		return Application{}, fault.New("invalid_client", "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
	if !app.Proves(r.Secret) {
		return Application{}, fault.Newf("invalid_client", "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", app.AppID)
	}
	return app, nil
}

// clip keeps what a stranger sent from filling our replies and logs.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}
