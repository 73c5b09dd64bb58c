package armapi

import "millpond/internal/web"

// Wire reads and writes this face's bodies. Clients send many api-versions of
// Compute and resources (facts/az.md 6.1), so any dated one is taken and all see
// the superset; property names are read in any case, as Azure's do.
var Wire = &web.Schema{
	Versions: &web.Versions{}, Enums: wireEnums, Names: wireNames, FoldNames: true,
}
