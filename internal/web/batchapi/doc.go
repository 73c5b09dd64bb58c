// Package batchapi is the Batch data plane: its routes, who may use them, and
// the translation between wire types and the words of pool and job.
//
// It refuses to own rules: a handler decodes, asks a noun, and encodes. Wire
// types and the list of the contract's operations are generated; versions.go
// says what each api-version adds and hides. app mounts it by path and by host.
package batchapi
