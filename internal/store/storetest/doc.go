// Package storetest is the promise of internal/store as tests: one list of
// subtests a noun, each on a database of its own. A new query gets a subtest in
// its noun's file; both databases run it.
//
// It refuses to look at SQL: it sees only the nouns' Store interfaces, the
// events and Check. store's tests call it.
package storetest
