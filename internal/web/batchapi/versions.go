package batchapi

import "millpond/internal/web"

// Names of api-versions at which the interface changed (facts/clients.md 5D and
// the release notes of the official .NET and Python clients).
const (
	v2017Jan = "2017-01-01.4.0"
	v2017May = "2017-05-01.5.0"
	v2017Jun = "2017-06-01.5.1"
	v2017Sep = "2017-09-01.6.0"
	v2018Aug = "2018-08-01.7.0"
	v2018Dec = "2018-12-01.8.0"
	v2019Jun = "2019-06-01.9.0"
	v2019Aug = "2019-08-01.10.0"
	v2020Mar = "2020-03-01.11.0"
	v2020Sep = "2020-09-01.12.0"
	v2021Jun = "2021-06-01.14.0"
	v2022Jan = "2022-01-01.15.0"
	v2022Oct = "2022-10-01.16.0"
	v2023May = "2023-05-01.17.0"
	v2023Nov = "2023-11-01.18.0"
	v2024Feb = "2024-02-01.19.0"
	v2024Jul = "2024-07-01.20.0"
	v2025Jun = "2025-06-01"
)

// Versions of the data plane this face answers to, and what each adds and hides.
// A property without a mark is served in all of them: where the history is not
// known we are lenient rather than wrong.
var Versions = &web.Versions{
	Known: []string{
		"2016-02-01.3.0", "2016-07-01.3.1", v2017Jan, v2017May, v2017Jun, v2017Sep, "2018-02-01.6.1", "2018-03-01.6.1",
		v2018Aug, v2018Dec, v2019Jun, v2019Aug, v2020Mar, v2020Sep, v2021Jun, v2022Jan, v2022Oct, v2023May, v2023Nov,
		v2024Feb, v2024Jul, v2025Jun,
	},
	Properties: marks(),
}

// Wire reads and writes this face's bodies.
var Wire = &web.Schema{
	Versions: Versions, Enums: wireEnums, Names: wireNames,
	TypePrefix: "Microsoft.Azure.Batch.Protocol.Entities.",
}

// since marks properties of several types that came with a version, until those
// that left with one. The types of one noun change together.
var (
	poolTypes  = []string{"Pool", "PoolAdd", "PoolSpecification"}
	poolWrites = []string{"PoolAdd", "PoolSpecification", "PoolPatch", "PoolReplace", "Pool"}
	taskTypes  = []string{"Task", "TaskAdd", "StartTask", "JobManagerTask", "JobPreparationTask", "JobReleaseTask"}
	jobTypes   = []string{"Job", "JobAdd", "JobPatch"}
)

func marks() map[string]web.Mark {
	all := map[string]web.Mark{}
	mark := func(m web.Mark, types []string, properties ...string) {
		for _, t := range types {
			for _, p := range properties {
				all[t+"."+p] = m
			}
		}
	}
	since := func(v string) web.Mark { return web.Mark{Since: v} }
	until := func(v string) web.Mark { return web.Mark{Until: v} }

	mark(until(v2017Jan), taskTypes, "runElevated")
	mark(since(v2017Jan), taskTypes, "userIdentity")
	mark(since(v2017Jan), poolTypes, "userAccounts")
	mark(since(v2017Jan), []string{"Task", "TaskAdd", "JobManagerTask"}, "authenticationTokenSettings")
	mark(since(v2017Jan), []string{"ExitOptions"}, "dependencyAction")

	mark(until(v2017May), append(poolTypes, "PoolResize"), "targetDedicated")
	mark(until(v2017May), poolTypes, "currentDedicated", "resizeError")
	mark(since(v2017May), append(poolTypes, "PoolResize"), "targetDedicatedNodes", "targetLowPriorityNodes")
	mark(since(v2017May), poolTypes, "currentDedicatedNodes", "currentLowPriorityNodes", "resizeErrors")
	mark(web.Mark{Since: v2017May, Until: v2024Jul}, poolTypes, "applicationLicenses")
	mark(since(v2017May), []string{"Node"}, "isDedicated")
	mark(since(v2017May), []string{"JobManagerTask"}, "allowLowPriorityNode")
	mark(since(v2017May), []string{"Task", "TaskAdd", "JobManagerTask"}, "outputFiles")
	mark(until(v2017May), []string{"TaskExecutionInfo", "ExitConditions"}, "schedulingError")
	mark(since(v2017May), []string{"TaskExecutionInfo", "StartTaskInfo"}, "failureInfo", "result")
	mark(since(v2017May), []string{"ExitConditions"}, "preProcessingError", "fileUploadError")
	mark(until(v2017May), []string{"UserAccount"}, "sshPrivateKey")
	mark(since(v2017May), []string{"UserAccount"}, "linuxUserConfiguration")

	mark(since(v2017Jun), []string{"NetworkConfiguration", "Node"}, "endpointConfiguration")

	mark(since(v2017Sep), taskTypes, "containerSettings")
	mark(since(v2017Sep), []string{"VirtualMachineConfiguration"}, "containerConfiguration", "dataDisks", "licenseType")
	mark(since(v2017Sep), []string{"ImageReference"}, "virtualMachineImageId")
	mark(since(v2017Sep), []string{"StartTaskInfo", "TaskExecutionInfo"}, "containerInfo")

	mark(since(v2018Aug), []string{"Node"}, "nodeAgentInfo")

	mark(until(v2018Dec), []string{"ResourceFile"}, "blobSource")
	mark(since(v2018Dec), []string{"ResourceFile"}, "httpUrl", "autoStorageContainerName", "storageContainerUrl", "blobPrefix")
	mark(since(v2018Dec), []string{"NetworkConfiguration"}, "dynamicVNetAssignmentScope")
	mark(since(v2018Dec), jobTypes, "networkConfiguration")
	mark(since(v2018Dec), []string{"UserAccount"}, "windowsUserConfiguration")
	mark(until(v2018Dec), []string{"CloudServiceConfiguration"}, "targetOSVersion", "currentOSVersion")
	mark(since(v2018Dec), []string{"CloudServiceConfiguration"}, "osVersion")

	mark(since(v2019Jun), []string{"TaskContainerSettings"}, "workingDirectory")
	mark(since(v2019Jun), []string{"NetworkSecurityGroupRule"}, "sourcePortRanges")

	mark(since(v2019Aug), poolWrites, "mountConfiguration")
	mark(web.Mark{Since: v2019Aug, Until: v2020Mar}, []string{"NetworkConfiguration"}, "publicIPs")

	mark(since(v2020Mar), []string{"VirtualMachineConfiguration"}, "diskEncryptionConfiguration")
	mark(since(v2020Mar), []string{"NetworkConfiguration"}, "publicIPAddressConfiguration")
	mark(since(v2020Mar), []string{"Node"}, "virtualMachineInfo")
	mark(since(v2020Mar), []string{"ImageReference"}, "exactVersion")

	mark(until(v2020Sep), poolWrites, "maxTasksPerNode")
	mark(since(v2020Sep), poolWrites, "taskSlotsPerNode")
	mark(since(v2020Sep), []string{"Task", "TaskAdd", "JobManagerTask"}, "requiredSlots")
	mark(since(v2020Sep), []string{"Node"}, "runningTaskSlotsCount")

	mark(since(v2021Jun), jobTypes, "maxParallelTasks", "allowTaskPreemption")
	mark(since(v2021Jun), []string{"VirtualMachineConfiguration"}, "extensions", "nodePlacementConfiguration")
	mark(since(v2021Jun), []string{"OSDisk"}, "ephemeralOSDiskSettings")
	mark(since(v2021Jun), []string{"Pool"}, "identity")
	mark(since(v2021Jun), []string{"ContainerRegistryReference", "ResourceFile", "OutputFileBlobContainerDestination", "AzureBlobFileSystemConfiguration"}, "identityReference")

	mark(since(v2022Jan), []string{"OutputFileBlobContainerDestination"}, "uploadHeaders")

	mark(since(v2022Oct), poolWrites, "targetNodeCommunicationMode")
	mark(since(v2022Oct), []string{"Pool"}, "currentNodeCommunicationMode")

	mark(since(v2023May), []string{"NetworkConfiguration"}, "enableAcceleratedNetworking")
	mark(since(v2023May), []string{"VMExtension"}, "enableAutomaticUpgrade")

	mark(since(v2023Nov), poolWrites, "resourceTags", "upgradePolicy")
	mark(since(v2023Nov), []string{"VirtualMachineConfiguration"}, "securityProfile", "serviceArtifactReference")
	mark(since(v2023Nov), []string{"OSDisk"}, "managedDisk", "diskSizeGB", "writeAcceleratorEnabled")

	mark(since(v2024Jul), []string{"ImageReference"}, "sharedGalleryImageId", "communityGalleryImageId")
	mark(since(v2024Jul), []string{"TaskContainerSettings"}, "containerHostBatchBindMounts")
	mark(since(v2024Jul), []string{"ManagedDisk"}, "securityProfile")

	mark(until(v2024Jul), poolTypes, "cloudServiceConfiguration")
	mark(until(v2025Jun), append(poolWrites, "Node"), "certificateReferences")
	return all
}
