// Package whole holds whole-program tests that are clumsy as scripts: both built
// binaries and provider/local, looked at from outside, over the API, over SSH
// and through what the kernel shows. It owns no rule and imports nothing of the
// program.
package whole
