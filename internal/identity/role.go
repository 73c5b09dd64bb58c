package identity

import "strings"

// Permission is one entry of a role: what it gives and what it takes back.
// Patterns may hold *; they are compared without regard to case.
type Permission struct {
	Actions        []string
	NotActions     []string
	DataActions    []string
	NotDataActions []string
}

// Role is a built-in role definition. ID is its GUID, the same in every tenant.
type Role struct {
	ID          string
	Name        string
	Description string
	Permissions []Permission
}

// Ids of built-in roles that other rooms name.
const (
	RoleOwner       = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	RoleContributor = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	RoleReader      = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
)

// alertRules and groupRead stand in nearly every role of the Batch family.
const (
	alertRules  = "Microsoft.Insights/alertRules/*"
	groupRead   = "Microsoft.Resources/subscriptions/resourceGroups/read"
	authRead    = "Microsoft.Authorization/*/read"
	deployments = "Microsoft.Resources/deployments/*"
)

// roles are Azure's built-in ones that matter to this service; custom ones are
// not written yet.
var roles = []Role{
	{RoleOwner, "Owner", "Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.",
		[]Permission{{Actions: []string{"*"}}}},
	{RoleContributor, "Contributor", "Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC, manage assignments in Azure Blueprints, or share image galleries.",
		[]Permission{{Actions: []string{"*"}, NotActions: []string{
			"Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action",
			"Microsoft.Blueprint/blueprintAssignments/write", "Microsoft.Blueprint/blueprintAssignments/delete",
			"Microsoft.Compute/galleries/share/action"}}}},
	{RoleReader, "Reader", "View all resources, but does not allow you to make any changes.",
		[]Permission{{Actions: []string{"*/read"}}}},
	{"18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", "User Access Administrator", "Lets you manage user access to Azure resources.",
		[]Permission{{Actions: []string{"*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"}}}},
	{"29fe4964-1e60-436b-bd3a-77fd4c178b3c", "Azure Batch Account Contributor", "Grants full access to manage all Batch resources, including Batch accounts, pools and jobs.",
		[]Permission{{Actions: []string{authRead, "Microsoft.Batch/*", alertRules, deployments, groupRead}, DataActions: []string{"Microsoft.Batch/*"}}}},
	{"11076f67-66f6-4be0-8f6b-f0609fd05cc9", "Azure Batch Account Reader", "Lets you view all resources including pools and jobs in the Batch account.",
		[]Permission{{Actions: []string{"Microsoft.Batch/*/read", groupRead}, DataActions: []string{"Microsoft.Batch/*/read"}}}},
	{"6aaa78f1-f7de-44ca-8722-c64a23943cae", "Azure Batch Data Contributor", "Grants permissions to manage Batch pools and jobs but not to modify accounts.",
		[]Permission{{Actions: []string{authRead, "Microsoft.Batch/batchAccounts/read", "Microsoft.Batch/batchAccounts/applications/*",
			"Microsoft.Batch/batchAccounts/certificates/*", "Microsoft.Batch/batchAccounts/certificateOperationResults/*",
			"Microsoft.Batch/batchAccounts/pools/*", "Microsoft.Batch/batchAccounts/poolOperationResults/*",
			"Microsoft.Batch/locations/*/read", alertRules, groupRead},
			DataActions: []string{"Microsoft.Batch/batchAccounts/jobSchedules/*", "Microsoft.Batch/batchAccounts/jobs/*"}}}},
	{"48e5e92e-a480-4e71-aa9c-2778f4c13781", "Azure Batch Job Submitter", "Lets you submit and manage jobs in the Batch account.",
		[]Permission{{Actions: []string{"Microsoft.Batch/batchAccounts/applications/read", "Microsoft.Batch/batchAccounts/applications/versions/read",
			"Microsoft.Batch/batchAccounts/pools/read", alertRules, groupRead},
			DataActions: []string{"Microsoft.Batch/batchAccounts/jobSchedules/*", "Microsoft.Batch/batchAccounts/jobs/*"}}}},
	{"9980e02c-c2be-4d73-94e8-173b1dc7cf3c", "Virtual Machine Contributor", "Lets you manage virtual machines, but not access to them, and not the virtual network or storage account they're connected to.",
		[]Permission{{Actions: []string{authRead, "Microsoft.Compute/availabilitySets/*", "Microsoft.Compute/locations/*",
			"Microsoft.Compute/virtualMachines/*", "Microsoft.Compute/virtualMachineScaleSets/*", "Microsoft.Compute/cloudServices/*",
			"Microsoft.Compute/disks/write", "Microsoft.Compute/disks/read", "Microsoft.Compute/disks/delete",
			alertRules, deployments, groupRead}}}},
	{"cf7c76d2-98a3-4358-a134-615aa78bf44d", "Compute Gallery Image Reader", "This role allows user to read gallery images.",
		[]Permission{{Actions: []string{"Microsoft.Compute/galleries/images/read", "Microsoft.Compute/galleries/images/versions/read"}}}},
	{"1ef6a3be-d0ac-425d-8c01-acb62866290b", "Compute Gallery Sharing Admin", "This role allows user to share gallery to another subscription/tenant or share it to the public.",
		[]Permission{{Actions: []string{"Microsoft.Compute/galleries/share/action"}}}},
	{"3e5e47e6-65f7-47ef-90b5-e5dd4d455f24", "Disk Backup Reader", "Provides permission to backup vault to perform disk backup.",
		[]Permission{{Actions: []string{authRead, groupRead, "Microsoft.Compute/disks/read", "Microsoft.Compute/disks/beginGetAccess/action"}}}},
}

// Roles lists the role definitions.
func Roles() []Role { return roles }

// RoleByID finds a role by its GUID or by an id that ends in it.
func RoleByID(id string) (Role, bool) {
	id = strings.TrimRight(id, "/")
	guid := id[strings.LastIndexByte(id, '/')+1:]
	for _, r := range roles {
		if strings.EqualFold(r.ID, guid) {
			return r, true
		}
	}
	return Role{}, false
}

// RoleByName finds a role by its display name in any casing.
func RoleByName(name string) (Role, bool) {
	for _, r := range roles {
		if strings.EqualFold(r.Name, name) {
			return r, true
		}
	}
	return Role{}, false
}

// gives reports whether the role holds action. A data action of Microsoft.Batch
// is also held by roles that hold it among their actions: Azure Batch honours
// Owner, Contributor and Reader on its data plane, which have no data actions.
func (r Role) gives(action string, data bool) bool {
	action = strings.ToLower(action)
	for _, p := range r.Permissions {
		if !data || strings.HasPrefix(action, "microsoft.batch/") {
			if matchesAny(p.Actions, action) && !matchesAny(p.NotActions, action) {
				return true
			}
		}
		if data && matchesAny(p.DataActions, action) && !matchesAny(p.NotDataActions, action) {
			return true
		}
	}
	return false
}

func matchesAny(patterns []string, action string) bool {
	for _, p := range patterns {
		if wildcard(strings.ToLower(p), action) {
			return true
		}
	}
	return false
}

// wildcard matches text against a pattern whose * stands for any run of
// characters, slashes included.
func wildcard(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(text, first) {
		return false
	}
	text = text[len(first):]
	for _, p := range parts[1 : len(parts)-1] {
		at := strings.Index(text, p)
		if at < 0 {
			return false
		}
		text = text[at+len(p):]
	}
	return strings.HasSuffix(text, last)
}
