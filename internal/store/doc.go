// Package store keeps every noun in SQLite (the default: one file, one
// process) or in PostgreSQL, behind one DB. It is the only room that knows
// SQL: it satisfies the Store interfaces the nouns declare, one transaction a
// method, and writes the event of a change in the transaction of the change.
//
// It refuses to own rules: what may change into what is decided by the pure
// functions its callers hand in, which may run twice. It refuses to own loops.
// app opens it; nouns and schedule call it through their own interfaces;
// storetest is its promise as tests, run on both databases.
//
// How rows look: columns for what is searched, sorted or counted, a JSON
// document for the rest. Keys are (parent, folded id), compared bytewise. A
// row's tick is the latest instant it carries and only rises. rev guards each
// write. Counters of jobs and nodes are columns, changed in the transaction
// that changes what they count.
package store
