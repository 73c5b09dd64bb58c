package armapi

import (
	"encoding/json"
	"strings"

	"millpond/internal/gallery"
	"millpond/internal/machine"
	"millpond/internal/web"
)

func (a *API) machineRoutes() []web.Route {
	const all, one, p = computeOfGroup + "/virtualMachines", computeOfGroup + "/virtualMachines/{vmName}", machine.TypeVM + "/"
	act := func(operation, word string, do func(*machine.Machines) power) web.Route {
		return web.Route{Operation: "VirtualMachinesClient." + operation, Method: "POST", Pattern: one + "/" + word, Action: p + word + "/action", Status: 202, Handle: a.powerVM(do)}
	}
	return []web.Route{
		{Operation: "VirtualMachinesClient.ListAll", Method: "GET", Pattern: computeOfSub + "/virtualMachines", Action: p + "read", Status: 200, Handle: a.listVMs},
		{Operation: "VirtualMachinesClient.List", Method: "GET", Pattern: all, Action: p + "read", Status: 200, Handle: a.listVMs},
		{Operation: "VirtualMachinesClient.ListByLocation", Method: "GET", Pattern: computeOfSub + "/locations/{location}/virtualMachines", Action: p + "read", Status: 200, Handle: a.listVMs},
		{Operation: "VirtualMachinesClient.CreateOrUpdate", Method: "PUT", Pattern: one, Action: p + "write", Status: 201, Handle: a.putVM},
		{Operation: "VirtualMachinesClient.Get", Method: "GET", Pattern: one, Action: p + "read", Status: 200, Handle: a.getVM},
		{Operation: "VirtualMachinesClient.InstanceView", Method: "GET", Pattern: one + "/instanceView", Action: p + "instanceView/read", Status: 200, Handle: a.instanceView},
		{Operation: "VirtualMachinesClient.Delete", Method: "DELETE", Pattern: one, Action: p + "delete", Status: 202, Handle: a.deleteVM},
		{Operation: "VirtualMachinesClient.Generalize", Method: "POST", Pattern: one + "/generalize", Action: p + "generalize/action", Status: 200, Handle: a.generalizeVM},
		act("Start", "start", func(m *machine.Machines) power { return m.Start }),
		act("PowerOff", "powerOff", func(m *machine.Machines) power { return m.PowerOff }),
		act("Deallocate", "deallocate", func(m *machine.Machines) power { return m.Deallocate }),
		act("Restart", "restart", func(m *machine.Machines) power { return m.Restart }),
	}
}

var machineHonours = []string{
	"properties.hardwareProfile.vmSize", "properties.vmId", "properties.timeCreated", "properties.instanceView.*",
	"properties.osProfile.computerName", "properties.osProfile.adminUsername", "properties.osProfile.adminPassword",
	"properties.osProfile.allowExtensionOperations", "properties.osProfile.requireGuestProvisionSignal",
	"properties.osProfile.linuxConfiguration.disablePasswordAuthentication", "properties.osProfile.linuxConfiguration.provisionVMAgent",
	"properties.osProfile.linuxConfiguration.enableVMAgentPlatformUpdates",
	"properties.osProfile.linuxConfiguration.patchSettings.*", "properties.osProfile.linuxConfiguration.ssh.publicKeys.*",
	"properties.storageProfile.imageReference.id", "properties.storageProfile.imageReference.publisher", "properties.storageProfile.imageReference.offer",
	"properties.storageProfile.imageReference.sku", "properties.storageProfile.imageReference.version", "properties.storageProfile.imageReference.exactVersion",
	"properties.storageProfile.osDisk.name", "properties.storageProfile.osDisk.createOption", "properties.storageProfile.osDisk.caching",
	"properties.storageProfile.osDisk.diskSizeGB", "properties.storageProfile.osDisk.osType", "properties.storageProfile.osDisk.deleteOption",
	"properties.storageProfile.osDisk.managedDisk.id", "properties.storageProfile.osDisk.managedDisk.storageAccountType",
	"properties.storageProfile.diskControllerType=SCSI",
	"properties.networkProfile.*", "properties.priority=Regular", "properties.extensionsTimeBudget",
	"properties.securityProfile.securityType=Standard", "identity.type=None",
}

func (a *API) putVM(c *web.Call) (web.Reply, error) {
	var body VirtualMachine
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	spec, err := machineSpec(c, &body)
	if err != nil {
		return web.Reply{}, err
	}
	if err := a.linked(c, spec.Origin.ID, spec.DiskID); err != nil {
		return web.Reply{}, err
	}
	done, err := a.Compute.Machines.Put(c.Context(), spec)
	if err != nil {
		return web.Reply{}, err
	}
	return a.written(c, vmOperations, done.Created, done.Operation, machineBody(done.Item, false)), nil
}

func machineSpec(c *web.Call, body *VirtualMachine) (machine.Spec, error) {
	spec := machine.Spec{ID: idOf(c, "virtualMachines", "vmName"), Location: value(body.Location), Tags: map[string]string{}}
	if body.Properties != nil && body.Properties.StorageProfile != nil && len(body.Properties.StorageProfile.DataDisks) > 0 {
		return spec, unsupported("properties.storageProfile.dataDisks", "Data disks are not offered: machines have one disk.")
	}
	if err := honour(body, machineHonours...); err != nil {
		return spec, err
	}
	for k, v := range body.Tags {
		if k != sshTag { // ours, read-only
			spec.Tags[k] = v
		}
	}
	p := body.Properties
	if p == nil {
		return spec, nil
	}
	if p.HardwareProfile != nil {
		spec.Size = value(p.HardwareProfile.VMSize)
	}
	if p.OSProfile != nil {
		profileOf(p.OSProfile, &spec)
	}
	if p.StorageProfile != nil {
		if err := storageOf(p.StorageProfile, &spec); err != nil {
			return spec, err
		}
	}
	if p.NetworkProfile != nil {
		raw, err := json.Marshal(p.NetworkProfile)
		if err != nil {
			return spec, err
		}
		spec.Network = raw
	}
	if echo := (VirtualMachineProperties{Priority: p.Priority, ExtensionsTimeBudget: p.ExtensionsTimeBudget}); echo.Priority != nil || echo.ExtensionsTimeBudget != nil {
		raw, err := json.Marshal(echo)
		if err != nil {
			return spec, err
		}
		spec.Echo = raw
	}
	return spec, nil
}

func profileOf(o *OSProfile, spec *machine.Spec) {
	spec.HasProfile, spec.ComputerName = true, value(o.ComputerName)
	spec.AdminName, spec.Password = value(o.AdminUsername), value(o.AdminPassword)
	l := o.LinuxConfiguration
	if l == nil {
		return
	}
	spec.NoPassword = yes(l.DisablePasswordAuthentication)
	if l.SSH == nil {
		return
	}
	for _, k := range l.SSH.PublicKeys {
		spec.Keys = append(spec.Keys, machine.SSHKey{Path: value(k.Path), Data: value(k.KeyData)})
	}
}

func storageOf(s *StorageProfile, spec *machine.Spec) error {
	if r := s.ImageReference; r != nil {
		switch {
		case value(r.ID) != "":
			origin, err := originOf(value(r.ID))
			if err != nil {
				return err
			}
			spec.Origin = origin
		case value(r.Publisher) != "" || value(r.Offer) != "" || value(r.SKU) != "":
			spec.Origin.Reference = &gallery.Reference{Publisher: value(r.Publisher), Offer: value(r.Offer), SKU: value(r.SKU), Version: value(r.Version)}
		}
	}
	if d := s.OSDisk; d != nil {
		spec.DiskName, spec.DiskOption, spec.Caching, spec.DeleteOption = value(d.Name), word(d.CreateOption), word(d.Caching), word(d.DeleteOption)
		spec.DiskGB = count(d.DiskSizeGB)
		if d.ManagedDisk != nil {
			spec.DiskID, spec.StorageType = value(d.ManagedDisk.ID), word(d.ManagedDisk.StorageAccountType)
		}
	}
	return nil
}

func (a *API) getVM(c *web.Call) (web.Reply, error) {
	item, err := a.Compute.Machines.Get(c.Context(), idOf(c, "virtualMachines", "vmName"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, machineBody(item, strings.EqualFold(c.Query("$expand"), "instanceView"))), nil
}

func (a *API) listVMs(c *web.Call) (web.Reply, error) {
	items, err := a.Compute.Machines.List(c.Context(), under(c))
	if where := c.Param("location"); where != "" {
		var there []machine.Item
		for _, item := range items {
			if strings.EqualFold(item.Record.Location, where) {
				there = append(there, item)
			}
		}
		items = there
	}
	view := strings.EqualFold(c.Query("$expand"), "instanceView") || strings.EqualFold(c.Query("statusOnly"), "true")
	return listed(items, err, func(i machine.Item) *VirtualMachine { return machineBody(i, view) }, func(v *VirtualMachine) **string { return &v.ID })
}

func (a *API) instanceView(c *web.Call) (web.Reply, error) {
	item, err := a.Compute.Machines.Get(c.Context(), idOf(c, "virtualMachines", "vmName"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, viewBody(item)), nil
}

func (a *API) deleteVM(c *web.Call) (web.Reply, error) {
	op, err := a.Compute.Machines.Delete(c.Context(), idOf(c, "virtualMachines", "vmName"))
	return a.deleted(c, vmOperations, op, err, 204)
}

func (a *API) generalizeVM(c *web.Call) (web.Reply, error) {
	return web.Reply{}, a.Compute.Machines.Generalize(c.Context(), idOf(c, "virtualMachines", "vmName"))
}
