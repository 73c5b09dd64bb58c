// Command summary turns the event stream of `go test -json` into what a person wants to read: one line per package, the
// whole output of every test that failed, the reason of every test that was skipped, and a last line with the counts.
//
// It judges nothing: a test is passed, failed or skipped because go test said so. It is called by scripts/test alone
// and belongs to no room of the product.
package main
