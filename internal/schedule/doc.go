// Package schedule is the loops that make wishes true: pools get their nodes,
// nodes their machines, tasks their nodes, and ends are carried out (Scheduler);
// images and replicas are made and verified (Images), virtual machines started
// and stopped (VMs), groups and accounts emptied and removed (Deletes). A pass
// reads facts, lets a pure rule of a noun decide, acts through a provider or
// an agent, and records. Passes are woken by events, swept every 30 s,
// idempotent, and find all they need in the store, so a crash anywhere is
// healed by the next pass.
//
// It refuses to own rules (the nouns do), SQL (store), sessions (web/nodeapi)
// and machines (provider). app starts it; web/nodeapi tells it what agents
// say through job.Agents.
package schedule
