// Package bench measures whole deployments: nodes from an image version until
// idle against a bare fork and exec of the same agent, and tasks from submission
// until all are completed against xargs. Figures are ratios of one run; times
// alone mean little on shared machines. `make bench` runs it.
package bench
