package oauth

import (
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/identity"
)

// formLimit is far above any client's form.
const formLimit = 64 << 10

// tokenV1 is what version 1 answers: numbers as strings, and the resource.
type tokenV1 struct {
	TokenType    string `json:"token_type"`
	ExpiresIn    string `json:"expires_in"`
	ExtExpiresIn string `json:"ext_expires_in"`
	ExpiresOn    string `json:"expires_on"`
	NotBefore    string `json:"not_before"`
	Resource     string `json:"resource"`
	AccessToken  string `json:"access_token"`
}

// tokenV2 is what version 2 answers.
type tokenV2 struct {
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	ExtExpiresIn int64  `json:"ext_expires_in"`
	AccessToken  string `json:"access_token"`
}

// token serves all token endpoints: version 1 asks for a resource, version 2
// for a scope, and at /adfs old and new clients meet, so either is taken
// everywhere (facts/az.md 5) and decides the form of the answer.
func (s *Issuer) token(x *exchange) (any, error) {
	form, err := readForm(x.r)
	if err != nil {
		return nil, err
	}
	switch grant := form.Get("grant_type"); grant {
	case "client_credentials":
	case "":
		return nil, absent("grant_type")
	default:
		return nil, fault.Newf("unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type '%s'. This service gives tokens for client_credentials.", clip(grant))
	}
	want := identity.TokenRequest{Tenant: x.tenant(), AppID: form.Get("client_id"), Secret: form.Get("client_secret"), Own: x.ownHost}
	if want.AppID == "" {
		return nil, absent("client_id")
	}
	if form.Has("client_assertion") {
		return nil, fault.New("invalid_client", "AADSTS700027: Client assertions are not offered; send a client_secret.")
	}
	switch {
	case form.Get("scope") != "" && form.Get("resource") == "":
		want.Resource, want.Scoped = oneScope(form.Get("scope")), true
	case form.Get("resource") != "":
		want.Resource = form.Get("resource")
	case strings.Contains(x.r.URL.Path, "/v2.0/"):
		return nil, absent("scope")
	default:
		return nil, absent("resource")
	}
	t, err := s.identity.IssueToken(x.r.Context(), want)
	if err != nil {
		return nil, err
	}
	seconds := int64(t.ExpiresIn.Seconds())
	if want.Scoped {
		return tokenV2{TokenType: "Bearer", ExpiresIn: seconds, ExtExpiresIn: seconds, AccessToken: t.Access}, nil
	}
	in := strconv.FormatInt(seconds, 10)
	return tokenV1{
		TokenType: "Bearer", ExpiresIn: in, ExtExpiresIn: in, Resource: want.Resource, AccessToken: t.Access,
		ExpiresOn: strconv.FormatInt(t.Expires.Unix(), 10), NotBefore: strconv.FormatInt(t.NotBefore.Unix(), 10),
	}, nil
}

// oneScope leaves out the OpenID scopes that some clients add.
func oneScope(scope string) string {
	var asked []string
	for _, s := range strings.Fields(scope) {
		switch s {
		case "openid", "profile", "offline_access", "email":
		default:
			asked = append(asked, s)
		}
	}
	return strings.Join(asked, " ")
}

// readForm takes parameters from the body alone: a secret in a URL would end
// up in logs. Basic authentication stands for client_id and client_secret.
func readForm(r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, fault.New("invalid_request", "AADSTS900144: The request body must be of type application/x-www-form-urlencoded.")
	}
	r.Body = http.MaxBytesReader(nil, r.Body, formLimit)
	if err := r.ParseForm(); err != nil {
		return nil, fault.New("invalid_request", "AADSTS90100: The request body cannot be read as a form.").Because(err)
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return nil, fault.Newf("invalid_request", "AADSTS90100: The parameter '%s' is given more than once.", clip(name))
		}
	}
	form := r.PostForm
	if id, secret, ok := r.BasicAuth(); ok {
		// RFC 6749 2.3.1: both parts are form-encoded before they are joined.
		id, errID := url.QueryUnescape(id)
		secret, errSecret := url.QueryUnescape(secret)
		if errID != nil || errSecret != nil || form.Has("client_id") && form.Get("client_id") != id || form.Has("client_secret") {
			return nil, fault.New("invalid_request", "AADSTS90100: The client is given twice or its Authorization header cannot be read.")
		}
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	}
	return form, nil
}

func absent(name string) error {
	return fault.Newf("invalid_request", "AADSTS900144: The request body must contain the following parameter: '%s'.", name)
}
