package web

// armEntry is entry, with the code Resource Manager uses for what our rooms
// call otherwise.
type armEntry struct {
	status   int
	sentence string
	code     string
}

// armCatalogue maps codes to status and sentence (facts/wire.md 3.8 and the
// published list of common deployment errors). A code that is not here becomes
// 500 InternalServerError.
var armCatalogue = map[string]armEntry{
	"BadRequest":                           {400, "The request is invalid.", ""},
	"InvalidParameter":                     {400, "One of the request's parameters is invalid.", ""},
	"InvalidRequestContent":                {400, "The request content was invalid and could not be deserialized.", ""},
	"InvalidRequestBody":                   {400, "The request content was invalid and could not be deserialized.", "InvalidRequestContent"},
	"InvalidPropertyValue":                 {400, "The value provided for one of the properties in the request body is invalid.", ""},
	"MissingRequiredProperty":              {400, "A required property was not specified in the request body.", ""},
	"UnsupportedProperty":                  {400, "One of the properties specified in the request body is not supported.", ""},
	"InvalidQueryParameterValue":           {400, "Value for one of the query parameters specified in the request URI is invalid.", ""},
	"MissingApiVersionParameter":           {400, "The api-version query parameter (?api-version=) is required for all requests.", ""},
	"InvalidApiVersionParameter":           {400, "The api-version is invalid. The supported versions are those of the form YYYY-MM-DD, with or without -preview.", ""},
	"InvalidUri":                           {400, "The request URI is invalid.", "InvalidRequestUri"},
	"InvalidResourceName":                  {400, "The resource name is invalid.", ""},
	"InvalidResourceType":                  {400, "The resource type could not be found.", ""},
	"InvalidResourceNamespace":             {404, "The resource namespace is invalid.", ""},
	"LinkedInvalidPropertyId":              {400, "A property holds an id that is invalid.", ""},
	"LinkedAccessCheckFailed":              {403, "The client does not have permission to perform action on the linked scope.", ""},
	"InvalidResourceLocation":              {409, "The resource already exists in another location.", ""},
	"LocationNotAvailableForResourceType":  {400, "The provided location is not available for the resource type.", ""},
	"LocationNotAvailableForResourceGroup": {400, "The provided location is not available for resource groups.", ""},
	"InvalidResourceGroupLocation":         {409, "The resource group already exists in another location.", ""},
	"LocationRequired":                     {400, "The location property is required for this definition.", ""},
	"MissingSubscriptionRegistration":      {409, "The subscription is not registered to use the namespace.", ""},
	"InvalidImage":                         {400, "The image is invalid.", ""},
	"InvalidRoleAssignmentScope":           {400, "The scope of the role assignment is invalid.", ""},
	"InvalidRoleDefinitionId":              {400, "The role definition id is invalid.", ""},
	"RoleDefinitionDoesNotExist":           {400, "The specified role definition does not exist.", ""},
	"PrincipalNotFound":                    {400, "The principal does not exist in the directory.", ""},
	"InvalidAccountName":                   {400, "The Batch account name is invalid.", ""},
	"InvalidPrincipalId":                   {400, "The principal id is invalid.", ""},
	"InvalidRoleAssignmentId":              {400, "The role assignment id is invalid.", ""},
	"Request_UnsupportedQuery":             {400, "The query is not supported.", ""},
	"OperationNotSupported":                {400, "The operation is not supported.", ""},

	"AuthenticationFailed":               {401, "Authentication failed.", ""},
	"AuthenticationFailedInvalidHeader":  {401, "Authentication failed. The 'Authorization' header is provided in an invalid format.", ""},
	"InvalidAuthenticationToken":         {401, "The access token is invalid.", ""},
	"ExpiredAuthenticationToken":         {401, "The access token expiry has passed.", ""},
	"InvalidAuthenticationTokenAudience": {401, "The access token has been obtained for the wrong audience or resource.", ""},
	"InvalidAuthenticationTokenTenant":   {401, "The access token is from the wrong issuer.", ""},
	"AuthorizationFailed":                {403, "The client does not have authorization to perform the action over the scope.", ""},
	"InsufficientAccountPermissions":     {403, "The client does not have authorization to perform the action over the scope.", "AuthorizationFailed"},
	"AuthorizationPermissionMismatch":    {403, "The client does not have authorization to perform the action over the scope.", "AuthorizationFailed"},

	"ResourceNotFound":         {404, "The resource was not found.", ""},
	"Request_ResourceNotFound": {404, "The resource does not exist in the directory.", ""},
	"ParentResourceNotFound":   {404, "The parent resource was not found.", ""},
	"ResourceGroupNotFound":    {404, "The resource group could not be found.", ""},
	"SubscriptionNotFound":     {404, "The subscription could not be found.", ""},
	"TenantNotFound":           {404, "The tenant could not be found.", ""},
	"NotFound":                 {404, "The requested entity was not found.", ""},
	"OperationNotFound":        {404, "The operation was not found.", ""},
	"PlatformImageNotFound":    {404, "The platform image was not found.", ""},
	"ImageNotFound":            {404, "The image was not found.", ""},
	"GalleryImageNotFound":     {404, "The gallery image was not found.", ""},
	"RoleAssignmentNotFound":   {404, "The role assignment was not found.", ""},
	"AccountNotFound":          {404, "The specified account does not exist.", ""},
	"PoolNotFound":             {404, "The specified pool does not exist.", ""},

	"UnsupportedHttpVerb": {405, "The resource does not support the HTTP method.", "MethodNotAllowed"},
	"RequestBodyTooLarge": {413, "The request content is larger than permitted.", "RequestContentTooLarge"},
	"ConditionNotMet":     {412, "The condition specified using HTTP conditional header(s) is not met.", "PreconditionFailed"},

	"Conflict":                         {409, "The request conflicts with the state of the resource.", ""},
	"ResourceExists":                   {409, "The resource already exists.", "Conflict"},
	"RoleAssignmentExists":             {409, "The role assignment already exists.", ""},
	"RoleAssignmentUpdateNotPermitted": {400, "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.", ""},
	"OperationNotAllowed":              {409, "The operation is not allowed.", ""},
	"QuotaExceeded":                    {409, "The operation would exceed the quota.", ""},
	"SubscriptionQuotaReached":         {409, "The regional account quota for the subscription has been reached.", ""},
	"AnotherOperationInProgress":       {409, "Another operation is in progress on the resource.", ""},
	"ResourceGroupBeingDeleted":        {409, "The resource group is in deprovisioning state and cannot perform this operation.", ""},
	"ResourceBeingDeleted":             {409, "The resource is being deleted.", "Conflict"},
	"CannotDeleteResource":             {409, "Cannot delete the resource while nested resources exist.", ""},
	"PropertyChangeNotAllowed":         {409, "Changing the property is not allowed.", ""},
	"PropertyUpdateNotAllowed":         {409, "Changing the property is not allowed.", "PropertyChangeNotAllowed"},
	"AccountAlreadyExists":             {409, "The specified account already exists.", ""},
	"ImageUnavailable":                 {409, "The image cannot be made on this machine.", ""},
	"ReplicationFailed":                {409, "The image version could not be replicated.", ""},
	"DiskInUse":                        {409, "The disk is attached to a virtual machine.", ""},
	"VMNotGeneralized":                 {409, "The virtual machine is not generalized.", ""},

	"TooManyRequests":     {429, "The number of requests has exceeded the limit.", ""},
	"InternalServerError": {500, "The server has encountered an internal error.", ""},
	"InternalError":       {500, "The server has encountered an internal error.", "InternalServerError"},
	"NotImplemented":      {501, "The operation is not implemented.", ""},
	"ServerBusy":          {503, "The server is busy. Please try again.", "ServiceUnavailable"},
}
