package fake_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"millpond/internal/layer"
	"millpond/internal/provider"
	"millpond/internal/provider/fake"
	"millpond/internal/provider/providertest"
)

func TestSuite(t *testing.T) {
	providertest.Run(t, func(t *testing.T) *providertest.Fixture {
		world := fake.NewWorld()
		var mu sync.Mutex
		files := map[string]string{} // of disks: the simulated inside of machines
		// The tree and the disks that exist, as a real provider would find them.
		config := fake.Config{World: world, Before: func(_ context.Context, op fake.Op, m provider.Machine) error {
			if op == fake.Create && (m.Tree.Dirs[0] != "base" || m.Disk.Path != "/disks/"+m.ID) {
				return errors.New("no such tree or disk")
			}
			return nil
		}}
		f := &providertest.Fixture{}
		p := fake.New(config)
		f.Provider = p
		t.Cleanup(func() { f.Provider.Close(false) })
		f.Machine = func(_ *testing.T, id string) provider.Machine {
			return provider.Machine{
				ID: id, BootID: id + "-1",
				Tree: layer.Tree{Root: "/regions", Dirs: []string{"base"}},
				Disk: layer.Disk{Path: "/disks/" + id},
			}
		}
		f.Started = func(t *testing.T, m provider.Machine) {
			list, err := f.Provider.List(t.Context())
			for _, i := range list {
				if i.ID == m.ID && i.BootID == m.BootID {
					return
				}
			}
			t.Fatalf("%s does not run: %v %v", m.ID, list, err)
		}
		f.Write = func(_ *testing.T, m provider.Machine, path, text string) {
			mu.Lock()
			defer mu.Unlock()
			files[m.Disk.Path+path] = text
		}
		f.Read = func(_ *testing.T, m provider.Machine, path string) string {
			mu.Lock()
			defer mu.Unlock()
			return files[m.Disk.Path+path]
		}
		f.Exit = func(_ *testing.T, m provider.Machine) { p.Exit(m.ID) }
		f.Reopen = func(t *testing.T) provider.Provider {
			if err := p.Close(true); err != nil {
				t.Fatal(err)
			}
			p = fake.New(config)
			return p
		}
		f.Left = func(t *testing.T) []string {
			other := fake.New(fake.Config{World: world})
			defer other.Close(true)
			list, err := other.List(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			var left []string
			for _, m := range list {
				left = append(left, fmt.Sprint(m))
			}
			return left
		}
		return f
	})
}

func TestBeforeDelaysAndFails(t *testing.T) {
	full := errors.New("no capacity")
	p := fake.New(fake.Config{Before: func(ctx context.Context, _ fake.Op, m provider.Machine) error {
		if m.ID == "slow" {
			<-ctx.Done()
			return ctx.Err()
		}
		return full
	}})
	defer p.Close(false)
	m := provider.Machine{ID: "x", BootID: "1", Tree: layer.Tree{Dirs: []string{"a"}}, Disk: layer.Disk{Path: "/d"}}
	if err := p.Create(t.Context(), m); !errors.Is(err, full) {
		t.Fatalf("Create: %v, want the hook's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m.ID = "slow"
	done := make(chan error)
	go func() { done <- p.Create(ctx, m) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("Create: %v, want cancelled", err)
	}
}

func TestOnStartSeesEveryBoot(t *testing.T) {
	var boots []string
	p := fake.New(fake.Config{
		OnStart: func(m provider.Machine) { boots = append(boots, "start "+m.BootID) },
		OnStop:  func(m provider.Instance) { boots = append(boots, "stop "+m.BootID) },
	})
	defer p.Close(false)
	m := provider.Machine{ID: "x", BootID: "1", Tree: layer.Tree{Dirs: []string{"a"}}, Disk: layer.Disk{Path: "/d"}}
	for _, boot := range []string{"1", "2"} {
		m.BootID = boot
		if err := p.Reboot(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(boots); got != "[start 1 stop 1 start 2]" {
		t.Fatal(got)
	}
}
