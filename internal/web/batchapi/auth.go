package batchapi

import (
	"strings"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/web"
)

func denied(detail string) *fault.Error {
	return fault.New("AuthenticationFailed", "").With("AuthenticationErrorDetail", detail)
}

// authenticate proves a shared key or a bearer token. The account of a shared
// key stands in the Authorization header and must be the one the request is
// for; a token's tenant must be the account's.
func (a *API) authenticate(c *web.Call) (identity.Principal, error) {
	ctx := c.Context()
	header := c.Header("Authorization")
	if name, signature, ok := web.SharedKey(header); ok {
		acct, err := a.account(c)
		if err != nil {
			return identity.Principal{}, err
		}
		if !strings.EqualFold(acct.Owner.Name, name) {
			return identity.Principal{}, denied("The account in the Authorization header is not the account of the request.")
		}
		if !acct.SharedKey {
			return identity.Principal{}, denied("The account does not allow authentication by shared key.")
		}
		if err := web.CheckSkew(c.Request.Header, c.Now); err != nil {
			return identity.Principal{}, err
		}
		keys, err := acct.Keys(ctx)
		if err != nil {
			return identity.Principal{}, err
		}
		text := c.StringToSign(name)
		for _, key := range keys {
			if identity.VerifySharedKey(text, key, signature) {
				return identity.Principal{AccountUID: acct.Owner.UID}, nil
			}
		}
		return identity.Principal{}, denied("The MAC signature found in the HTTP request is not the same as any computed signature.")
	}
	token, ok := web.Bearer(header)
	if !ok {
		return identity.Principal{}, denied("The Authorization header is missing, or is neither of the form 'SharedKey account:signature' nor 'Bearer token'.")
	}
	who, err := a.Identity.VerifyToken(ctx, token, identity.AudienceBatch)
	if err != nil {
		if code := fault.CodeOf(err); code == "" || code == "InternalError" {
			return who, err
		}
		return identity.Principal{}, denied(tokenDetail(err))
	}
	acct, err := a.account(c)
	if err != nil {
		return identity.Principal{}, err
	}
	if !acct.AAD {
		return identity.Principal{}, denied("The account does not allow authentication by Microsoft Entra ID.")
	}
	if acct.TenantID != who.TenantID {
		return identity.Principal{}, denied("The token's tenant is not the tenant of the account's subscription.")
	}
	return who, nil
}

// tokenDetail words a refused token without repeating any of it.
func tokenDetail(err error) string {
	switch fault.CodeOf(err) {
	case "ExpiredAuthenticationToken":
		return "The access token has expired."
	case "InvalidAuthenticationTokenAudience":
		return "The access token has been obtained for the wrong audience."
	case "InvalidAuthenticationTokenTenant":
		return "The access token is from the wrong issuer."
	}
	return "The access token is invalid."
}

// account is the Batch account the request is for.
func (a *API) account(c *web.Call) (Account, error) {
	acct, err := a.Accounts.BatchAccount(c.Context(), c.Mount.Account)
	if fault.Is(err, "AccountNotFound") {
		name, _, _ := strings.Cut(c.Mount.Account, ".")
		return acct, denied("Cannot find the claimed account when trying to GetProperties for the account " + name + ".")
	}
	return acct, err
}

const provider = "Microsoft.Batch/batchAccounts/"

// authorize asks for the row's permission. A shared key has them all. Jobs are
// data actions, pools are actions (facts/azure-batch.md 2E); a role that may do
// everything to the account, as Contributor, may do both, as in Azure.
func (a *API) authorize(c *web.Call) error {
	if c.Principal.SharedKey() {
		return nil
	}
	acct, err := a.account(c)
	if err != nil {
		return err
	}
	action := provider + c.Route.Action
	ok, err := a.Identity.Allowed(c.Context(), c.Principal, action, acct.ID)
	if err == nil && !ok {
		ok, err = a.Identity.AllowedData(c.Context(), c.Principal, action, acct.ID)
	}
	if err != nil {
		return err
	}
	if !ok {
		return fault.New("InsufficientAccountPermissions", "").With("Action", action)
	}
	return nil
}
