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
