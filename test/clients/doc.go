// Package clients drives Millpond with the clients its users have: the az
// command line, azure-batch for Python, ssh. The samples of Microsoft's
// documents are cut out of the documents when the tests run, and are run as
// they stand, but for their placeholders and, where a document's code is
// damaged, for the edits in testdata/linux-nodes.diff.
//
// The clients are those scripts/setup installs (MILLPOND_VENV, default .venv of
// this repository), the server is the built one (MILLPOND_BIN, default bin), and
// the documents are in MILLPOND_SHARED/documents (default shared, beside the
// repository). One server serves all tests. What is missing skips its tests,
// and fails them where CI=true.
//
// It has no code but tests and is imported by nobody.
package clients
