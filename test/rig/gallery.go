package rig

import (
	"fmt"
	"net/http"
)

// CatalogueImage is the resource id of the host image's latest version in the
// account's region, as a disk's creationData names it.
func (a *ARM) CatalogueImage() string {
	s := a.s
	s.tb.Helper()
	ref := s.HostImage()["imageReference"].(map[string]any)
	var versions []struct{ ID, Name string }
	a.Do(http.MethodGet, fmt.Sprintf("/subscriptions/%s/providers/Microsoft.Compute/locations/%s/publishers/%s/artifacttypes/vmimage/offers/%s/skus/%s/versions",
		s.SubscriptionID, s.Location, ref["publisher"], ref["offer"], ref["sku"]), nil, &versions)
	if len(versions) == 0 {
		s.tb.Fatal("the host image has no version")
	}
	return versions[len(versions)-1].ID
}

// Snapshot freezes a disk.
func (a *ARM) Snapshot(name, disk string) string {
	a.s.tb.Helper()
	return a.put("snapshots", name, map[string]any{"creationData": map[string]any{"createOption": "Copy", "sourceResourceId": disk}})
}

// ManagedImage makes a generalized image of a snapshot.
func (a *ARM) ManagedImage(name, snapshot string) string {
	a.s.tb.Helper()
	return a.put("images", name, map[string]any{"hyperVGeneration": "V1", "storageProfile": map[string]any{"osDisk": map[string]any{
		"osType": "Linux", "osState": "Generalized", "snapshot": map[string]any{"id": snapshot}}}})
}

// Definition makes a gallery with one definition and gives the definition's
// path.
func (a *ARM) Definition(gallery, name string) string {
	a.s.tb.Helper()
	a.put("galleries", gallery, map[string]any{})
	return a.put("galleries/"+gallery+"/images", name, map[string]any{"osType": "Linux", "osState": "Generalized", "hyperVGeneration": "V1",
		"identifier": map[string]any{"publisher": "me", "offer": gallery, "sku": name}})
}

// Version publishes an image with so many replicas in each region, given as
// name and count in turn.
func (a *ARM) Version(definition, name, image string, regions ...any) string {
	a.s.tb.Helper()
	var targets []any
	for i := 0; i < len(regions); i += 2 {
		targets = append(targets, map[string]any{"name": regions[i], "regionalReplicaCount": regions[i+1]})
	}
	path := definition + "/versions/" + name
	a.Do(http.MethodPut, path, map[string]any{"location": a.s.Location, "properties": map[string]any{
		"storageProfile":    map[string]any{"source": map[string]any{"id": image}},
		"publishingProfile": map[string]any{"targetRegions": targets}}}, nil)
	return path
}

// Disk makes a disk from the host image.
func (a *ARM) Disk(name string) string {
	a.s.tb.Helper()
	return a.put("disks", name, map[string]any{"osType": "Linux", "creationData": map[string]any{
		"createOption": "FromImage", "imageReference": map[string]any{"id": a.CatalogueImage()}}})
}

func (a *ARM) put(kind, name string, properties map[string]any) string {
	a.s.tb.Helper()
	path := a.s.Compute(kind, name)
	a.Do(http.MethodPut, path, map[string]any{"location": a.s.Location, "properties": properties}, nil)
	return path
}

// VM makes a virtual machine from the host image, entered as azureuser with the
// key, and gives its path, its disk's id and where SSH reaches it.
func (a *ARM) VM(name string, key Key) (path, disk, address string) {
	s := a.s
	s.tb.Helper()
	path = s.Compute("virtualMachines", name)
	a.Do(http.MethodPut, path, map[string]any{"location": s.Location, "properties": map[string]any{
		"hardwareProfile": map[string]any{"vmSize": "Standard_D2_v3"},
		"osProfile": map[string]any{"computerName": name, "adminUsername": "azureuser", "linuxConfiguration": map[string]any{
			"disablePasswordAuthentication": true, "ssh": map[string]any{"publicKeys": []any{
				map[string]any{"path": "/home/azureuser/.ssh/authorized_keys", "keyData": key.Public}}}}},
		"storageProfile": map[string]any{"imageReference": s.HostImage()["imageReference"], "osDisk": map[string]any{"createOption": "FromImage"}},
	}}, nil)
	var vm struct {
		Tags       map[string]string
		Properties struct {
			StorageProfile struct {
				OSDisk struct{ ManagedDisk struct{ ID string } }
			}
		}
	}
	a.Do(http.MethodGet, path, nil, &vm)
	disk, address = vm.Properties.StorageProfile.OSDisk.ManagedDisk.ID, vm.Tags["millpondSsh"]
	if disk == "" || address == "" {
		s.tb.Fatalf("the virtual machine has no disk or no SSH address: %+v", vm)
	}
	return path, disk, address
}

// GalleryPool is the body of a pool of a gallery image version.
func (s *Server) GalleryPool(id, version string, nodes int) map[string]any {
	s.tb.Helper()
	body := s.Pool(id, nodes, 1)
	body["virtualMachineConfiguration"] = map[string]any{"imageReference": map[string]any{"virtualMachineImageId": version},
		"nodeAgentSKUId": s.HostImage()["nodeAgentSKUId"]}
	return body
}
