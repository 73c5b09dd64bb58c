// Package job owns jobs, tasks and attempts: their specifications with Azure's
// defaults, the rules of every change, the task state machine, and the pure
// decisions which task goes to which node and what an attempt's end means.
//
// It refuses to own nodes (pool), the queue's loop (schedule), SQL (store) and
// wire shapes (web/batchapi). Faces and schedule call it.
package job
