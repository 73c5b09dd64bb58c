package armapi

import (
	"millpond/internal/resource"
	"millpond/internal/web"
)

// Compute holds the rooms behind Microsoft.Compute's routes.
type Compute struct{}

// computeRoutes is every row of Microsoft.Compute but the polling of its
// operations.
func (a *API) computeRoutes() []web.Route { return nil }

// output is the body of a finished operation's resource, for polls that carry
// it (disks and snapshots); nil is none.
func (a *API) output(*web.Call, resource.Operation) (any, error) { return nil, nil }
