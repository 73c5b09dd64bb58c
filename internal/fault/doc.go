// Package fault is the one error that crosses rooms: a code a client can act
// on, a sentence a person can read, and details that name fields and values.
//
// It owns the type and nothing else: which HTTP status a code becomes and how
// the body looks is the business of web's two dialects and of web/oauth. Every room may import it; it imports only the standard library.
package fault
