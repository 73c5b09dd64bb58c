// Package providertest is the promise of provider.Provider as tests.
//
// The author of a provider writes one test: it calls Run with a function that
// opens a fresh provider and says, in a Fixture, how to make a machine for it
// and how to look into one. Differences a provider declares in Capabilities are
// read, not guessed: a provider that does not outlive its process is not asked
// to. The package knows no provider; the tests of provider/* call it.
package providertest
