// Package account owns what a customer has before the first pool: the
// subscriptions of a tenant and the providers registered in them, the regions,
// resource groups, and Batch accounts with their keys and quotas.
//
// It refuses to own who may do what (identity does), anything that lives in an
// account (pool, job) and the other things a group holds (gallery, machine):
// deleting a group asks its caller, a schedule loop, to delete those. It stores
// no address of any kind; an account's endpoint is built by the face that is
// asked. web/armapi, schedule and app call it; web/batchapi and gallery reach it
// through small interfaces of theirs, which app fills.
package account
