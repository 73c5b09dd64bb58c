// Package identity owns tenants, principals, tokens (made and verified),
// the shared-key check, role definitions and assignments, and the one question
// "may this principal do that there".
//
// It refuses to own Batch account keys (account does) and HTTP (web does).
// Faces ask it; account, gallery and pool ask it for roles.
package identity
