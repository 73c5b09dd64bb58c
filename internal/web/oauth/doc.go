// Package oauth is the issuer's face: the token endpoints of version 1, version
// 2 and ADFS style for client credentials, OpenID and instance discovery, and
// the public keys. It speaks OAuth's error bodies with Azure's AADSTS numbers.
//
// It owns forms and JSON. Who may have a token, what is in it and how it is
// signed is identity's. No token holds an address of ours: discovery documents
// name the host the client came by, tokens the tenant alone. app mounts it on
// its own paths, and on login.microsoftonline.com under interception.
package oauth
