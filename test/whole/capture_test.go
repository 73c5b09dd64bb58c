package whole

import (
	"os/exec"
	"strings"
	"testing"

	"millpond/test/rig"
)

// TestCapture installs a program in a virtual machine over SSH and finds it, and
// nothing that belongs to that one machine, on the nodes of a pool of its image.
func TestCapture(t *testing.T) {
	const payload = "millpond-payload"
	if _, err := exec.LookPath(payload); err == nil {
		t.Fatalf("%s is on this machine's PATH", payload)
	}
	s := rig.Start(t)
	arm := s.Bearer()
	key := rig.NewKey(t)
	vm, disk, address := arm.VM("builder", key)
	shell := rig.SSH(t, address, "azureuser", key.Auth())
	if got := shell.Run("ls /opt; id -u"); got != "0" {
		t.Errorf("a fresh machine: %q", got)
	}
	shell.Run("mkdir -p /opt/tool/bin && printf '#!/bin/sh\\necho payload $1\\n' >/opt/tool/bin/" + payload + " && chmod 755 /opt/tool/bin/" + payload)
	shell.Run("echo 0123456789abcdef0123456789abcdef >/etc/machine-id; mkdir -p /etc/ssh; echo secret >/etc/ssh/ssh_host_ed25519_key; echo mine >/home/azureuser/file; echo kept >/etc/kept; rm -r /media; echo x >/root/.bash_history; echo t >/tmp/t")
	shell.Close()

	arm.Do("POST", vm+"/deallocate", nil, nil)
	arm.Do("POST", vm+"/generalize", nil, nil)
	if a, err := arm.Try("POST", vm+"/start", nil); err != nil || a.Status != 409 {
		t.Errorf("a generalized machine starts: %d %s %v", a.Status, a.Body, err)
	}
	image := arm.ManagedImage("i", arm.Snapshot("s", disk))
	version := arm.Version(arm.Definition("g", "def"), "1.0.0", image, "westeurope", 1)
	arm.Do("POST", "/pools", s.GalleryPool("captured", version, 1), nil)
	s.Do("POST", "/pools", s.Pool("base", 1, 1), nil)
	s.Idle("captured", 1)
	s.Idle("base", 1)
	for _, pool := range []string{"captured", "base"} {
		s.Do("POST", "/jobs", map[string]any{"id": pool, "poolInfo": map[string]string{"poolId": pool}}, nil)
	}
	run := "/opt/tool/bin/" + payload + " here"
	if o := s.Run("base", "t", run, nil); o.Result != "failure" {
		t.Errorf("the base has the payload: %+v", o)
	}
	if o := s.Run("captured", "t", run, nil); o.Stdout != "payload here\n" || o.Result != "success" {
		t.Errorf("the version has no payload: %+v %+v", o, o.FailureInfo)
	}
	o := s.Run("captured", "traces", rig.Script("cat /etc/kept; test -e /media || echo no media; cat /etc/machine-id; ls /etc/ssh; ls -A /home /root /tmp; grep -c azureuser /etc/passwd /etc/shadow /etc/group; hostname"), rig.Elevated())
	if !strings.HasPrefix(o.Stdout, "kept\nno media\n") {
		t.Errorf("what was done in the machine is not in the image: %+v", o)
	}
	for _, trace := range []string{"0123456789abcdef", "ssh_host", "azureuser\n", "passwd:1", "shadow:1", "group:1", ".bash_history", "builder"} {
		if strings.Contains(o.Stdout, trace) {
			t.Errorf("of the machine is left %q in\n%s", trace, o.Stdout)
		}
	}
	// The source may go; the version stands on its own.
	arm.Do("DELETE", vm, nil, nil)
	for _, kind := range []string{"images/i", "snapshots/s"} {
		arm.Do("DELETE", s.Compute(strings.Split(kind, "/")[0], strings.Split(kind, "/")[1]), nil, nil)
	}
	s.Do("POST", "/pools/captured/resize", map[string]any{"targetDedicatedNodes": 3}, nil)
	s.Idle("captured", 3)
}
