// Package web is the HTTP toolbox of the faces: route table, the steps every
// request goes through, replies and errors in Azure's two dialects, conditions,
// paging, filters, value formats, strict JSON, api-versions, the shared-key text
// and the request log. It is written so that a handler cannot forget a part.
//
// It refuses to own: any operation (web/batchapi, web/armapi, web/oauth,
// web/adminapi do), rules (nouns do), who may do what (identity does; app wires
// Face.Authenticate and Face.Authorize). The faces and app call it.
//
// # Writing a face
//
// A face is a table of rows and a Face value:
//
//	func (a *API) Routes() []web.Route {
//		return []web.Route{
//			{Operation: "CreatePool", Method: "POST", Pattern: "/pools", Action: "pools/write", Status: 201, Handle: a.createPool},
//			{Operation: "GetTaskFile", Method: "GET", Pattern: "/jobs/{jobId}/tasks/{taskId}/files/{filePath...}", Status: 200, Handle: a.getTaskFile},
//		}
//	}
//	face := &web.Face{
//		Name: "batch", Table: web.NewTable(web.Merge(a.Routes(), contract), false),
//		Dialect: web.Batch, Schema: Wire, BodyLimit: web.BatchBodyLimit,
//		Clock: clock, Log: log, Mount: web.PathMount("/batch/"), Authenticate: ..., Authorize: ...,
//	}
//
// Merge adds the generated table of the whole contract: what is not routed
// answers 501. Resource Manager's tables fold case (NewTable's second argument)
// and use RootMount and web.ARM.
//
// # Writing a handler
//
//	func (a *API) createPool(c *web.Call) (web.Reply, error) {
//		var body PoolAdd
//		if err := c.Decode(&body); err != nil { // unknown, missing, wrong: Azure's 400
//			return web.Reply{}, err
//		}
//		p, err := a.pools.Create(c.Context(), spec(body), c.Principal)
//		if err != nil { // a *fault.Error; its code decides the status
//			return web.Reply{}, err
//		}
//		return web.Created(p.Modified, c.URL("pools", p.ID)), nil
//	}
//
// Call has Param (unescaped path part), Query, QueryBool, Header, Body, Decode,
// DecodeOptional, Conditions (Check goes into the noun's transaction), Paging,
// NextLink, Filter, Select (applied by the face itself), URL, Self, Principal,
// Now, Version, Mount.Account. Replies are made by Empty, Created, Entity, List
// or by hand; Reply.Stream sends bytes that are not JSON.
//
//	web.Entity("pools/@Element", p.Modified, &Pool{...})
//	web.List("pools", items, c.NextLink(lastKey)) // "" ends the list
//
// Wire structs come from the generator (wire_gen.go): pointers, slices and maps
// that are nil are not written, an empty slice is written as []. Fields use Time
// (At), Duration (For) and Compute, which read and print Azure's formats.
//
// Every code a fault may carry to a client stands in batch_catalogue.go or
// arm_catalogue.go; one that is missing there becomes 500 and its text is hidden.
package web

//go:generate ../../scripts/generate
