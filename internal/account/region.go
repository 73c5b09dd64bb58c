package account

import "strings"

// RegionInfo is one of Azure's regions. Names are real ones because clients
// look them up in lists of their own (facts/clients.md 5B).
type RegionInfo struct {
	Name      string // westeurope
	Display   string // West Europe
	Geography string // Europe
}

var regions = []RegionInfo{
	{"eastus", "East US", "US"}, {"southcentralus", "South Central US", "US"}, {"westus2", "West US 2", "US"},
	{"westus3", "West US 3", "US"}, {"australiaeast", "Australia East", "Asia Pacific"}, {"southeastasia", "Southeast Asia", "Asia Pacific"},
	{"northeurope", "North Europe", "Europe"}, {"swedencentral", "Sweden Central", "Europe"}, {"uksouth", "UK South", "Europe"},
	{"westeurope", "West Europe", "Europe"}, {"centralus", "Central US", "US"}, {"southafricanorth", "South Africa North", "Africa"},
	{"centralindia", "Central India", "Asia Pacific"}, {"eastasia", "East Asia", "Asia Pacific"}, {"japaneast", "Japan East", "Asia Pacific"},
	{"koreacentral", "Korea Central", "Asia Pacific"}, {"newzealandnorth", "New Zealand North", "Asia Pacific"}, {"canadacentral", "Canada Central", "Canada"},
	{"francecentral", "France Central", "Europe"}, {"germanywestcentral", "Germany West Central", "Europe"}, {"italynorth", "Italy North", "Europe"},
	{"norwayeast", "Norway East", "Europe"}, {"polandcentral", "Poland Central", "Europe"}, {"spaincentral", "Spain Central", "Europe"},
	{"switzerlandnorth", "Switzerland North", "Europe"}, {"mexicocentral", "Mexico Central", "Mexico"}, {"uaenorth", "UAE North", "Middle East"},
	{"brazilsouth", "Brazil South", "South America"}, {"israelcentral", "Israel Central", "Middle East"}, {"qatarcentral", "Qatar Central", "Middle East"},
	{"eastus2", "East US 2", "US"}, {"northcentralus", "North Central US", "US"}, {"westus", "West US", "US"},
	{"japanwest", "Japan West", "Asia Pacific"}, {"jioindiawest", "Jio India West", "Asia Pacific"}, {"westcentralus", "West Central US", "US"},
	{"southafricawest", "South Africa West", "Africa"}, {"australiacentral", "Australia Central", "Asia Pacific"},
	{"australiacentral2", "Australia Central 2", "Asia Pacific"}, {"australiasoutheast", "Australia Southeast", "Asia Pacific"},
	{"jioindiacentral", "Jio India Central", "Asia Pacific"}, {"koreasouth", "Korea South", "Asia Pacific"}, {"southindia", "South India", "Asia Pacific"},
	{"westindia", "West India", "Asia Pacific"}, {"canadaeast", "Canada East", "Canada"}, {"francesouth", "France South", "Europe"},
	{"germanynorth", "Germany North", "Europe"}, {"norwaywest", "Norway West", "Europe"}, {"switzerlandwest", "Switzerland West", "Europe"},
	{"ukwest", "UK West", "Europe"}, {"uaecentral", "UAE Central", "Middle East"}, {"brazilsoutheast", "Brazil Southeast", "South America"},
}

var regionByName = func() map[string]RegionInfo {
	m := map[string]RegionInfo{}
	for _, r := range regions {
		m[r.Name] = r
	}
	return m
}()

// Regions lists every region, in Azure's order.
func Regions() []RegionInfo { return regions }

// Region finds a region by its short or display name in any casing:
// "West Europe" and "WESTEUROPE" are westeurope.
func Region(name string) (short, display string, ok bool) {
	r, ok := regionByName[strings.ToLower(strings.ReplaceAll(name, " ", ""))]
	return r.Name, r.Display, ok
}
