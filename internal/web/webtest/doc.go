// Package webtest plays recorded conversations against a face: each
// testdata/*.txtar holds requests and the responses expected, so that a new case
// is a new file and needs no Go. It also has a clock moved by hand.
//
// It knows no operation and is imported by tests only: those of web and of the
// faces below it.
package webtest
