// Package contract holds the served interface against the published one: every
// operation of the contract tables is routed, or stands in unsupported.txt with
// the reason and answers 501 (or 404 where its address says nothing). routed.txt
// lists the routed ones by name; it only grows.
//
// It owns no behaviour and nobody imports it. The tables lie outside this
// repository; MILLPOND_SHARED names their folder (default ../../shared from here),
// and without them only the two lists are checked against the faces.
package contract
