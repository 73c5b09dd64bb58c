package pool

import (
	"fmt"
	"regexp"
	"strconv"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Limits of the contract (facts/azure-batch.md 2B).
const (
	MaxIDLength          = 64
	MaxDisplayName       = 1024
	DefaultResizeTimeout = 15 * resource.Minute
	MinResizeTimeout     = 5 * resource.Minute
	MaxResizeTimeout     = 7 * resource.Day
	MaxTaskSlots         = 256
	MaxStartTaskLength   = 32768
	MaxUserName          = 20
	MaxMetadata          = 100
	MaxRemoveNodes       = 100
)

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// CheckID is Azure's rule for ids of pools, jobs and tasks.
func CheckID(property, id string) error {
	if id == "" {
		return fault.Missing(property)
	}
	if !idPattern.MatchString(id) {
		return fault.Property(property, id,
			"The value must be 1 to 64 characters long and may contain only letters, digits, hyphens and underscores.")
	}
	return nil
}

// CheckDisplayName is Azure's rule for display names.
func CheckDisplayName(name string) error {
	if len([]rune(name)) > MaxDisplayName {
		return fault.Property("displayName", "", fmt.Sprintf("The value may have at most %d characters.", MaxDisplayName))
	}
	return nil
}

// CheckMetadata bounds the name-value pairs a pool or job carries.
func CheckMetadata(items []Metadata) error {
	if len(items) > MaxMetadata {
		return fault.New("MetadataTooLarge", "The metadata size exceeds the maximum size permitted.").
			With("Reason", fmt.Sprintf("At most %d items are kept.", MaxMetadata))
	}
	for _, m := range items {
		if m.Name == "" {
			return fault.New("EmptyMetadataKey", "The key for one of the metadata key-value pairs is empty.")
		}
	}
	return nil
}

// Defaults fills in what Azure fills in when a pool is added.
func (s *Spec) Defaults() {
	if s.TaskSlotsPerNode == 0 {
		s.TaskSlotsPerNode = 1
	}
	if s.FillType == "" {
		s.FillType = "Spread"
	}
	if s.ImageReference.VMImageID == "" && s.ImageReference.Version == "" {
		s.ImageReference.Version = "latest"
	}
	if s.StartTask != nil {
		s.StartTask.User.Defaults()
	}
	for i := range s.UserAccounts {
		if s.UserAccounts[i].Elevation == "" {
			s.UserAccounts[i].Elevation = "nonadmin"
		}
	}
}

// Defaults makes the auto user explicit: pool scope, not elevated.
func (u *UserIdentity) Defaults() {
	if u.Username != "" {
		return
	}
	if u.Scope == "" {
		u.Scope = "pool"
	}
	if u.Elevation == "" {
		u.Elevation = "nonadmin"
	}
}

// Check reports every rule a specification breaks that needs no stored state.
// cores is the size's number of cores, 0 when the size is unknown.
func (s *Spec) Check(cores int) error {
	var p fault.Problems
	p.Add(CheckID("id", s.ID))
	p.Add(CheckDisplayName(s.DisplayName))
	p.Add(CheckMetadata(s.Metadata))
	switch {
	case s.VMSize == "":
		p.Add(fault.Missing("vmSize"))
	case cores == 0:
		p.Add(fault.Property("vmSize", s.VMSize, "The specified vmSize is not supported."))
	}
	if s.NodeAgentSKU == "" {
		p.Add(fault.Missing("nodeAgentSKUId"))
	}
	if most := min(4*max(cores, 1), MaxTaskSlots); s.TaskSlotsPerNode < 1 || s.TaskSlotsPerNode > most {
		p.Add(fault.Property("taskSlotsPerNode", strconv.Itoa(s.TaskSlotsPerNode),
			fmt.Sprintf("The value must be from 1 to %d: four times the cores of the node, at most %d.", most, MaxTaskSlots)))
	}
	accounts := map[string]bool{}
	for _, a := range s.UserAccounts {
		p.Add(CheckUserName("userAccounts.name", a.Name))
		if accounts[resource.Fold(a.Name)] {
			p.Add(fault.Property("userAccounts", a.Name, "The name is used by more than one user account."))
		}
		accounts[resource.Fold(a.Name)] = true
	}
	if s.StartTask != nil {
		p.Add(s.StartTask.check(accounts))
	}
	return p.Err()
}

func (t *StartTask) check(accounts map[string]bool) error {
	var p fault.Problems
	size := len(t.CommandLine)
	for _, e := range t.Environment {
		size += len(e.Name) + len(e.Value)
	}
	if t.CommandLine == "" {
		p.Add(fault.Missing("startTask.commandLine"))
	}
	if size > MaxStartTaskLength {
		p.Add(fault.Property("startTask", "", fmt.Sprintf("Command line and environment together may have at most %d characters.", MaxStartTaskLength)))
	}
	if t.MaxRetries < -1 {
		p.Add(fault.Property("startTask.maxTaskRetryCount", strconv.Itoa(t.MaxRetries), "The value must be -1 or more."))
	}
	p.Add(t.User.Check("startTask.userIdentity", accounts))
	return p.Err()
}

// Check verifies that a named account is one of the pool's; accounts is nil
// where they are not known yet (tasks of a job whose pool may not exist).
func (u *UserIdentity) Check(property string, accounts map[string]bool) error {
	if u.Username != "" && (u.Scope != "" || u.Elevation != "") {
		return fault.Property(property, "", "username and autoUser exclude each other.")
	}
	if u.Username != "" && accounts != nil && !accounts[resource.Fold(u.Username)] {
		return fault.Property(property, u.Username, "The user account is not defined on the pool.")
	}
	return nil
}

var userPattern = regexp.MustCompile(`^[a-z_][a-z0-9_-]*$`)

// CheckUserName is the rule for accounts on Linux nodes: Azure's 20
// characters, and what useradd takes.
func CheckUserName(property, name string) error {
	switch {
	case name == "":
		return fault.Missing(property)
	case len(name) > MaxUserName:
		return fault.Property(property, name, fmt.Sprintf("The value may have at most %d characters.", MaxUserName))
	case !userPattern.MatchString(name):
		return fault.Property(property, name, "The value must start with a lower-case letter or underscore, followed by lower-case letters, digits, hyphens and underscores.")
	case name == "root":
		return fault.Property(property, name, "The name is reserved.")
	}
	return nil
}

// CheckTargets is the rule for the sizes and timeout of a resize.
func CheckTargets(dedicated, lowPriority int, timeout resource.Span) error {
	var p fault.Problems
	if dedicated < 0 {
		p.Add(fault.Property("targetDedicatedNodes", strconv.Itoa(dedicated), "The value must be 0 or more."))
	}
	if lowPriority < 0 {
		p.Add(fault.Property("targetLowPriorityNodes", strconv.Itoa(lowPriority), "The value must be 0 or more."))
	}
	if timeout < MinResizeTimeout || timeout > MaxResizeTimeout {
		p.Add(fault.Property("resizeTimeout", "", "The value must be from 5 minutes to 7 days."))
	}
	return p.Err()
}
