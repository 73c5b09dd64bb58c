package gallery

import (
	"context"

	"millpond/internal/resource"
)

// oneMachines lists what belongs to one machine and to no image: left out of a
// capture of a generalized machine, as if never written. The base below has
// its own empty machine-id and no host keys.
var oneMachines = []string{
	"etc/machine-id",
	"var/lib/dbus/machine-id",
	"etc/hostname",
	"etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key.pub",
	"etc/ssh/ssh_host_ecdsa_key", "etc/ssh/ssh_host_ecdsa_key.pub",
	"etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub",
	"etc/ssh/ssh_host_dsa_key", "etc/ssh/ssh_host_dsa_key.pub",
	"root/.ssh", "root/.bash_history",
	"var/lib/systemd/random-seed",
	"var/lib/millpond", // the agent's list of accounts
	"run", "tmp", "mnt/batch",
}

// freeze gives the layers of a disk or snapshot. A disk's writable part becomes
// one more layer; it is swept when its machine was generalized or sweep says so,
// and then the accounts the service made are taken out of it.
func (g *Images) freeze(ctx context.Context, sourceID, uid string, sweep bool, users []string) (Content, error) {
	rec, content, err := g.sourceContent(ctx, sourceID, uid)
	if err != nil {
		return Content{}, err
	}
	id, err := resource.ParseID(rec.ID)
	if err != nil || !id.Is(TypeDisk) {
		return content, err
	}
	d, err := resource.Decode[Disk](rec)
	if err != nil {
		return Content{}, err
	}
	if d.ManagedBy != "" && g.Sources != nil {
		vm, err := g.Sources.SourceVM(ctx, d.ManagedBy)
		if err == nil && vm.Generalized {
			sweep, users = true, vm.Users
		}
	}
	var strip []string
	if sweep {
		strip = append(strip, oneMachines...)
		for _, u := range users {
			strip = append(strip, "home/"+u, "var/mail/"+u, "etc/sudoers.d/"+u)
		}
	} else {
		users = nil
	}
	layers, err := g.capture(ctx, rec.UID, strip, users)
	if err != nil {
		return Content{}, err
	}
	content.Stack = append(append(content.Stack[:0:0], content.Stack...), layers...)
	content.Generalized = sweep
	return content, nil
}
