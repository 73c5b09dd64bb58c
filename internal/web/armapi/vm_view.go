package armapi

import (
	"context"
	"encoding/json"
	"maps"
	"strings"

	"millpond/internal/machine"
	"millpond/internal/resource"
	"millpond/internal/web"
)

// sshTag shows where a machine's SSH server is reached, until network
// interfaces exist.
const sshTag = "millpondSsh"

// power is an act on a machine that takes a while; a nil operation says that
// there was nothing to do.
type power = func(context.Context, resource.ID) (*resource.Operation, error)

func (a *API) powerVM(do func(*machine.Machines) power) web.Handler {
	return func(c *web.Call) (web.Reply, error) {
		op, err := do(a.Compute.Machines)(c.Context(), idOf(c, "virtualMachines", "vmName"))
		return a.deleted(c, vmOperations, op, err, 200)
	}
}

func machineBody(item machine.Item, view bool) *VirtualMachine {
	rec, vm := item.Record, item.VM
	p := &VirtualMachineProperties{}
	if len(vm.Echo) > 0 {
		_ = json.Unmarshal(vm.Echo, p) // written by us
	}
	p.HardwareProfile = &HardwareProfile{VMSize: &vm.Size}
	p.ProvisioningState, p.VMID, p.TimeCreated = &rec.State, &vm.VMID, instant(rec.Created)
	p.StorageProfile = storageBody(vm)
	p.OSProfile = profileBody(vm)
	p.NetworkProfile = &NetworkProfile{NetworkInterfaces: []NetworkInterfaceReference{}}
	if len(vm.Network) > 0 {
		_ = json.Unmarshal(vm.Network, p.NetworkProfile) // written by us
	}
	if view {
		p.InstanceView = viewBody(item)
	}
	tags := orNone(maps.Clone(rec.Tags))
	if at := vm.SSH(); at != "" {
		if tags == nil {
			tags = map[string]string{}
		}
		tags[sshTag] = at
	}
	return &VirtualMachine{
		ID: &rec.ID, Name: lastName(rec), Type: new(machine.TypeVM), Location: &rec.Location, Tags: tags, Properties: p,
	}
}

func storageBody(vm machine.VM) *StorageProfile {
	d := vm.OSDisk
	s := &StorageProfile{
		OSDisk: &OSDisk{
			Name: &d.Name, OSType: maybe[OperatingSystemTypes](d.OSType), CreateOption: maybe[DiskCreateOptionTypes](d.Option), Caching: maybe[CachingTypes](d.Caching),
			DeleteOption: maybe[DiskDeleteOptionTypes](d.DeleteOption), DiskSizeGB: number(d.SizeGB),
			ManagedDisk: &ManagedDiskParameters{ID: &d.ID, StorageAccountType: maybe[StorageAccountTypes](d.StorageType)},
		},
		DataDisks: []DataDisk{},
	}
	switch {
	case vm.Reference != nil:
		s.ImageReference = &ImageReference{
			Publisher: new(vm.Reference.Publisher), Offer: new(vm.Reference.Offer), SKU: new(vm.Reference.SKU),
			Version: maybe[string](vm.Reference.Version), ExactVersion: maybe[string](vm.ExactVersion),
		}
	case vm.ImageID != "":
		s.ImageReference = &ImageReference{ID: &vm.ImageID, ExactVersion: maybe[string](vm.ExactVersion)}
	}
	return s
}

// profileBody never shows a password, nor that there is one.
func profileBody(vm machine.VM) *OSProfile {
	if vm.Admin == nil {
		return nil
	}
	linux := &LinuxConfiguration{DisablePasswordAuthentication: new(vm.Admin.DisablePassword), ProvisionVMAgent: new(true)}
	if len(vm.Admin.Keys) > 0 {
		linux.SSH = &SSHConfiguration{}
		for _, k := range vm.Admin.Keys {
			path := k.Path
			if path == "" {
				path = "/home/" + vm.Admin.Name + "/.ssh/authorized_keys"
			}
			linux.SSH.PublicKeys = append(linux.SSH.PublicKeys, SSHPublicKey{Path: &path, KeyData: new(k.Data)})
		}
	}
	return &OSProfile{
		ComputerName: maybe[string](vm.ComputerName), AdminUsername: &vm.Admin.Name, LinuxConfiguration: linux,
		Secrets: []VaultSecretGroup{}, AllowExtensionOperations: new(true), RequireGuestProvisionSignal: new(true),
	}
}

func viewBody(item machine.Item) *VirtualMachineInstanceView {
	rec, vm := item.Record, item.VM
	status := func(code, display string, at resource.Ticks) InstanceViewStatus {
		return InstanceViewStatus{Code: &code, Level: new(StatusLevelTypes("Info")), DisplayStatus: &display, Time: instant(at)}
	}
	state := strings.ToLower(rec.State)
	provisioning := status("ProvisioningState/"+state, "Provisioning "+state, rec.Modified)
	if rec.State == resource.Failed {
		provisioning.Level = new(StatusLevelTypes("Error"))
	}
	v := &VirtualMachineInstanceView{
		ComputerName: maybe[string](vm.ComputerName), HyperVGeneration: maybe[HyperVGenerationType](vm.Generation),
		Statuses: []InstanceViewStatus{provisioning},
		Disks: []DiskInstanceView{{Name: &vm.OSDisk.Name, Statuses: []InstanceViewStatus{
			status("ProvisioningState/succeeded", "Provisioning succeeded", rec.Created)}}},
	}
	if vm.Generalized {
		v.Statuses = append(v.Statuses, status("OSState/generalized", "VM generalized", 0))
	}
	v.Statuses = append(v.Statuses, status("PowerState/"+vm.Power, "VM "+vm.Power, 0))
	if vm.Up() && vm.Power == machine.Running {
		v.OSName, v.OSVersion = osOf(vm.OSName)
		v.VMAgent = &VirtualMachineAgentInstanceView{VMAgentVersion: maybe[string](vm.AgentVer), Statuses: []InstanceViewStatus{
			status("ProvisioningState/succeeded", "Ready", vm.AgentAt)}}
	}
	return v
}

// osOf splits PRETTY_NAME ("Debian GNU/Linux 12 (bookworm)") into the name and
// version that instance views show.
func osOf(pretty string) (name, version *string) {
	head, _, _ := strings.Cut(pretty, " (")
	i := strings.LastIndexByte(head, ' ')
	if i < 0 {
		return maybe[string](head), nil
	}
	return maybe[string](head[:i]), maybe[string](head[i+1:])
}
