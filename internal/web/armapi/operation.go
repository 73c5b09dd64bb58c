package armapi

import (
	"net/http"
	"strings"

	"millpond/internal/account"
	"millpond/internal/fault"
	"millpond/internal/resource"
	"millpond/internal/web"
)

// family is where operations of a kind of resource are polled, the last path
// word before the GUID (facts/wire.md 3.4, 3.6).
type family string

const (
	capsOperations family = "capsOperations" // galleries, definitions, versions
	vmOperations   family = "operations"     // images, virtual machines
	diskOperations family = "DiskOperations" // disks, snapshots
)

// retryAfter is sent with every unfinished reply: Azure's clients wait thirty
// seconds without it (facts/az.md 3).
const retryAfter = "1"

func (a *API) operationRoutes() []web.Route {
	rows := []web.Route{
		{Operation: "ResourceGroupsClient.DeleteResult", Method: "GET", Pattern: "/subscriptions/{subscriptionId}/operationresults/{operationId}", Status: 200, Handle: a.pollGroup},
	}
	for _, f := range []family{capsOperations, vmOperations, diskOperations} {
		rows = append(rows, web.Route{
			Operation: "Operations." + string(f), Method: "GET", Status: 200, Handle: a.pollCompute(f),
			Pattern: "/subscriptions/{subscriptionId}/providers/Microsoft.Compute/locations/{location}/" + string(f) + "/{operationId}",
		})
	}
	return rows
}

// accepted answers a request of Microsoft.Compute whose work goes on: 201 or
// 200 with Azure-AsyncOperation, 202 with Location too. body may be nil. An
// operation that ended already (Status Succeeded) is answered the same way; its
// first poll says so.
func (a *API) accepted(c *web.Call, status int, f family, op resource.Operation, body any) web.Reply {
	id, err := resource.ParseID(op.ResourceID)
	if err != nil {
		id.Subscription = c.Param("subscriptionId")
	}
	where := c.Mount.Base + "/subscriptions/" + id.Subscription + "/providers/Microsoft.Compute/locations/" + op.Location + "/" + string(f) + "/" + op.GUID
	query := "api-version=" + c.Version
	if f != capsOperations {
		query = "p=" + op.GUID + "&" + query
	}
	h := http.Header{"Retry-After": {retryAfter}, "X-Ms-Request-Id": {op.GUID}}
	h.Set("Azure-AsyncOperation", where+"?"+query)
	if status == http.StatusAccepted {
		h.Set("Location", where+"?monitor=true&"+query)
	}
	return web.Reply{Status: status, Header: h, Body: body}
}

// running is 202 with a Location to poll, the form of groups and accounts.
func (a *API) running(c *web.Call, path string) web.Reply {
	return web.Reply{Status: http.StatusAccepted, Header: http.Header{
		"Location": {c.Mount.Base + path + "?api-version=" + c.Version}, "Retry-After": {retryAfter},
	}}
}

// poll is what Azure-AsyncOperation answers; endTime stands before status.
type poll struct {
	Start      web.Compute  `json:"startTime"`
	End        *web.Compute `json:"endTime"`
	Status     string       `json:"status"`
	Properties *pollOutput  `json:"properties"`
	Error      *pollError   `json:"error"`
	Name       string       `json:"name"`
}

type pollOutput struct {
	Output any `json:"output"`
}

type pollError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// operation finds an operation the caller may see: whoever may read the
// resource may poll, wherever in the subscription the polling address lies.
func (a *API) operation(c *web.Call) (resource.Operation, error) {
	op, err := a.Resources.GetOperation(c.Context(), c.Param("operationId"))
	if err != nil {
		return op, err
	}
	id, err := resource.ParseID(op.ResourceID)
	if err != nil || !sameSubscription(c, op) {
		return op, noOperation(c.Param("operationId"))
	}
	action := id.Type() + "/read"
	if id.Provider == "" {
		action = "Microsoft.Resources/subscriptions/resourceGroups/read"
	}
	return op, a.Identity.Require(c.Context(), c.Principal, action, op.ResourceID)
}

// sameSubscription keeps an operation from being seen through another
// subscription's address.
func sameSubscription(c *web.Call, op resource.Operation) bool {
	id, err := resource.ParseID(op.ResourceID)
	return err == nil && strings.EqualFold(id.Subscription, c.Param("subscriptionId"))
}

func noOperation(name string) error {
	return fault.Newf("OperationNotFound", "The operation '%s' could not be found.", clip(name))
}

func (a *API) pollCompute(f family) web.Handler {
	return func(c *web.Call) (web.Reply, error) {
		op, err := a.operation(c)
		if err != nil {
			return web.Reply{}, err
		}
		if strings.EqualFold(c.Query("monitor"), "true") {
			return a.monitor(c, f, op)
		}
		p := &poll{Start: web.Compute(op.Start), Status: op.Status, Name: op.GUID}
		reply := web.Reply{Body: p}
		switch {
		case op.Status == resource.InProgress:
			reply.Header = http.Header{"Retry-After": {retryAfter}}
			return reply, nil
		case op.Error != nil:
			p.Error = &pollError{Code: op.Error.Code, Message: op.Error.Message}
		case f == diskOperations:
			output, err := a.output(c, op)
			if err != nil {
				return web.Reply{}, err
			}
			if output != nil {
				p.Properties = &pollOutput{output}
			}
		}
		end := web.Compute(op.End)
		p.End = &end
		return reply, nil
	}
}

// monitor is the Location form of a poll: 202 until the end, then the resource
// or nothing.
func (a *API) monitor(c *web.Call, f family, op resource.Operation) (web.Reply, error) {
	switch {
	case op.Status == resource.InProgress:
		return a.accepted(c, http.StatusAccepted, f, op, nil), nil
	case op.Error != nil:
		return web.Reply{}, op.Error
	case f == diskOperations:
		output, err := a.output(c, op)
		return web.Reply{Body: output}, err
	}
	return web.Reply{}, nil
}

func (a *API) pollGroup(c *web.Call) (web.Reply, error) {
	op, err := a.operation(c)
	if err != nil {
		return web.Reply{}, err
	}
	if op.Kind != account.KindGroupDelete {
		return web.Reply{}, noOperation(op.GUID)
	}
	return a.finishedOr(c, op, "/subscriptions/"+c.Param("subscriptionId")+"/operationresults/"+op.GUID)
}

// finishedOr is 202 while the operation runs, its failure, or 200.
func (a *API) finishedOr(c *web.Call, op resource.Operation, path string) (web.Reply, error) {
	switch {
	case op.Status == resource.InProgress:
		return a.running(c, path), nil
	case op.Error != nil:
		return web.Reply{}, op.Error
	}
	return web.Reply{Status: http.StatusOK}, nil
}
