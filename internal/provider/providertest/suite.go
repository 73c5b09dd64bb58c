package providertest

import (
	"context"
	"slices"
	"testing"
	"time"

	"millpond/internal/provider"
)

// Fixture is a fresh provider and what the suite must be able to do with it.
type Fixture struct {
	Provider provider.Provider
	// Machine makes what a machine needs before Create (disk, state folder) and
	// gives it BootID id + "-1".
	Machine func(t *testing.T, id string) provider.Machine
	// Started waits until the machine's inside answers for this very boot.
	Started func(t *testing.T, m provider.Machine)
	// Write and Read touch a file of the machine's root, from inside.
	Write func(t *testing.T, m provider.Machine, path, text string)
	Read  func(t *testing.T, m provider.Machine, path string) string
	// Exit makes the machine end from inside.
	Exit func(t *testing.T, m provider.Machine)
	// Reopen closes the provider with keep and opens it again, as a restarted
	// server would. Needed when Capabilities say OutlivesUs.
	Reopen func(t *testing.T) provider.Provider
	// Left names everything of machines that exists: processes, mounts, groups.
	// The suite asks when all machines are destroyed.
	Left func(t *testing.T) []string
}

// Run runs the suite; open is called for each case. What it opens must be
// closed, with its machines, when the case ends.
func Run(t *testing.T, open func(t *testing.T) *Fixture) {
	cases := []struct {
		name string
		run  func(t *testing.T, f *Fixture)
	}{
		{"create twice", createTwice},
		{"create under another boot", createOtherBoot},
		{"create with nothing to boot", createBroken},
		{"create many at once", createMany},
		{"create the same at once", createSame},
		{"create cancelled", createCancelled},
		{"create cancelled half-way", createCancelledHalfWay},
		{"destroy unknown", destroyUnknown},
		{"destroy twice", destroyTwice},
		{"destroy during create", destroyDuringCreate},
		{"disk survives destroy and create", diskSurvives},
		{"reboot keeps the disk", rebootKeepsDisk},
		{"reboot twice is once", rebootTwice},
		{"reboot what does not run", rebootStopped},
		{"exit is told", exitTold},
		{"exit then create", exitThenCreate},
		{"destroy is no exit", destroyIsNoExit},
		{"restart", restart},
		{"close twice", closeTwice},
		{"use after close", useAfterClose},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := open(t)
			c.run(t, f)
		})
	}
}

// patience is how long anything may take on a busy computer.
const patience = 60 * time.Second

func mustCreate(t *testing.T, f *Fixture, id string) provider.Machine {
	t.Helper()
	m := f.Machine(t, id)
	if err := f.Provider.Create(t.Context(), m); err != nil {
		t.Fatalf("Create %s: %v", id, err)
	}
	f.Started(t, m)
	return m
}

func mustDestroy(t *testing.T, f *Fixture, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := f.Provider.Destroy(t.Context(), id); err != nil {
			t.Fatalf("Destroy %s: %v", id, err)
		}
	}
}

// mustList checks that exactly these machines run, by "id boot".
func mustList(t *testing.T, f *Fixture, want ...string) {
	t.Helper()
	list, err := f.Provider.List(t.Context())
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	var got []string
	for _, m := range list {
		got = append(got, m.ID+" "+m.BootID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("List: running %q, want %q", got, want)
	}
}

func mustBeClean(t *testing.T, f *Fixture) {
	t.Helper()
	mustList(t, f)
	if left := f.Left(t); len(left) > 0 {
		t.Fatalf("left over: %q", left)
	}
}

// mustExit waits for the news that m ended.
func mustExit(t *testing.T, f *Fixture, m provider.Machine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case got, ok := <-f.Provider.Exits():
		if !ok || got.ID != m.ID || got.BootID != m.BootID {
			t.Fatalf("Exits: got %v (open %v), want %s %s", got, ok, m.ID, m.BootID)
		}
	case <-ctx.Done():
		t.Fatalf("Exits: no news of %s", m.ID)
	}
}
