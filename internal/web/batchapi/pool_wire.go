package batchapi

import (
	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/pool"
	"millpond/internal/resource"
	"millpond/internal/web"
)

// poolSpec reads the body of POST /pools. What this release cannot honour is
// refused by name.
func poolSpec(in *PoolAdd) (pool.Spec, pool.Targets, error) {
	var p fault.Problems
	p.Add(onlySupports("", in, "id", "displayName", "vmSize", "virtualMachineConfiguration", "resizeTimeout",
		"targetDedicatedNodes", "targetLowPriorityNodes", "targetDedicated", "startTask", "userAccounts", "metadata",
		"taskSlotsPerNode", "maxTasksPerNode", "taskSchedulingPolicy", "enableInterNodeCommunication",
		"targetNodeCommunicationMode", "certificateReferences", "applicationPackageReferences", "cloudServiceConfiguration"))
	s := pool.Spec{
		ID: val(in.ID), DisplayName: val(in.DisplayName), VMSize: val(in.VMSize),
		InterNode: val(in.EnableInterNodeCommunication), Metadata: metadata(in.Metadata),
		CommunicationMode: string(val(in.TargetNodeCommunicationMode)),
		EmptyCertificates: in.CertificateReferences != nil,
	}
	if len(in.CertificateReferences) > 0 {
		p.Add(fault.Unsupported("certificateReferences", "Certificates were retired from the service; this release has none."))
	}
	p.Add(packages(in.ApplicationPackageReferences))
	if in.CloudServiceConfiguration != nil {
		p.Add(fault.Unsupported("cloudServiceConfiguration", "Cloud Services nodes were retired; use virtualMachineConfiguration."))
	} else if in.VirtualMachineConfiguration == nil {
		p.Add(fault.Missing("virtualMachineConfiguration"))
	}
	s.TaskSlotsPerNode = intOf(in.TaskSlotsPerNode)
	if in.MaxTasksPerNode != nil {
		s.TaskSlotsPerNode = intOf(in.MaxTasksPerNode)
	}
	p.Add(notZero("taskSlotsPerNode", in.TaskSlotsPerNode))
	p.Add(notZero("maxTasksPerNode", in.MaxTasksPerNode))
	if in.TaskSchedulingPolicy != nil {
		s.FillType = string(val(in.TaskSchedulingPolicy.NodeFillType))
	}
	if vm := in.VirtualMachineConfiguration; vm != nil {
		p.Add(onlySupports("virtualMachineConfiguration.", vm, "imageReference", "nodeAgentSKUId"))
		s.NodeAgentSKU = val(vm.NodeAgentSKUID)
		if r := vm.ImageReference; r != nil {
			p.Add(onlySupports("imageReference.", r, "publisher", "offer", "sku", "version", "exactVersion", "virtualMachineImageId"))
			s.ImageReference = pool.ImageReference{Publisher: val(r.Publisher), Offer: val(r.Offer), SKU: val(r.SKU),
				Version: val(r.Version), VMImageID: val(r.VirtualMachineImageID)}
		}
	}
	if in.StartTask != nil {
		start, err := startTask(in.StartTask)
		p.Add(err)
		s.StartTask = start
	}
	for _, u := range in.UserAccounts {
		account, err := userAccount(u)
		p.Add(err)
		s.UserAccounts = append(s.UserAccounts, account)
	}
	want := pool.Targets{Dedicated: whole(in.TargetDedicatedNodes), LowPriority: whole(in.TargetLowPriorityNodes), Timeout: span(in.ResizeTimeout)}
	if in.TargetDedicated != nil {
		want.Dedicated = whole(in.TargetDedicated)
	}
	return s, want, p.Err()
}

// packages refuses every application package: there are none yet.
func packages(refs []ApplicationPackageReference) error {
	if len(refs) == 0 {
		return nil
	}
	f := fault.New("InvalidApplicationPackageReferences", "")
	for _, ref := range refs {
		f = f.With(val(ref.ApplicationID), "The specified application package does not exist.")
	}
	return f
}

func whole(n *int32) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}

func startTask(in *StartTask) (*pool.StartTask, error) {
	if err := onlySupports("startTask.", in, "commandLine", "environmentSettings", "userIdentity", "runElevated",
		"maxTaskRetryCount", "waitForSuccess"); err != nil {
		return nil, err
	}
	t := &pool.StartTask{CommandLine: val(in.CommandLine), Environment: environment(in.EnvironmentSettings),
		User: userIdentity(in.UserIdentity, in.RunElevated), MaxRetries: intOf(in.MaxTaskRetryCount), WaitForSuccess: true}
	if in.WaitForSuccess != nil {
		t.WaitForSuccess = *in.WaitForSuccess
	}
	return t, nil
}

func userAccount(in UserAccount) (pool.UserAccount, error) {
	a := pool.UserAccount{Name: val(in.Name), Elevation: string(val(in.ElevationLevel))}
	if in.WindowsUserConfiguration != nil {
		return a, fault.Property("windowsUserConfiguration", "", "The user configuration for user account '"+a.Name+
			"' has a mismatch with the OS (Windows/Linux) configuration specified in VirtualMachineConfiguration")
	}
	if l := in.LinuxUserConfiguration; l != nil {
		if l.SSHPrivateKey != nil {
			return a, fault.Unsupported("linuxUserConfiguration.sshPrivateKey", "This release does not spread keys between nodes.")
		}
		a.UID, a.GID = whole(l.UID), whole(l.GID)
	}
	hash, err := identity.HashPassword("userAccounts.password", val(in.Password))
	a.PasswordHash = hash
	return a, err
}

// poolOut writes a pool as GET shows it; property order is the generated one.
func poolOut(c *web.Call, p *pool.Pool) *Pool {
	s := p.Spec
	out := &Pool{
		ID: new(s.ID), DisplayName: some(s.DisplayName), URL: new(c.URL("pools", s.ID)), ETag: new(p.ETag()),
		LastModified: web.At(p.Modified), CreationTime: web.At(p.Created),
		State: new(PoolState(p.State)), StateTransitionTime: web.At(p.StateAt),
		AllocationState: new(AllocationState(p.Allocation)), AllocationStateTransitionTime: web.At(p.AllocationAt),
		VMSize: new(s.VMSize), ResizeTimeout: web.For(p.ResizeTimeout),
		CurrentDedicated: countOf(p.CurrentDedicated), TargetDedicated: countOf(p.TargetDedicated),
		CurrentDedicatedNodes: countOf(p.CurrentDedicated), TargetDedicatedNodes: countOf(p.TargetDedicated),
		CurrentLowPriorityNodes: countOf(p.CurrentLowPriority), TargetLowPriorityNodes: countOf(p.TargetLowPriority),
		EnableAutoScale: new(false), EnableInterNodeCommunication: new(s.InterNode),
		StartTask: startTaskOut(s.StartTask), Metadata: metadataOut(s.Metadata),
		TaskSlotsPerNode: countOf(s.TaskSlotsPerNode), MaxTasksPerNode: countOf(s.TaskSlotsPerNode),
		TaskSchedulingPolicy: &TaskSchedulingPolicy{NodeFillType: new(NodeFillType(s.FillType))},
		VirtualMachineConfiguration: &VirtualMachineConfiguration{
			ImageReference: imageOut(s.ImageReference), NodeAgentSKUID: new(s.NodeAgentSKU)},
	}
	for _, e := range p.ResizeErrors {
		out.ResizeErrors = append(out.ResizeErrors, ResizeError{Code: new(e.Code), Message: new(e.Message), Values: pairsOut(e.Values)})
	}
	if len(out.ResizeErrors) > 0 {
		out.ResizeError = &out.ResizeErrors[0]
	}
	for _, u := range s.UserAccounts {
		out.UserAccounts = append(out.UserAccounts, userAccountOut(u))
	}
	if s.EmptyCertificates {
		out.CertificateReferences = []CertificateReference{}
	}
	if s.CommunicationMode != "" {
		out.TargetNodeCommunicationMode = new(NodeCommunicationMode(s.CommunicationMode))
	}
	if p.CurrentDedicated+p.CurrentLowPriority > 0 {
		out.CurrentNodeCommunicationMode = new(NodeCommunicationMode("classic"))
	}
	return out
}

func userAccountOut(u pool.UserAccount) UserAccount {
	out := UserAccount{Name: new(u.Name), ElevationLevel: new(ElevationLevel(u.Elevation))}
	if u.UID != nil || u.GID != nil {
		out.LinuxUserConfiguration = &LinuxUserConfiguration{UID: exitOut(u.UID), GID: exitOut(u.GID)}
	}
	return out
}

func imageOut(r pool.ImageReference) *ImageReference {
	return &ImageReference{Publisher: some(r.Publisher), Offer: some(r.Offer), SKU: some(r.SKU), Version: some(r.Version),
		VirtualMachineImageID: some(r.VMImageID)}
}

func startTaskOut(t *pool.StartTask) *StartTask {
	if t == nil {
		return nil
	}
	out := &StartTask{CommandLine: new(t.CommandLine), EnvironmentSettings: environmentOut(t.Environment),
		MaxTaskRetryCount: countOf(t.MaxRetries), WaitForSuccess: new(t.WaitForSuccess)}
	out.UserIdentity, out.RunElevated = userIdentityOut(t.User)
	return out
}

// poolField gives a property to a $filter over pools.
func poolField(p *pool.Pool) func(string) any {
	return func(path string) any {
		switch path {
		case "id":
			return p.Spec.ID
		case "displayName":
			return p.Spec.DisplayName
		case "state":
			return p.State
		case "stateTransitionTime":
			return p.StateAt
		case "allocationState":
			return p.Allocation
		case "allocationStateTransitionTime":
			return p.AllocationAt
		case "creationTime":
			return p.Created
		case "lastModified":
			return p.Modified
		case "vmSize":
			return p.Spec.VMSize
		}
		return unknown{}
	}
}

// folded is the key lists are paged by.
func folded(id string) string { return resource.Fold(id) }
