package machine

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/crypto/ssh"

	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/resource"
)

// Spec is what PUT asks for. Password is hashed and forgotten.
type Spec struct {
	ID           resource.ID
	Location     string
	Tags         map[string]string
	Size         string
	ComputerName string
	HasProfile   bool // osProfile was sent
	AdminName    string
	Password     string
	NoPassword   bool // linuxConfiguration.disablePasswordAuthentication
	Keys         []SSHKey
	Origin       gallery.Origin // storageProfile.imageReference
	DiskName     string
	DiskOption   string // FromImage or Attach
	DiskID       string // Attach
	DiskGB       int
	Caching      string
	StorageType  string
	DeleteOption string
	Network      json.RawMessage
	Echo         json.RawMessage
}

var (
	vmName    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?$`)
	adminName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
)

// notAdmins are names Azure refuses for administrators.
var notAdmins = []string{"administrator", "admin", "user", "user1", "test", "user2", "test1", "user3", "admin1", "1", "123", "a",
	"actuser", "adm", "admin2", "aspnet", "backup", "console", "david", "guest", "john", "owner", "root", "server", "sql", "support",
	"support_388945a0", "sys", "test2", "test3", "user4", "user5"}

func invalid(target, format string, args ...any) *fault.Error {
	return fault.Newf("InvalidParameter", format, args...).With("target", target)
}

func required(target string) *fault.Error {
	return invalid(target, "Required parameter '%s' is missing (null).", target)
}

// check fills in defaults and reports every broken rule that needs no state.
// Of a machine that exists a request may repeat what it read: no password, no
// origin.
func (s *Spec) check(create bool) error {
	var p fault.Problems
	if !vmName.MatchString(s.ID.Name()) {
		p.Add(invalid("vmName", "The virtual machine name '%s' is invalid. It must have 1 to 64 letters, digits and hyphens, and begin and end with a letter or digit.", s.ID.Name()))
	}
	if s.Size == "" && create {
		s.Size = "Standard_D1_v2" // Azure's default when a request names none
	}
	if _, ok := SizeOf(s.Size); !ok && s.Size != "" {
		p.Add(invalid("vmSize", "The value %s provided for the VM size is not valid. The valid sizes in the current region are those of GET .../locations/{location}/vmSizes.", s.Size))
	}
	if !create {
		return p.Joined()
	}
	switch {
	case strings.EqualFold(s.DiskOption, "Attach"):
		s.DiskOption = "Attach"
		if s.DiskID == "" {
			p.Add(required("osDisk.managedDisk.id"))
		}
		if s.HasProfile {
			p.Add(invalid("osProfile", "Parameter 'osProfile' is not allowed when a disk is attached."))
		}
	case s.DiskOption == "" || strings.EqualFold(s.DiskOption, gallery.FromImage):
		s.DiskOption = gallery.FromImage
		if s.Origin.Reference == nil && s.Origin.ID == "" {
			p.Add(required("imageReference"))
		}
	default:
		p.Add(invalid("osDisk.createOption", "The value '%s' of parameter 'osDisk.createOption' is not allowed. Allowed values are FromImage, Attach.", s.DiskOption))
	}
	for value, allowed := range map[*string][]string{
		&s.Caching:      {"None", "ReadOnly", "ReadWrite"},
		&s.DeleteOption: {"Delete", "Detach"},
	} {
		i := slices.IndexFunc(allowed, func(a string) bool { return strings.EqualFold(a, *value) })
		if *value != "" && i < 0 {
			p.Add(invalid("osDisk", "The value '%s' of the osDisk is not allowed. Allowed values are %s.", *value, strings.Join(allowed, ", ")))
		} else if *value != "" {
			*value = allowed[i]
		}
	}
	if s.HasProfile {
		s.checkProfile(&p)
	}
	return p.Joined()
}

func (s *Spec) checkProfile(p *fault.Problems) {
	switch {
	case s.AdminName == "":
		p.Add(required("osProfile.adminUsername"))
	case slices.Contains(notAdmins, resource.Fold(s.AdminName)):
		p.Add(invalid("adminUsername", "The Admin Username specified is not allowed."))
	case !adminName.MatchString(s.AdminName):
		p.Add(invalid("adminUsername", "The admin username '%s' is invalid. It must have 1 to 32 lower-case letters, digits, underscores and hyphens and begin with a letter or underscore.", s.AdminName))
	}
	if s.ComputerName != "" && !vmName.MatchString(s.ComputerName) {
		p.Add(invalid("computerName", "The computer name '%s' is invalid. It must have 1 to 64 letters, digits and hyphens.", s.ComputerName))
	}
	switch {
	case s.NoPassword && len(s.Keys) == 0:
		p.Add(invalid("linuxConfiguration.ssh.publicKeys", "Authentication using either SSH or by user name and password must be enabled in Linux profile."))
	case s.NoPassword && s.Password != "":
		p.Add(invalid("adminPassword", "Parameter 'adminPassword' is not allowed while password authentication is disabled."))
	case !s.NoPassword && s.Password == "" && len(s.Keys) == 0:
		p.Add(required("osProfile.adminPassword"))
	case s.Password != "":
		p.Add(checkPassword(s.Password))
	}
	for i, k := range s.Keys {
		target := fmt.Sprintf("linuxConfiguration.ssh.publicKeys[%d]", i)
		if want := "/home/" + s.AdminName + "/.ssh/authorized_keys"; k.Path != "" && k.Path != want {
			p.Add(invalid(target+".path", "Destination path for SSH public keys is currently limited to its default value %s due to a known issue in Linux provisioning agent.", want))
		}
		if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.Data)); err != nil || strings.ContainsAny(strings.TrimSpace(k.Data), "\r\n") {
			p.Add(invalid(target+".keyData", "The SSH public key is not valid: it must be one line of an authorized_keys file."))
		}
	}
}

// checkPassword is Azure's rule for Linux passwords.
func checkPassword(password string) error {
	classes := map[int]bool{}
	for _, r := range password {
		switch {
		case unicode.IsLower(r):
			classes[0] = true
		case unicode.IsUpper(r):
			classes[1] = true
		case unicode.IsDigit(r):
			classes[2] = true
		default:
			classes[3] = true
		}
	}
	// 72 bytes is also what bcrypt reads.
	if len(password) < 6 || len(password) > 72 || len(classes) < 3 {
		return invalid("adminPassword", "The supplied password must be between 6-72 characters long and must satisfy at least 3 of password complexity requirements from the following: "+
			"Contains an uppercase character, Contains a lowercase character, Contains a numeric digit, Contains a special character.")
	}
	return nil
}
