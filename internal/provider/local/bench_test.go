package local

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"millpond/internal/layer"
	"millpond/internal/provider"
)

// BenchmarkNodeStart compares machines with a bare fork and exec of the same
// agent, four at a time: ns/op is one machine from Create to booted.
func BenchmarkNodeStart(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		each(b.N, func(int) error {
			// As no machine's first process the agent says so and exits 1.
			_ = exec.Command(testAgent).Run()
			return nil
		})
	})
	b.Run("machine", func(b *testing.B) {
		p := openBench(b)
		machines := make([]provider.Machine, b.N)
		for i := range machines {
			machines[i] = benchMachine(b, p, fmt.Sprintf("m%d", i))
		}
		b.ResetTimer()
		if err := each(b.N, func(i int) error { return p.Create(b.Context(), machines[i]) }); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		b.ReportMetric(float64(pss(b, p))/float64(b.N), "KiB-PSS/machine")
	})
	b.Run("destroy", func(b *testing.B) {
		p := openBench(b)
		create := func(i int) error { return p.Create(b.Context(), benchMachine(b, p, fmt.Sprintf("m%d", i))) }
		if err := each(b.N, create); err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		if err := each(b.N, func(i int) error { return p.Destroy(b.Context(), fmt.Sprintf("m%d", i)) }); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
	})
}

// each calls f for 0 to n-1 from four goroutines and gives the first error.
func each(n int, f func(int) error) error {
	var wg sync.WaitGroup
	next, errs := make(chan int), make(chan error, 4)
	for range 4 {
		wg.Go(func() {
			var first error
			for i := range next {
				if err := f(i); err != nil && first == nil {
					first = err
				}
			}
			errs <- first
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	for range 4 {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func openBench(b *testing.B) *Provider {
	b.Helper()
	p, err := Open(b.Context(), Config{DataDir: b.TempDir(), Millpond: os.Args[0], Agent: testAgent, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.Close(false); err != nil {
			b.Error(err)
		}
	})
	if err := p.Worker().Mkdir(context.Background(), filepath.Join(p.config.DataDir, "regions", "base", "etc")); err != nil {
		b.Fatal(err)
	}
	return p
}

func benchMachine(b *testing.B, p *Provider, id string) provider.Machine {
	b.Helper()
	data := p.config.DataDir
	m := provider.Machine{
		ID: id, BootID: id, Role: "node", Hostname: id,
		Tree:  layer.Tree{Root: filepath.Join(data, "regions"), Dirs: []string{"base"}},
		Disk:  layer.Disk{Path: filepath.Join(data, "disks", id)},
		State: filepath.Join(data, "nodes", id),
	}
	if err := p.Worker().Clone(b.Context(), m.Disk); err != nil {
		b.Fatal(err)
	}
	if err := p.Worker().Mkdir(b.Context(), m.State); err != nil {
		b.Fatal(err)
	}
	return m
}

// pss is the memory of all machines, shared pages divided among who shares them.
func pss(b *testing.B, p *Provider) (kiB int) {
	b.Helper()
	for _, pid := range children(b, p.HostPID()) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			b.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "\nPss:")
		var n int
		if _, err := fmt.Sscan(rest, &n); err != nil {
			b.Fatal(err)
		}
		kiB += n
	}
	return kiB
}
