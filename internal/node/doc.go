// Package node is the agent: the first process of every node and virtual
// machine. It boots the machine (boot*.go), dials the service and keeps a
// session with it, runs the attempts it is given, reports how they end, serves
// files below AZ_BATCH_NODE_ROOT_DIR, keeps the machine's user accounts and
// lets users in by SSH.
//
// It refuses to decide: which attempt runs where, slots, retries and states
// belong to the service. It opens no port, downloads nothing and knows no
// account key. cmd/millpond-node calls Main; web/nodeapi is the far end of the
// session and provider/local the starter, and both know it by node/wire only.
//
// The parts:
//
//	boot*.go      mounts, pivot, first capabilities
//	agent.go      the agent's state; what a welcome, an order, a hello mean
//	session.go    the connection: yamux, control frames, backing off
//	stream.go     what the service may open: files.go, account.go, ssh.go, sweep.go
//	outbox.go     reports until they are acked, over journal.go
//	attempt.go    one attempt from directory (dirs.go, env.go, command.go, runas.go) to end (failure.go)
//	process.go    every child process: start, confine (confined.go, seccomp.go), reap; kill.go ends trees
//	sshsession.go, terminal.go, sftp.go   one SSH session
//
// Decisions, with their reasons where they are made: a task's administrator and
// an SSH administrator have uid 0 (account.go); confinement is a property of the
// thread that forks and costs no process (confined.go); the journal is not
// fsynced (journal.go); leftovers of a process group die with the task, daemons
// with sessions of their own do not unless it is ended by force (kill.go).
//
// Children are waited for in one place (process.go), because PID 1 must bury
// orphans: os/exec and os.StartProcess must not be used in this package.
package node
