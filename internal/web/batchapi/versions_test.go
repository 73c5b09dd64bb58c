package batchapi

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"millpond/internal/fault"
)

// Every mark names a property that a wire struct has, and versions we know.
func TestMarksNameWhatExists(t *testing.T) {
	types := map[string]reflect.Type{}
	for _, v := range []any{Pool{}, PoolAdd{}, PoolPatch{}, PoolReplace{}, PoolResize{}, PoolSpecification{}, Node{}, Job{}, JobAdd{}, JobPatch{},
		Task{}, TaskAdd{}, StartTask{}, JobManagerTask{}, JobPreparationTask{}, JobReleaseTask{}, TaskExecutionInfo{}, StartTaskInfo{}, ExitConditions{}, ExitOptions{},
		UserAccount{}, NetworkConfiguration{}, VirtualMachineConfiguration{}, ImageReference{}, ResourceFile{}, CloudServiceConfiguration{}, TaskContainerSettings{},
		NetworkSecurityGroupRule{}, OSDisk{}, ManagedDisk{}, ContainerRegistryReference{}, OutputFileBlobContainerDestination{}, AzureBlobFileSystemConfiguration{}, VMExtension{}} {
		types[reflect.TypeOf(v).Name()] = reflect.TypeOf(v)
	}
	has := func(t reflect.Type, name string) bool {
		for i := range t.NumField() {
			if json, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); json == name {
				return true
			}
		}
		return false
	}
	for key, mark := range Versions.Properties {
		name, property, _ := strings.Cut(key, ".")
		typ := types[name]
		if typ == nil {
			t.Errorf("%s: no such type here", key)
			continue
		}
		// the types of one noun are marked together though not each has each property
		if !has(typ, property) && !slices.ContainsFunc([]string{"Pool", "PoolAdd", "Task", "TaskAdd", "StartTask", "Job", "JobAdd"}, func(kin string) bool { return has(types[kin], property) }) {
			t.Errorf("%s: no type has this property", key)
		}
		for _, v := range []string{mark.Since, mark.Until} {
			if v != "" && !slices.Contains(Versions.Known, v) {
				t.Errorf("%s: %s is no version", key, v)
			}
		}
	}
	if !slices.IsSorted(Versions.Known) {
		t.Error("versions are not in order")
	}
}

func TestVersionsAddAndHide(t *testing.T) {
	const old, gallery, now = "2016-07-01.3.1", "2019-08-01.10.0", "2024-07-01.20.0"
	for _, test := range []struct {
		version, body string
		into          any
		known         bool
	}{
		{old, `{"id":"p","vmSize":"a","targetDedicated":1,"startTask":{"commandLine":"x","runElevated":true}}`, &PoolAdd{}, true},
		{now, `{"id":"p","vmSize":"a","targetDedicated":1}`, &PoolAdd{}, false},
		{now, `{"id":"p","vmSize":"a","startTask":{"commandLine":"x","runElevated":true}}`, &PoolAdd{}, false},
		{old, `{"id":"p","vmSize":"a","targetDedicatedNodes":1}`, &PoolAdd{}, false},
		{gallery, `{"id":"p","vmSize":"a","maxTasksPerNode":2,"mountConfiguration":[]}`, &PoolAdd{}, true},
		{gallery, `{"id":"p","vmSize":"a","taskSlotsPerNode":2}`, &PoolAdd{}, false},
		{now, `{"id":"p","vmSize":"a","taskSlotsPerNode":2,"targetNodeCommunicationMode":"Simplified"}`, &PoolAdd{}, true},
		{"2018-08-01.7.0", `{"id":"t","commandLine":"x","resourceFiles":[{"blobSource":"u","filePath":"f"}]}`, &TaskAdd{}, true},
		{now, `{"id":"t","commandLine":"x","resourceFiles":[{"httpUrl":"u","filePath":"f"}],"requiredSlots":2}`, &TaskAdd{}, true},
		{"2025-06-01", `{"id":"p","vmSize":"a","certificateReferences":[]}`, &PoolAdd{}, false},
		{now, `{"id":"p","vmSize":"a","upgradePolicy":{"mode":"automatic","automaticOsUpgradePolicy":{}}}`, &PoolAdd{}, false},
	} {
		err := Wire.Decode([]byte(test.body), test.into, test.version)
		if (err == nil) != test.known || err != nil && !fault.Is(err, "InvalidRequestBody") {
			t.Errorf("%s %s: %v", test.version, test.body, err)
		}
	}
	// the error Azure gives, word for word (facts/wire.md 1.7)
	err := Wire.Decode([]byte(`{"id":"p","vmSize":"a","upgradePolicy":{"mode":"automatic","automaticOsUpgradePolicy":{}}}`), &PoolAdd{}, now)
	const want = "The property 'automaticOsUpgradePolicy' does not exist on type 'Microsoft.Azure.Batch.Protocol.Entities.UpgradePolicy'. Make sure to only use property names that are defined by the type."
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
}

// Bodies as az, the SDKs and the documents' samples send them (facts/az.md 4,
// facts/wire.md): each must be read whole.
func TestClientsBodiesAreRead(t *testing.T) {
	for _, test := range []struct {
		version, body string
		into          any
	}{
		{v2022Oct, `{"id":"mypool","vmSize":"Standard_A1_v2","virtualMachineConfiguration":{"imageReference":{"virtualMachineImageId":"/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/galleries/g/images/d/versions/1.0.0"},"nodeAgentSKUId":"batch.node.ubuntu 16.04"},"targetDedicatedNodes":2}`, &PoolAdd{}},
		{v2022Oct, `{"id":"p","vmSize":"standard_d1_v2","virtualMachineConfiguration":{"imageReference":{"publisher":"Canonical","offer":"UbuntuServer","sku":"18.04-LTS","version":"latest"},"nodeAgentSKUId":"batch.node.ubuntu 18.04","osDisk":{"ephemeralOSDiskSettings":{"placement":"cachedisk"},"caching":"readwrite"},"dataDisks":[{"lun":0,"diskSizeGB":10,"storageAccountType":"standard_lrs"}]},"resizeTimeout":"PT15M","targetDedicatedNodes":0,"enableInterNodeCommunication":false,"startTask":{"commandLine":"/bin/sh -c 'x'","userIdentity":{"autoUser":{"scope":"pool","elevationLevel":"Admin"}},"maxTaskRetryCount":1,"waitForSuccess":true,"environmentSettings":[{"name":"A","value":"b"}]},"taskSlotsPerNode":4,"taskSchedulingPolicy":{"nodeFillType":"Pack"},"userAccounts":[{"name":"u","password":"p","elevationLevel":"nonadmin","linuxUserConfiguration":{"uid":2000,"gid":2000}}],"metadata":[{"name":"n","value":"v"}]}`, &PoolAdd{}},
		{v2022Oct, `{"targetDedicatedNodes":"5","nodeDeallocationOption":"requeue","resizeTimeout":"PT06M00S"}`, &PoolResize{}},
		{v2022Oct, `{"nodeList":["tvmps_1"],"resizeTimeout":"PT5M"}`, &NodeRemove{}},
		{v2022Oct, `{"name":"u","isAdmin":true,"expiryTime":"2026-11-21T00:00:00.000Z","sshPublicKey":"ssh-ed25519 A"}`, &NodeUserAdd{}},
		{v2022Oct, `{"nodeRebootOption":"taskcompletion"}`, &NodeReboot{}},
		{v2022Oct, `{"id":"j","poolInfo":{"poolId":"p"},"onAllTasksComplete":"terminateJob","usesTaskDependencies":true,"constraints":{"maxWallClockTime":"P3Y6M4DT12H30M5S","maxTaskRetryCount":3}}`, &JobAdd{}},
		{v2022Oct, `{"terminateReason":"done"}`, &JobTerminate{}},
		{v2022Oct, `{"value":[{"id":"t1","commandLine":"hostname","requiredSlots":1,"exitConditions":{"exitCodes":[{"code":1,"exitOptions":{"jobAction":"terminate"}}],"exitCodeRanges":[{"start":2,"end":4,"exitOptions":{"jobAction":"none"}}],"default":{"jobAction":"none"}},"dependsOn":{"taskIds":["a"],"taskIdRanges":[{"start":1,"end":3}]},"userIdentity":{"username":"u"},"affinityInfo":{"affinityId":"TVM:x"}}]}`, &TaskAddCollection{}},
		{v2024Jul, `{"startTask":{"commandLine":"x"},"metadata":[],"certificateReferences":[],"applicationPackageReferences":[]}`, &PoolReplace{}},
	} {
		if err := Wire.Decode([]byte(test.body), test.into, test.version); err != nil {
			t.Errorf("%s\n%s: %v", test.body, test.version, err)
		}
	}
}
