package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLimits holds a machine to its memory through whichever hierarchy has the
// controllers here.
func TestLimits(t *testing.T) {
	config := testConfig(t, testData(t))
	config.Limits = LimitsOn
	p := openWith(t, config)
	has := p.Capabilities()
	if !has.LimitsMemory || !has.LimitsCPU {
		if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
			t.Fatalf("no limits: %s", has.Limits)
		}
		t.Skip(has.Limits)
	}
	g := listenAgents(t, p)
	m := testMachine(t, p, "m") // 128 MiB
	if err := p.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	in := g.enter(t, m)
	in.do(t, "eat", "", "64")
	if p.cgroups.CPU != "" {
		text, err := os.ReadFile(filepath.Join(p.cgroups.CPU, "m-m", "cpu.cfs_quota_us"))
		if err != nil || strings.TrimSpace(string(text)) != "100000" {
			t.Errorf("CPU quota %q %v, want one core", text, err)
		}
	}
	if _, err := in.try("eat", "", "512"); err == nil {
		t.Fatal("a machine of 128 MiB used 512")
	}
	if e := <-p.Exits(); e.ID != "m" {
		t.Fatal(e)
	}
	if left := leftOver(t, p); len(left) > 0 {
		t.Fatalf("left over: %q", left)
	}
}

func TestLimitsOff(t *testing.T) {
	config := testConfig(t, testData(t))
	config.Limits = LimitsOff
	p := openWith(t, config)
	if has := p.Capabilities(); has.LimitsCPU || has.LimitsMemory || has.Limits == "" {
		t.Fatalf("%+v", has)
	}
	if err := p.Create(t.Context(), testMachine(t, p, "m")); err != nil {
		t.Fatal(err)
	}
}
