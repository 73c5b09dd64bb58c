package armapi

import (
	"millpond/internal/account"
	"millpond/internal/fault"
	"millpond/internal/resource"
	"millpond/internal/web"
)

func (a *API) accountRoutes() []web.Route {
	const sub = "/subscriptions/{subscriptionId}/providers/Microsoft.Batch"
	const all = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Batch/batchAccounts"
	const one = all + "/{accountName}"
	const p = "Microsoft.Batch/batchAccounts/"
	return []web.Route{
		{Operation: "BatchAccountClient.List", Method: "GET", Pattern: sub + "/batchAccounts", Action: p + "read", Status: 200, Handle: a.listAccounts},
		{Operation: "BatchAccountClient.ListByResourceGroup", Method: "GET", Pattern: all, Action: p + "read", Status: 200, Handle: a.listAccounts},
		{Operation: "BatchAccountClient.Create", Method: "PUT", Pattern: one, Action: p + "write", Status: 202, Handle: a.putAccount},
		{Operation: "BatchAccountClient.Get", Method: "GET", Pattern: one, Action: p + "read", Status: 200, Handle: a.getAccount},
		{Operation: "BatchAccountClient.Update", Method: "PATCH", Pattern: one, Action: p + "write", Status: 200, Handle: a.patchAccount},
		{Operation: "BatchAccountClient.Delete", Method: "DELETE", Pattern: one, Action: p + "delete", Status: 202, Handle: a.deleteAccount},
		{Operation: "BatchAccountClient.GetKeys", Method: "POST", Pattern: one + "/listKeys", Action: p + "listKeys/action", Status: 200, Handle: a.listKeys},
		{Operation: "BatchAccountClient.RegenerateKey", Method: "POST", Pattern: one + "/regenerateKeys", Action: p + "regenerateKeys/action", Status: 200, Handle: a.regenerateKey},
		{Operation: "Batch.AccountOperationResult", Method: "GET", Pattern: one + "/operationResults/{operationId}", Action: p + "read", Status: 200, Handle: a.accountResult},
		{Operation: "BatchLocationClient.AccountResult", Method: "GET", Pattern: sub + "/locations/{locationName}/accountOperationResults/{result}", Status: 200, Handle: a.accountGone},
		{Operation: "BatchLocationClient.GetQuotas", Method: "GET", Pattern: sub + "/locations/{locationName}/quotas", Action: "Microsoft.Batch/locations/quotas/read", Status: 200, Handle: a.getQuotas},
		{Operation: "BatchLocationClient.CheckNameAvailability", Method: "POST", Pattern: sub + "/locations/{locationName}/checkNameAvailability", Action: "Microsoft.Batch/locations/checkNameAvailability/action", Status: 200, Handle: a.checkName},
	}
}

// accountBody is facts/wire.md 3.2. Quotas per VM family are neither listed nor
// enforced: clients then go by dedicatedCoreQuota.
func accountBody(c *web.Call, acct account.Account) *BatchAccount {
	modes := []BatchAuthenticationMode{}
	for _, m := range acct.AuthenticationModes {
		modes = append(modes, BatchAuthenticationMode(m))
	}
	count := func(n int) *int32 { return new(int32(n)) } //nolint:gosec // quotas are small
	return &BatchAccount{
		ID: new(acct.ID.String()), Name: &acct.Name, Type: new(account.TypeAccount), Location: &acct.Location, Tags: orNone(acct.Tags),
		Properties: &BatchAccountProperties{
			AccountEndpoint:        new(accountEndpoint(c.Request, acct)),
			NodeManagementEndpoint: new(acct.NodeEndpoint + "." + acct.Location + ".service.batch.azure.com"),
			ProvisioningState:      new(BatchProvisioningState(acct.State)),
			DedicatedCoreQuota:     count(acct.Quotas.DedicatedCores), DedicatedCoreQuotaPerVMFamily: []BatchVirtualMachineFamilyCoreQuota{},
			DedicatedCoreQuotaPerVMFamilyEnforced: new(false),
			LowPriorityCoreQuota:                  count(acct.Quotas.LowPriorityCores), PoolQuota: count(acct.Quotas.Pools),
			ActiveJobAndJobScheduleQuota: count(acct.Quotas.ActiveJobsAndSchedule),
			PoolAllocationMode:           new(BatchPoolAllocationMode("BatchService")), PublicNetworkAccess: new(BatchPublicNetworkAccessType("Enabled")),
			PrivateEndpointConnections: []BatchPrivateEndpointConnection{}, Encryption: &BatchEncryptionProperties{KeySource: new(BatchKeySource("Microsoft.Batch"))},
			AllowedAuthenticationModes: modes,
		},
		Identity: &BatchAccountIdentity{Type: new(BatchResourceIdentityType("None"))},
	}
}

func (a *API) account(c *web.Call) (account.Account, error) {
	return a.Accounts.Account(c.Context(), c.Param("subscriptionId"), c.Param("resourceGroupName"), c.Param("accountName"))
}

func (a *API) listAccounts(c *web.Call) (web.Reply, error) {
	all, err := a.Accounts.List(c.Context(), c.Param("subscriptionId"), c.Param("resourceGroupName"))
	if err != nil {
		return web.Reply{}, err
	}
	var bodies []*BatchAccount
	for _, acct := range all {
		bodies = append(bodies, accountBody(c, acct))
	}
	return values(bodies), nil
}

func (a *API) getAccount(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", acct.Modified, accountBody(c, acct)), nil
}

func (a *API) putAccount(c *web.Call) (web.Reply, error) {
	var body BatchAccountCreateParameters
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	spec := account.Spec{Location: value(body.Location), Tags: body.Tags, IdentityType: identityType(body.Identity)}
	if p := body.Properties; p != nil {
		readProperties(&spec, p.AllowedAuthenticationModes, p.AutoStorage, p.Encryption, p.NetworkProfile, p.PublicNetworkAccess)
		spec.PoolAllocationMode = string(value(p.PoolAllocationMode))
		if p.KeyVaultReference != nil {
			spec.Refused = "properties.keyVaultReference"
		}
	}
	op, err := a.Accounts.Put(c.Context(), c.Param("subscriptionId"), c.Param("resourceGroupName"), c.Param("accountName"), spec)
	if err != nil {
		return web.Reply{}, err
	}
	return a.running(c, op.ResourceID+"/operationResults/"+op.GUID), nil
}

func identityType(i *BatchAccountIdentity) string {
	if i == nil {
		return ""
	}
	return string(value(i.Type))
}

// readProperties takes what PUT and PATCH have in common.
func readProperties(spec *account.Spec, modes []BatchAuthenticationMode, storage *BatchAutoStorageBaseProperties,
	encryption *BatchEncryptionProperties, network *BatchNetworkProfile, public *BatchPublicNetworkAccessType) {
	if modes != nil {
		spec.AuthenticationModes = []string{}
		for _, m := range modes {
			spec.AuthenticationModes = append(spec.AuthenticationModes, string(m))
		}
	}
	if storage != nil {
		spec.AutoStorage = value(storage.StorageAccountID)
	}
	if encryption != nil {
		spec.KeySource = string(value(encryption.KeySource))
		if encryption.KeyVaultProperties != nil {
			spec.Refused = "properties.encryption.keyVaultProperties"
		}
	}
	if network != nil {
		spec.Refused = "properties.networkProfile"
	}
	spec.PublicNetworkAccess = string(value(public))
}

func (a *API) patchAccount(c *web.Call) (web.Reply, error) {
	var body BatchAccountUpdateParameters
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	spec := account.Spec{Tags: body.Tags, IdentityType: identityType(body.Identity)}
	if p := body.Properties; p != nil {
		readProperties(&spec, p.AllowedAuthenticationModes, p.AutoStorage, p.Encryption, p.NetworkProfile, p.PublicNetworkAccess)
	}
	acct, err := a.Accounts.Update(c.Context(), c.Param("subscriptionId"), c.Param("resourceGroupName"), c.Param("accountName"), spec)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", acct.Modified, accountBody(c, acct)), nil
}

// deleteAccount names an address outside the account, which will be gone when
// it is polled.
func (a *API) deleteAccount(c *web.Call) (web.Reply, error) {
	op, err := a.Accounts.Delete(c.Context(), c.Param("subscriptionId"), c.Param("resourceGroupName"), c.Param("accountName"))
	if err != nil {
		return web.Reply{}, err
	}
	return a.running(c, goneAt(c, op)), nil
}

func goneAt(c *web.Call, op resource.Operation) string {
	id, _ := resource.ParseID(op.ResourceID) // stored ids parse
	return "/subscriptions/" + c.Param("subscriptionId") + "/providers/Microsoft.Batch/locations/" + op.Location +
		"/accountOperationResults/" + id.Name() + "-" + op.GUID
}

// guidLength is how much of a result's name is the operation.
const guidLength = 36

func (a *API) accountGone(c *web.Call) (web.Reply, error) {
	name := c.Param("result")
	op, err := a.Resources.GetOperation(c.Context(), name[max(0, len(name)-guidLength):])
	if err != nil || op.Kind != account.KindAccountDelete || !sameSubscription(c, op) {
		return web.Reply{}, noOperation(name)
	}
	if err := a.Identity.Require(c.Context(), c.Principal, "Microsoft.Batch/batchAccounts/read", op.ResourceID); err != nil {
		return web.Reply{}, err
	}
	return a.finishedOr(c, op, goneAt(c, op))
}

// accountResult shows the account once its operation ended.
func (a *API) accountResult(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	op, err := a.Resources.GetOperation(c.Context(), c.Param("operationId"))
	if err != nil || op.UID != acct.UID {
		return web.Reply{}, noOperation(c.Param("operationId"))
	}
	if op.Status == resource.InProgress {
		return a.running(c, op.ResourceID+"/operationResults/"+op.GUID), nil
	}
	return web.Entity("", acct.Modified, accountBody(c, acct)), nil
}

func keysBody(acct account.Account, k account.Keys) *BatchAccountKeys {
	return &BatchAccountKeys{AccountName: &acct.Name, Primary: new(account.EncodeKey(k.Primary)), Secondary: new(account.EncodeKey(k.Secondary))}
}

func (a *API) listKeys(c *web.Call) (web.Reply, error) {
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	keys, err := a.Accounts.Key(c.Context(), acct.UID)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, keysBody(acct, keys)), nil
}

func (a *API) regenerateKey(c *web.Call) (web.Reply, error) {
	var body BatchAccountRegenerateKeyParameters
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	acct, err := a.account(c)
	if err != nil {
		return web.Reply{}, err
	}
	keys, err := a.Accounts.RegenerateKey(c.Context(), acct, string(value(body.KeyName)))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, keysBody(acct, keys)), nil
}

func (a *API) getQuotas(c *web.Call) (web.Reply, error) {
	if err := knownRegion(c.Param("locationName")); err != nil {
		return web.Reply{}, err
	}
	return web.Entity("", 0, &BatchLocationQuota{AccountQuota: new(int32(a.Accounts.AccountQuota()))}), nil //nolint:gosec // quotas are small
}

func (a *API) checkName(c *web.Call) (web.Reply, error) {
	var body BatchCheckNameAvailabilityParameters
	if err := c.Decode(&body); err != nil {
		return web.Reply{}, err
	}
	if t := value(body.Type); t != account.TypeAccount {
		return web.Reply{}, fault.Property("type", clip(t), "The value must be "+account.TypeAccount)
	}
	reason, message, err := a.Accounts.NameAvailable(c.Context(), value(body.Name), c.Param("locationName"))
	if err != nil {
		return web.Reply{}, err
	}
	answer := &BatchCheckNameAvailabilityResult{NameAvailable: new(reason == "")}
	if reason != "" {
		answer.Reason, answer.Message = new(BatchNameAvailabilityReason(reason)), &message
	}
	return web.Entity("", 0, answer), nil
}

func knownRegion(name string) error {
	if _, _, ok := account.Region(name); !ok {
		return fault.Newf("LocationNotAvailableForResourceType", "The provided location '%s' is not available. Locations are the names of Azure's regions, such as westeurope or eastus.", clip(name))
	}
	return nil
}
