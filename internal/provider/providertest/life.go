package providertest

import (
	"fmt"
	"sync"
	"testing"
)

func destroyUnknown(t *testing.T, f *Fixture) {
	mustDestroy(t, f, "never-was")
	mustBeClean(t, f)
}

func destroyTwice(t *testing.T, f *Fixture) {
	mustCreate(t, f, "a")
	mustDestroy(t, f, "a", "a")
	mustBeClean(t, f)
}

// destroyDuringCreate lets the two race; one more Destroy must always be enough.
func destroyDuringCreate(t *testing.T, f *Fixture) {
	for i := range 12 {
		m := f.Machine(t, fmt.Sprintf("m%02d", i))
		var created, destroyed error
		var wg sync.WaitGroup
		wg.Go(func() { created = f.Provider.Create(t.Context(), m) })
		wg.Go(func() { destroyed = f.Provider.Destroy(t.Context(), m.ID) })
		wg.Wait()
		if destroyed != nil {
			t.Fatalf("Destroy during Create: %v (Create: %v)", destroyed, created)
		}
		mustDestroy(t, f, m.ID)
		mustBeClean(t, f)
	}
}

const keepsake = "/etc/keepsake"

func diskSurvives(t *testing.T, f *Fixture) {
	m := mustCreate(t, f, "a")
	f.Write(t, m, keepsake, "kept")
	mustDestroy(t, f, "a")
	m.BootID = "a-2"
	if err := f.Provider.Create(t.Context(), m); err != nil {
		t.Fatalf("Create with the same disk: %v", err)
	}
	f.Started(t, m)
	if got := f.Read(t, m, keepsake); got != "kept" {
		t.Fatalf("the disk has %q, want what was written before Destroy", got)
	}
}

func rebootKeepsDisk(t *testing.T, f *Fixture) {
	m := mustCreate(t, f, "a")
	f.Write(t, m, keepsake, "kept")
	m.BootID = "a-2"
	if err := f.Provider.Reboot(t.Context(), m); err != nil {
		t.Fatalf("Reboot: %v", err)
	}
	f.Started(t, m)
	mustList(t, f, "a a-2")
	if got := f.Read(t, m, keepsake); got != "kept" {
		t.Fatalf("the disk has %q, want what was written before Reboot", got)
	}
	mustDestroy(t, f, "a")
	mustBeClean(t, f)
}

func rebootTwice(t *testing.T, f *Fixture) {
	m := mustCreate(t, f, "a")
	m.BootID = "a-2"
	for range 2 {
		if err := f.Provider.Reboot(t.Context(), m); err != nil {
			t.Fatalf("Reboot: %v", err)
		}
	}
	f.Started(t, m)
	mustList(t, f, "a a-2")
}

func rebootStopped(t *testing.T, f *Fixture) {
	m := f.Machine(t, "a")
	if err := f.Provider.Reboot(t.Context(), m); err != nil {
		t.Fatalf("Reboot of a machine that does not run starts it: %v", err)
	}
	f.Started(t, m)
	mustList(t, f, "a a-1")
}

func exitTold(t *testing.T, f *Fixture) {
	m := mustCreate(t, f, "a")
	mustCreate(t, f, "b")
	f.Exit(t, m)
	mustExit(t, f, m)
	mustList(t, f, "b b-1")
	mustDestroy(t, f, "b")
	mustBeClean(t, f)
}

func exitThenCreate(t *testing.T, f *Fixture) {
	m := mustCreate(t, f, "a")
	f.Exit(t, m)
	mustExit(t, f, m)
	m.BootID = "a-2"
	if err := f.Provider.Create(t.Context(), m); err != nil {
		t.Fatalf("Create after an exit: %v", err)
	}
	f.Started(t, m)
	mustList(t, f, "a a-2")
}

// destroyIsNoExit shows that what was asked for is not reported: the next news
// after a Destroy and a Reboot is of the one that ended by itself.
func destroyIsNoExit(t *testing.T, f *Fixture) {
	mustCreate(t, f, "a")
	b := mustCreate(t, f, "b")
	mustDestroy(t, f, "a")
	b.BootID = "b-2"
	if err := f.Provider.Reboot(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	f.Started(t, b)
	f.Exit(t, b)
	mustExit(t, f, b)
}

func restart(t *testing.T, f *Fixture) {
	if !f.Provider.Capabilities().OutlivesUs {
		t.Skip("declared: machines do not outlive the server")
	}
	mustCreate(t, f, "a")
	b := mustCreate(t, f, "b")
	f.Provider = f.Reopen(t)
	mustList(t, f, "a a-1", "b b-1")
	if err := f.Provider.Create(t.Context(), b); err != nil {
		t.Fatalf("Create of what ran before the restart: %v", err)
	}
	f.Exit(t, b)
	mustExit(t, f, b)
	mustDestroy(t, f, "a")
	mustBeClean(t, f)
}

func closeTwice(t *testing.T, f *Fixture) {
	mustCreate(t, f, "a")
	for range 2 {
		if err := f.Provider.Close(false); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	if left := f.Left(t); len(left) > 0 {
		t.Fatalf("left over after Close: %q", left)
	}
}

func useAfterClose(t *testing.T, f *Fixture) {
	m := f.Machine(t, "a")
	if err := f.Provider.Close(false); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if err := f.Provider.Create(t.Context(), m); err == nil {
		t.Fatal("Create after Close must fail")
	}
	if _, open := <-f.Provider.Exits(); open {
		t.Fatal("Exits must be closed by Close")
	}
}
