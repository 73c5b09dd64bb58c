package gallery

// Entry is a line of the catalogue: a Marketplace-style reference, the agent
// SKU that fits it, and how its base is had.
type Entry struct {
	Publisher, Offer, SKU string
	Version               string // what "latest" is
	AgentSKU              string
	OSType                string // linux or windows, as the data plane writes it
	Capabilities          []string
	EndOfLife             string // batchSupportEndOfLife, "" when unknown
	Generation            string // V1 or V2
	Source                string // as ParseSource reads it; "" = only by alias
}

// Key is the entry's name in the store and in pool.Image.Catalogue.
func (e Entry) Key() string { return Key(e.Publisher, e.Offer, e.SKU) }

const (
	gen2    = "Generation2VMImage"
	docker  = "DockerCompatible"
	windows = "batch.node.windows amd64"
)

// builtin is what every deployment lists. The spelling is the Marketplace's:
// the documents' C# sample compares Canonical, UbuntuServer and 18.04-LTS with
// regard to case (facts/requirements.md 53).
var builtin = []Entry{
	{"almalinux", "almalinux-x86_64", "8-gen1", "8.10.2024101602", "batch.node.el 8", "linux", nil, "", "V1", ""},
	{"almalinux", "almalinux-x86_64", "8-gen2", "8.10.2024101602", "batch.node.el 8", "linux", []string{gen2}, "", "V2", ""},
	{"almalinux", "almalinux-x86_64", "9-gen1", "9.5.202411260", "batch.node.el 9", "linux", nil, "", "V1", ""},
	{"almalinux", "almalinux-x86_64", "9-gen2", "9.5.202411260", "batch.node.el 9", "linux", []string{gen2}, "", "V2", ""},
	{"Canonical", "0001-com-ubuntu-server-focal", "20_04-lts", "20.04.202505200", "batch.node.ubuntu 20.04", "linux", nil, "", "V1", ""},
	{"Canonical", "0001-com-ubuntu-server-focal", "20_04-lts-gen2", "20.04.202505200", "batch.node.ubuntu 20.04", "linux", []string{gen2}, "", "V2", ""},
	{"Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", "22.04.202505210", "batch.node.ubuntu 22.04", "linux", nil, "", "V1", ""},
	{"Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2", "22.04.202505210", "batch.node.ubuntu 22.04", "linux", []string{gen2}, "", "V2", ""},
	{"Canonical", "ubuntu-24_04-lts", "server", "24.04.202505220", "batch.node.ubuntu 24.04", "linux", []string{gen2}, "", "V2", ""},
	{"Canonical", "ubuntu-24_04-lts", "server-gen1", "24.04.202505220", "batch.node.ubuntu 24.04", "linux", nil, "", "V1", ""},
	{"Canonical", "UbuntuServer", "16.04-LTS", "16.04.202109280", "batch.node.ubuntu 16.04", "linux", nil, "2021-10-01T00:00:00Z", "V1", ""},
	{"Canonical", "UbuntuServer", "18.04-LTS", "18.04.202401161", "batch.node.ubuntu 18.04", "linux", nil, "2023-07-01T00:00:00Z", "V1", ""},
	{"Canonical", "UbuntuServer", "18_04-lts-gen2", "18.04.202401161", "batch.node.ubuntu 18.04", "linux", []string{gen2}, "2023-07-01T00:00:00Z", "V2", ""},
	{"Debian", "debian-11", "11", "0.20241001.1888", "batch.node.debian 11", "linux", nil, "", "V1", "debootstrap:bullseye"},
	{"Debian", "debian-11", "11-gen2", "0.20241001.1888", "batch.node.debian 11", "linux", []string{gen2}, "", "V2", "debootstrap:bullseye"},
	{"Debian", "debian-12", "12", "0.20250210.2019", "batch.node.debian 12", "linux", nil, "", "V1", "debootstrap:bookworm"},
	{"Debian", "debian-12", "12-gen2", "0.20250210.2019", "batch.node.debian 12", "linux", []string{gen2}, "", "V2", "debootstrap:bookworm"},
	{"Debian", "debian-13", "13", "0.20250814.2204", "batch.node.debian 13", "linux", nil, "", "V1", "debootstrap:trixie"},
	{"Debian", "debian-13", "13-gen2", "0.20250814.2204", "batch.node.debian 13", "linux", []string{gen2}, "", "V2", "debootstrap:trixie"},
	{"microsoft-azure-batch", "centos-container", "7-8", "1.0.2024010", "batch.node.centos 7", "linux", []string{docker}, "2024-06-30T00:00:00Z", "V1", ""},
	{"microsoft-azure-batch", "centos-container-rdma", "7-7", "1.0.2024010", "batch.node.centos 7", "linux", []string{docker, "SupportsRDMAOnly", "IntelMPIRuntimeInstalled"}, "2024-06-30T00:00:00Z", "V1", ""},
	{"microsoft-azure-batch", "ubuntu-server-container", "16-04-lts", "1.1.2021010", "batch.node.ubuntu 16.04", "linux", []string{docker}, "2021-10-01T00:00:00Z", "V1", ""},
	{"microsoft-azure-batch", "ubuntu-server-container", "20-04-lts", "1.2.2024100", "batch.node.ubuntu 20.04", "linux", []string{docker}, "", "V1", ""},
	{"microsoft-azure-batch", "ubuntu-server-container-rdma", "20-04-lts", "1.2.2024100", "batch.node.ubuntu 20.04", "linux", []string{docker, "SupportsRDMAOnly", "IntelMPIRuntimeInstalled"}, "", "V1", ""},
	{"microsoft-dsvm", "ubuntu-hpc", "2004", "20.04.2024102101", "batch.node.ubuntu 20.04", "linux", []string{docker, "SupportsRDMAOnly", "NvidiaTeslaDriverInstalled"}, "", "V2", ""},
	{"microsoft-dsvm", "ubuntu-hpc", "2204", "22.04.2024102101", "batch.node.ubuntu 22.04", "linux", []string{docker, "SupportsRDMAOnly", "NvidiaTeslaDriverInstalled"}, "", "V2", ""},
	{"MicrosoftWindowsServer", "WindowsServer", "2016-datacenter", "14393.7428.241009", windows, "windows", nil, "", "V1", ""},
	{"MicrosoftWindowsServer", "WindowsServer", "2016-datacenter-with-containers", "14393.7428.241009", windows, "windows", []string{docker}, "", "V1", ""},
	{"MicrosoftWindowsServer", "WindowsServer", "2019-datacenter", "17763.6414.241009", windows, "windows", nil, "", "V1", ""},
	{"MicrosoftWindowsServer", "WindowsServer", "2019-datacenter-core", "17763.6414.241009", windows, "windows", nil, "", "V1", ""},
	{"MicrosoftWindowsServer", "WindowsServer", "2019-datacenter-smalldisk", "17763.6414.241009", windows, "windows", nil, "", "V1", ""},
	{"MicrosoftWindowsServer", "WindowsServer", "2022-datacenter", "20348.2762.241009", windows, "windows", nil, "", "V1", ""},
	{"MicrosoftWindowsServer", "WindowsServer", "2022-datacenter-core", "20348.2762.241009", windows, "windows", nil, "", "V1", ""},
	{"MicrosoftWindowsServer", "WindowsServer", "2022-datacenter-g2", "20348.2762.241009", windows, "windows", []string{gen2}, "", "V2", ""},
	{"OpenLogic", "CentOS", "7_9", "7.9.2023030700", "batch.node.centos 7", "linux", nil, "2024-06-30T00:00:00Z", "V1", ""},
	{"OpenLogic", "CentOS", "7_9-gen2", "7.9.2023030701", "batch.node.centos 7", "linux", []string{gen2}, "2024-06-30T00:00:00Z", "V2", ""},
	{"OpenLogic", "CentOS", "8_5", "8.5.2022012100", "batch.node.centos 8", "linux", nil, "2021-12-31T00:00:00Z", "V1", ""},
	{"OpenLogic", "CentOS-HPC", "7.4", "7.4.20200207", "batch.node.centos 7", "linux", []string{"SupportsRDMAOnly", "IntelMPIRuntimeInstalled"}, "2024-06-30T00:00:00Z", "V1", ""},
}
