// Package armapi is Resource Manager's face: metadata endpoints, subscriptions,
// tenants, locations, resource groups, providers, Batch accounts, roles, the
// resources of Microsoft.Compute, the polling of operations, and the little of
// Graph that `az role assignment` reads.
//
// It owns wire structs, status codes and the words of Azure's Resource Manager.
// Rules are the nouns' (account, gallery, machine, identity). Every row of its
// tables names a permission, which one place asks for (authorize.go); api-versions
// are accepted loosely, as clients send many. app mounts it.
package armapi
