// Package nodeapi is the face node agents speak to: they dial its socket, the
// connection becomes a yamux session whose first stream carries control frames
// (package wire), and every file read, user change or SSH connection is a
// further stream the service opens.
//
// It owns sessions and ports and nothing that lasts: what agents say goes to
// job.Agents (schedule), what schedule and the Batch face want of a node comes
// in through schedule.Nodes and pool.Reach, which Gateway satisfies.
package nodeapi
