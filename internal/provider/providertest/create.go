package providertest

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"millpond/internal/provider"
)

func createTwice(t *testing.T, f *Fixture) {
	m := mustCreate(t, f, "a")
	if err := f.Provider.Create(t.Context(), m); err != nil {
		t.Fatalf("Create of what runs under the same boot: %v", err)
	}
	mustList(t, f, "a a-1")
	mustDestroy(t, f, "a")
	mustBeClean(t, f)
}

func createOtherBoot(t *testing.T, f *Fixture) {
	m := mustCreate(t, f, "a")
	m.BootID = "a-2"
	if err := f.Provider.Create(t.Context(), m); err == nil {
		t.Fatal("Create of what runs under another boot must fail")
	}
	mustList(t, f, "a a-1")
}

func createBroken(t *testing.T, f *Fixture) {
	m := f.Machine(t, "a")
	m.Tree.Dirs = []string{"no-such-layer"}
	if err := f.Provider.Create(t.Context(), m); err == nil {
		t.Fatal("Create without its layers must fail")
	}
	mustBeClean(t, f)
	m = f.Machine(t, "b")
	m.Disk.Path = filepath.Join(m.Disk.Path, "no-such-disk")
	if err := f.Provider.Create(t.Context(), m); err == nil {
		t.Fatal("Create without its disk must fail")
	}
	mustBeClean(t, f)
}

func createMany(t *testing.T, f *Fixture) {
	const n = 32
	var machines []provider.Machine
	var want []string
	for i := range n {
		m := f.Machine(t, fmt.Sprintf("m%02d", i))
		machines = append(machines, m)
		want = append(want, m.ID+" "+m.BootID)
	}
	all(t, machines, func(m provider.Machine) error { return f.Provider.Create(t.Context(), m) })
	mustList(t, f, want...)
	for _, m := range machines {
		f.Started(t, m)
	}
	all(t, machines, func(m provider.Machine) error { return f.Provider.Destroy(t.Context(), m.ID) })
	mustBeClean(t, f)
}

func createSame(t *testing.T, f *Fixture) {
	m := f.Machine(t, "a")
	all(t, make([]provider.Machine, 8), func(provider.Machine) error { return f.Provider.Create(t.Context(), m) })
	f.Started(t, m)
	mustList(t, f, "a a-1")
}

func createCancelled(t *testing.T, f *Fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Provider.Create(ctx, f.Machine(t, "a")); err == nil {
		t.Fatal("Create under a cancelled context must fail")
	}
	mustBeClean(t, f)
}

// createCancelledHalfWay cancels at moments spread over a Create's life: each
// time either the machine runs and Create said so, or nothing is left.
func createCancelledHalfWay(t *testing.T, f *Fixture) {
	for i := range 25 {
		m := f.Machine(t, fmt.Sprintf("m%02d", i))
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*200*time.Microsecond)
		err := f.Provider.Create(ctx, m)
		cancel()
		if err == nil {
			mustList(t, f, m.ID+" "+m.BootID)
			mustDestroy(t, f, m.ID)
		}
		mustBeClean(t, f)
	}
}

// all calls do for every machine at once and fails with the first error.
func all(t *testing.T, machines []provider.Machine, do func(provider.Machine) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make(chan error, len(machines))
	for _, m := range machines {
		wg.Go(func() { errs <- do(m) })
	}
	wg.Wait()
	for range machines {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
}
