package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The client secret reaches az, and no argument of it: those stand in the list
// of processes, which everybody reads.
func TestAzSetupKeepsTheSecretOutOfArguments(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	a := Admin{ClientID: "app", ClientSecret: "s3cret-value", TenantID: "tenant", ResourceGroup: "rg", AccountName: "acct",
		ARMURL: "https://127.0.0.1:1", LoginURL: "https://127.0.0.1:1", CAFile: filepath.Join(data, "ca.pem")}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	az := filepath.Join(dir, "az")
	for name, f := range map[string]struct {
		text string
		mode os.FileMode
	}{
		filepath.Join(data, "admin.json"): {string(text), 0o600},
		a.CAFile:                          {"", 0o644},
		az: {`#!/bin/sh
echo "$@" >> ` + dir + `/arguments
for word; do case $word in @*secret*) cat "${word#@}" >> ` + dir + `/read; stat -c %a "${word#@}" >> ` + dir + `/mode;; esac; done
`, 0o755},
	} {
		if err := os.WriteFile(name, []byte(f.text), f.mode); err != nil {
			t.Fatal(err)
		}
	}
	made := filepath.Join(dir, "config")
	if code, _, errs := run(Program{}, "az-setup", "--data", data, "--az", az, made); code != 0 {
		t.Fatal(code, errs)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := read("arguments"); strings.Contains(got, a.ClientSecret) || !strings.Contains(got, "login") {
		t.Errorf("arguments: %s", got)
	}
	if got := read("read"); got != a.ClientSecret {
		t.Errorf("az read %q", got)
	}
	if got := read("mode"); got != "600\n" {
		t.Errorf("the file's mode was %s", got)
	}
	if left, err := filepath.Glob(filepath.Join(made, "secret-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
