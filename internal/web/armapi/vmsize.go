package armapi

import (
	"strconv"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/machine"
	"millpond/internal/web"
)

func (a *API) sizeRoutes() []web.Route {
	return []web.Route{
		{Operation: "VirtualMachineSizesClient.List", Method: "GET", Pattern: computeOfSub + "/locations/{location}/vmSizes", Action: "Microsoft.Compute/locations/vmSizes/read", Status: 200, Handle: a.listSizes},
		{Operation: "VirtualMachinesClient.ListAvailableSizes", Method: "GET", Pattern: computeOfGroup + "/virtualMachines/{vmName}/vmSizes", Action: machine.TypeVM + "/vmSizes/read", Status: 200, Handle: a.listSizesOfVM},
		{Operation: "ResourceSKUsClient.List", Method: "GET", Pattern: computeOfSub + "/skus", Action: "Microsoft.Compute/skus/read", Status: 200, Handle: a.listSKUs},
	}
}

// location checks the region a path names and gives its short name.
func (a *API) location(c *web.Call) (string, error) {
	short, _, ok := a.Compute.Images.Region(c.Param("location"))
	if !ok {
		return "", fault.Newf("LocationNotAvailableForResourceType", "The provided location '%s' is not available.", clip(c.Param("location")))
	}
	return short, nil
}

func (a *API) listSizes(c *web.Call) (web.Reply, error) {
	if _, err := a.location(c); err != nil {
		return web.Reply{}, err
	}
	return sizes(), nil
}

func (a *API) listSizesOfVM(c *web.Call) (web.Reply, error) {
	if _, err := a.Compute.Machines.Get(c.Context(), idOf(c, "virtualMachines", "vmName")); err != nil {
		return web.Reply{}, err
	}
	return sizes(), nil
}

func sizes() web.Reply {
	var out []VirtualMachineSize
	for _, s := range machine.Sizes() {
		out = append(out, VirtualMachineSize{
			Name: new(s.Name), NumberOfCores: number(s.Cores), OSDiskSizeInMB: number(machine.OSDiskMiB),
			ResourceDiskSizeInMB: number(s.TempMiB), MemoryInMB: number(s.MemoryMiB), MaxDataDiskCount: number(s.DataDisks),
		})
	}
	return values(out)
}

// listSKUs is the least that clients choosing a size look at. The one filter
// Azure knows is location eq 'x'.
func (a *API) listSKUs(c *web.Call) (web.Reply, error) {
	where := "westeurope"
	if filter := c.Query("$filter"); filter != "" {
		value, ok := strings.CutPrefix(strings.Join(strings.Fields(filter), " "), "location eq '")
		short, _, known := a.Compute.Images.Region(strings.TrimSuffix(value, "'"))
		if !ok || !known {
			return web.Reply{}, web.QueryFault("$filter", filter, "The filter must be location eq 'REGION'")
		}
		where = short
	}
	capability := func(name, value string) ResourceSKUCapabilities {
		return ResourceSKUCapabilities{Name: &name, Value: &value}
	}
	var out []ResourceSKU
	for _, s := range machine.Sizes() {
		_, size, _ := strings.Cut(s.Name, "_")
		out = append(out, ResourceSKU{
			ResourceType: new("virtualMachines"), Name: new(s.Name), Tier: new("Standard"), Size: &size, Locations: []string{where},
			LocationInfo: []ResourceSKULocationInfo{{Location: &where, Zones: []string{}}}, Restrictions: []ResourceSKURestrictions{},
			Capabilities: []ResourceSKUCapabilities{
				capability("vCPUs", strconv.Itoa(s.Cores)), capability("vCPUsAvailable", strconv.Itoa(s.Cores)),
				capability("MemoryGB", strconv.FormatFloat(float64(s.MemoryMiB)/1024, 'f', -1, 64)),
				capability("MaxDataDiskCount", strconv.Itoa(s.DataDisks)), capability("OSVhdSizeMB", strconv.Itoa(machine.OSDiskMiB)),
				capability("MaxResourceVolumeMB", strconv.Itoa(s.TempMiB)), capability("HyperVGenerations", "V1,V2"), capability("CpuArchitectureType", "x64"),
			},
		})
	}
	return values(out), nil
}
