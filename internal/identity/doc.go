// Package identity owns tenants, principals, tokens (made and verified),
// the shared-key check, role definitions and assignments, and the one question
// "may this principal do that there".
//
// It also owns how secrets rest: Sealer encrypts what is needed again (account
// keys, signing keys), client secrets and passwords are hashed, and Secret is
// the one type a secret travels in.
//
// It refuses to own Batch account keys (account does), HTTP and the form of
// error bodies (web does), and which subscription belongs to which tenant
// (account does). Faces ask it; account and gallery ask it for roles; pool and
// job know its Principal; machine lets it hash passwords.
package identity
