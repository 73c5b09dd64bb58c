package identity

import (
	"context"
	"fmt"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"millpond/internal/fault"
)

// tokenLeeway forgives clocks that differ a little.
const tokenLeeway = time.Minute

// maxTokenLength bounds what is parsed before anything is known of the sender.
const maxTokenLength = 16 << 10

// VerifyToken proves a bearer token made for the audience want. Codes of its
// errors are Resource Manager's: InvalidAuthenticationToken,
// ExpiredAuthenticationToken, InvalidAuthenticationTokenAudience,
// InvalidAuthenticationTokenTenant; other faces word them their own way.
func (s *Identity) VerifyToken(ctx context.Context, raw, want string) (Principal, error) {
	c, err := s.proven(ctx, raw)
	if err != nil {
		return Principal{}, err
	}
	now := s.clock.Now().Time()
	if err := inTime(c, now); err != nil {
		return Principal{}, err
	}
	if len(c.Audience) != 1 || audienceOfClaim(c.Audience[0]) != want {
		return Principal{}, fault.Newf("InvalidAuthenticationTokenAudience",
			"The access token has been obtained for wrong audience or resource '%s'. It should exactly match with one of the allowed audiences %s.",
			clip(strings.Join(c.Audience, " ")), allowedAudiences[want])
	}
	known, err := s.knows(ctx, c.TenantID)
	if err != nil {
		return Principal{}, err
	}
	if !known || c.Issuer != Issuer(c.TenantID) {
		return Principal{}, fault.Newf("InvalidAuthenticationTokenTenant",
			"The access token is from the wrong issuer '%s'. It must match one of the tenants of this service.", clip(c.Issuer))
	}
	if c.ObjectID == "" {
		return Principal{}, invalidToken(nil)
	}
	return Principal{TenantID: c.TenantID, ObjectID: c.ObjectID, AppID: c.AppID, Audience: want}, nil
}

// allowedAudiences are named in the refusal of another one.
var allowedAudiences = map[string]string{
	AudienceARM:   "'https://management.core.windows.net/','https://management.core.windows.net','https://management.azure.com/','https://management.azure.com'",
	AudienceBatch: "'https://batch.core.windows.net/','https://batch.core.windows.net'",
	AudienceGraph: "'https://graph.microsoft.com/','https://graph.microsoft.com'",
}

func audienceOfClaim(claim string) string {
	a, _ := AudienceOf(claim, nil)
	return a
}

// proven reads the claims once the signature is ours. The algorithm is pinned
// before anything is looked at: neither none nor HS256 with our public key.
func (s *Identity) proven(ctx context.Context, raw string) (claims, error) {
	if len(raw) > maxTokenLength {
		return claims{}, invalidToken(fmt.Errorf("token of %d bytes", len(raw)))
	}
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(token.Headers) != 1 {
		return claims{}, invalidToken(err)
	}
	ring, err := s.keys(ctx)
	if err != nil {
		return claims{}, err
	}
	key, ok := ring.by[token.Headers[0].KeyID]
	if !ok {
		return claims{}, invalidToken(fmt.Errorf("unknown kid %q", clip(token.Headers[0].KeyID)))
	}
	var c claims
	if err := token.Claims(key, &c); err != nil {
		return claims{}, invalidToken(err)
	}
	return c, nil
}

func inTime(c claims, now time.Time) error {
	if c.Expiry == nil || c.NotBefore == nil {
		return invalidToken(nil)
	}
	const form = "1/2/2006 3:04:05 PM" // as .NET prints it
	if exp := c.Expiry.Time(); now.After(exp.Add(tokenLeeway)) {
		return fault.Newf("ExpiredAuthenticationToken",
			"The access token expiry UTC time '%s' is earlier than current UTC time '%s'.", exp.UTC().Format(form), now.UTC().Format(form))
	}
	if nbf := c.NotBefore.Time(); now.Before(nbf.Add(-tokenLeeway)) {
		return fault.Newf("InvalidAuthenticationToken",
			"The access token is not valid before UTC time '%s'; current UTC time is '%s'.", nbf.UTC().Format(form), now.UTC().Format(form))
	}
	return nil
}

func invalidToken(cause error) error {
	return fault.New("InvalidAuthenticationToken", "The access token is invalid.").Because(cause)
}

// BearerToken takes the token out of an Authorization header; ok is false when
// the header is of another scheme or holds no token.
func BearerToken(header string) (token string, ok bool) {
	scheme, rest, found := strings.Cut(header, " ")
	token = strings.TrimSpace(rest)
	return token, found && strings.EqualFold(scheme, "Bearer") && token != "" && !strings.ContainsAny(token, " \t")
}
