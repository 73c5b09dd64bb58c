// Package resource holds what every Resource Manager object shares: ids that
// are parsed and folded, the envelope (name, type, location, tags, etag),
// long-running operations, and the project's notion of time.
//
// It refuses to know any particular kind of object: galleries, accounts and
// machines keep their own part in Record.Body. All nouns, the store and the
// faces use it; it imports only fault.
package resource
