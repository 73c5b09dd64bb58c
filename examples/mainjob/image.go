package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
)

const (
	vmName     = "builder"
	galleryID  = "demo"
	definition = "renderer"
	// Replicas: two in the account's region, one in another.
	otherRegion = "northeurope"
)

// virtualMachine starts a machine from the base image and says where SSH reaches it.
func (j *mainJob) virtualMachine(ctx context.Context) error {
	return j.do1("virtual machine", func() (string, error) {
		poller, err := j.vms.BeginCreateOrUpdate(ctx, j.admin.ResourceGroup, vmName, armcompute.VirtualMachine{
			Location: &j.admin.Location,
			Properties: &armcompute.VirtualMachineProperties{
				HardwareProfile: &armcompute.HardwareProfile{VMSize: ptr(armcompute.VirtualMachineSizeTypes(vmSize))},
				OSProfile: &armcompute.OSProfile{
					ComputerName: ptr(vmName), AdminUsername: ptr(adminUser),
					LinuxConfiguration: &armcompute.LinuxConfiguration{
						DisablePasswordAuthentication: ptr(true),
						SSH: &armcompute.SSHConfiguration{PublicKeys: []*armcompute.SSHPublicKey{{
							Path: ptr("/home/" + adminUser + "/.ssh/authorized_keys"), KeyData: &j.key.public,
						}}},
					},
				},
				StorageProfile: &armcompute.StorageProfile{
					ImageReference: &armcompute.ImageReference{
						Publisher: &j.image.publisher, Offer: &j.image.offer, SKU: &j.image.sku, Version: ptr("latest"),
					},
					OSDisk: &armcompute.OSDisk{CreateOption: ptr(armcompute.DiskCreateOptionTypesFromImage)},
				},
			},
		}, nil)
		vm, err := wait(ctx, poller, err)
		if err != nil {
			return "", err
		}
		// Network interfaces are a matter of their own; until then a tag says where SSH is.
		address := val(vm.Tags["millpondSsh"])
		if address == "" {
			return "", errors.New("the virtual machine has no SSH address")
		}
		j.vmAddress, j.diskID = address, val(vm.Properties.StorageProfile.OSDisk.ManagedDisk.ID)
		return vmName + " at " + address, nil
	})
}

// software installs what the tasks need, as an administrator over SSH.
func (j *mainJob) software(ctx context.Context) error {
	client, err := j.key.dial(ctx, j.vmAddress)
	if err != nil {
		return err
	}
	defer client.Close()
	return j.payload.install(ctx, j.steps, client)
}

// capture makes a managed image of the machine's disk.
func (j *mainJob) capture(ctx context.Context) error {
	group := j.admin.ResourceGroup
	if err := j.do1("deallocated, generalized", func() (string, error) {
		poller, err := j.vms.BeginDeallocate(ctx, group, vmName, nil)
		if _, err = wait(ctx, poller, err); err != nil {
			return "", err
		}
		_, err = j.vms.Generalize(ctx, group, vmName, nil)
		return "", err
	}); err != nil {
		return err
	}
	if err := j.do1("snapshot", func() (string, error) {
		poller, err := j.snapshots.BeginCreateOrUpdate(ctx, group, vmName+"-os", armcompute.Snapshot{
			Location: &j.admin.Location,
			Properties: &armcompute.SnapshotProperties{CreationData: &armcompute.CreationData{
				CreateOption: ptr(armcompute.DiskCreateOptionCopy), SourceResourceID: &j.diskID,
			}},
		}, nil)
		snapshot, err := wait(ctx, poller, err)
		j.snapID = val(snapshot.ID)
		return val(snapshot.Name), err
	}); err != nil {
		return err
	}
	return j.do1("managed image", func() (string, error) {
		poller, err := j.images.BeginCreateOrUpdate(ctx, group, definition, armcompute.Image{
			Location: &j.admin.Location,
			Properties: &armcompute.ImageProperties{
				HyperVGeneration: ptr(armcompute.HyperVGenerationTypesV1),
				StorageProfile: &armcompute.ImageStorageProfile{OSDisk: &armcompute.ImageOSDisk{
					OSType: ptr(armcompute.OperatingSystemTypesLinux), OSState: ptr(armcompute.OperatingSystemStateTypesGeneralized),
					Snapshot: &armcompute.SubResource{ID: &j.snapID},
				}},
			},
		}, nil)
		image, err := wait(ctx, poller, err)
		j.imageID = val(image.ID)
		return val(image.Name), err
	})
}

// gallery publishes the image as a version with replicas in two regions, and waits until they are there.
func (j *mainJob) gallery(ctx context.Context) error {
	group, location := j.admin.ResourceGroup, &j.admin.Location
	if err := j.do1("gallery, image definition", func() (string, error) {
		poller, err := j.galleries.BeginCreateOrUpdate(ctx, group, galleryID, armcompute.Gallery{Location: location}, nil)
		if _, err = wait(ctx, poller, err); err != nil {
			return "", err
		}
		defs, err := j.defs.BeginCreateOrUpdate(ctx, group, galleryID, definition, armcompute.GalleryImage{
			Location: location,
			Properties: &armcompute.GalleryImageProperties{
				OSType: ptr(armcompute.OperatingSystemTypesLinux), OSState: ptr(armcompute.OperatingSystemStateTypesGeneralized),
				HyperVGeneration: ptr(armcompute.HyperVGenerationV1),
				Identifier:       &armcompute.GalleryImageIdentifier{Publisher: ptr("me"), Offer: ptr("demo"), SKU: ptr(definition)},
			},
		}, nil)
		_, err = wait(ctx, defs, err)
		return galleryID + "/" + definition, err
	}); err != nil {
		return err
	}
	return j.do1("image version, replicated", func() (string, error) {
		poller, err := j.versions.BeginCreateOrUpdate(ctx, group, galleryID, definition, "1.0.0", armcompute.GalleryImageVersion{
			Location: location,
			Properties: &armcompute.GalleryImageVersionProperties{
				StorageProfile: &armcompute.GalleryImageVersionStorageProfile{Source: &armcompute.GalleryArtifactVersionFullSource{ID: &j.imageID}},
				PublishingProfile: &armcompute.GalleryImageVersionPublishingProfile{TargetRegions: []*armcompute.TargetRegion{
					{Name: location, RegionalReplicaCount: ptr(int32(2))},
					{Name: ptr(otherRegion), RegionalReplicaCount: ptr(int32(1))},
				}},
			},
		}, nil)
		version, err := wait(ctx, poller, err)
		if err != nil {
			return "", err
		}
		j.versionID = val(version.ID)
		return j.replicas(ctx)
	})
}

// replicas reads the version's replication status.
func (j *mainJob) replicas(ctx context.Context) (string, error) {
	got, err := j.versions.Get(ctx, j.admin.ResourceGroup, galleryID, definition, "1.0.0",
		&armcompute.GalleryImageVersionsClientGetOptions{Expand: ptr(armcompute.ReplicationStatusTypesReplicationStatus)})
	if err != nil {
		return "", err
	}
	status := got.Properties.ReplicationStatus
	if status == nil || val(status.AggregatedState) != armcompute.AggregatedReplicationStateCompleted {
		return "", fmt.Errorf("the version is made but not replicated: %+v", status)
	}
	var regions []string
	for _, r := range status.Summary {
		regions = append(regions, val(r.Region))
	}
	return "1.0.0 in " + strings.Join(regions, " and "), nil
}
