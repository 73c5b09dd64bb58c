package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"millpond/internal/gallery"
	"millpond/internal/resource"
)

// TypeVM is the resource type of virtual machines.
const TypeVM = "Microsoft.Compute/virtualMachines"

// Power states, the second half of the PowerState/... codes.
const (
	Starting     = "starting"
	Running      = "running"
	Stopping     = "stopping"
	Stopped      = "stopped"
	Deallocating = "deallocating"
	Deallocated  = "deallocated"
)

// VM is a virtual machine as stored. Power is what it should be or is on its
// way to; the provider's List is the truth about what runs.
type VM struct {
	VMID         string             `json:"vmId"`
	Size         string             `json:"size"` // as sent
	ComputerName string             `json:"computerName,omitempty"`
	Admin        *Admin             `json:"admin,omitempty"`
	Reference    *gallery.Reference `json:"reference,omitempty"` // Marketplace-style image
	ImageID      string             `json:"imageId,omitempty"`   // gallery or managed image, as sent
	ExactVersion string             `json:"exactVersion,omitempty"`
	OSDisk       OSDisk             `json:"osDisk"`
	Generation   string             `json:"generation,omitempty"`
	Network      json.RawMessage    `json:"network,omitempty"` // networkProfile, kept and shown
	Echo         json.RawMessage    `json:"echo,omitempty"`    // further properties, kept and shown

	Power       string         `json:"power"`
	PowerAt     resource.Ticks `json:"powerAt"`
	Generalized bool           `json:"generalized,omitempty"`

	Number    int            `json:"number"` // unique among machines; gives the address
	BootID    string         `json:"bootId,omitempty"`
	TokenHash string         `json:"tokenHash,omitempty"`
	BootAt    resource.Ticks `json:"bootAt,omitempty"`    // when that start was begun
	BootFor   string         `json:"bootFor,omitempty"`   // operation that start was begun for, "" = none
	Epoch     int64          `json:"epoch,omitempty"`     // raised at each of its hellos
	AgentBoot string         `json:"agentBoot,omitempty"` // boot id of the last agent heard
	AgentAt   resource.Ticks `json:"agentAt,omitempty"`
	AgentVer  string         `json:"agentVersion,omitempty"`
	OSRelease string         `json:"osRelease,omitempty"` // sha256 the agent reported
	OSName    string         `json:"osName,omitempty"`    // PRETTY_NAME the agent reported
	SSHHost   string         `json:"sshHost,omitempty"`
	SSHPort   int            `json:"sshPort,omitempty"`
}

// Admin is the account the service makes on the machine.
type Admin struct {
	Name            string   `json:"name"`
	PasswordHash    string   `json:"passwordHash,omitempty"` // bcrypt; the password is not kept
	DisablePassword bool     `json:"disablePassword,omitempty"`
	Keys            []SSHKey `json:"keys,omitempty"`
}

// SSHKey is a public key and the file it is put into.
type SSHKey struct {
	Path string `json:"path"`
	Data string `json:"data"`
}

// OSDisk is the machine's disk, a disk resource of its own.
type OSDisk struct {
	Name         string `json:"name"`
	ID           string `json:"id"`
	Option       string `json:"option"` // FromImage or Attach
	OSType       string `json:"osType"`
	Caching      string `json:"caching"`
	StorageType  string `json:"storageType,omitempty"`
	SizeGB       int    `json:"sizeGb"`
	DeleteOption string `json:"deleteOption,omitempty"` // Delete or Detach
}

// Item is a machine with its envelope.
type Item struct {
	Record resource.Record
	VM     VM
}

// Up reports whether the agent of the present start was heard.
func (v VM) Up() bool { return v.BootID != "" && v.AgentBoot == v.BootID }

// SSH is host:port of the machine's SSH server, "" while it has none.
func (v VM) SSH() string {
	if v.SSHPort == 0 || v.Power != Running {
		return ""
	}
	return fmt.Sprintf("%s:%d", v.SSHHost, v.SSHPort)
}

// IP is the machine's loopback address: 127.66.0.0/16 is the machines', apart
// from that of pool nodes.
func (v VM) IP() string { return fmt.Sprintf("127.66.%d.%d", 1+v.Number/250, 1+v.Number%250) }

// User is an account that must exist on the machine.
type User struct {
	Name         string
	Admin        bool
	PasswordHash string
	SSHKeys      []string
}

// Users lists the accounts the service makes on the machine.
func (v VM) Users() []User {
	if v.Admin == nil {
		return nil
	}
	u := User{Name: v.Admin.Name, Admin: true}
	if !v.Admin.DisablePassword {
		u.PasswordHash = v.Admin.PasswordHash
	}
	for _, k := range v.Admin.Keys {
		u.SSHKeys = append(u.SSHKeys, k.Data)
	}
	return []User{u}
}

// HashToken is how the secret of a start is kept.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
