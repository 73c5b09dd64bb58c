package store

import (
	"context"
	"database/sql"
	"fmt"

	"millpond/internal/job"
	"millpond/internal/pool"
)

// slack is how many tasks beyond the free slots are looked at when some task
// found no room, so that one which needs many slots does not keep the others
// from running.
const slack = 64

var (
	poolKeyOf = define(`SELECT account_uid, id_key FROM pools WHERE uid = $1`)

	// Jobs with work, in the order they are served; all of them, since the first
	// may have only tasks that are too wide. A job at its limit of parallel tasks
	// has none.
	jobsWithWork = define(`
		SELECT no, max_parallel, uid FROM jobs
		WHERE account_uid = $1 AND pool_key = $2 AND state = 'active' AND active > 0
		AND (max_parallel <= 0 OR running < max_parallel)
		ORDER BY priority DESC, created, no`)
	// Not on SQLite, where there is one writer, but on PostgreSQL another claim
	// may have used up a limited job meanwhile.
	runningOfJob = define(`SELECT running FROM jobs WHERE no = $1 {lock}`)
	activeTasks  = define(taskRow + `WHERE t.job = $1 AND t.state = 'active' AND t.slots <= $2 ORDER BY t.seq LIMIT $3 {lock t skip}`)
)

type workingJob struct {
	no, limit int64
	uid       string
}

// claim is one run of ClaimTasks.
type claim struct {
	*batch
	accountUID, poolKey string
	offers              []job.Offer // those that stand
	free, widest        int         // slots free in all; most slots of one node
	jobs                map[int64]*job.Job
	claimed             []*storedTask
}

// ClaimTasks satisfies job.TaskStore. Offers of nodes that are gone, not idle or
// running, disabled or in another boot are dropped, and no offer is larger than
// what the node's row has free. A missing pool gives PoolNotFound.
func (db *DB) ClaimTasks(ctx context.Context, poolUID string, offers []job.Offer, place job.Place) ([]job.Assignment, error) {
	var out []job.Assignment
	err := db.write(ctx, func(t *tx) error {
		out = nil
		c := &claim{batch: newBatch(t), jobs: map[int64]*job.Job{}}
		if err := c.findPool(poolUID); err != nil {
			return err
		}
		if err := c.standing(poolUID, offers); err != nil || c.free == 0 {
			return err
		}
		if err := c.fill(place); err != nil {
			return err
		}
		if err := c.flush(); err != nil {
			return err
		}
		for _, s := range c.claimed {
			out = append(out, job.Assignment{Task: s.Task, Job: c.jobs[s.job]})
		}
		return nil
	})
	return out, err
}

func (c *claim) findPool(uid string) error {
	_, err := one(&c.t.reader, poolKeyOf, noPool, func(rows *sql.Rows) (bool, error) {
		return true, rows.Scan(&c.accountUID, &c.poolKey)
	}, uid)
	return err
}

// standing keeps the offers whose nodes may run tasks now.
func (c *claim) standing(poolUID string, offers []job.Offer) error {
	uids := make([]any, 0, len(offers))
	for _, o := range offers {
		uids = append(uids, o.NodeUID)
	}
	if err := c.lockNodes(uids); err != nil {
		return err
	}
	for _, o := range offers {
		n := c.nodes[o.NodeUID]
		if n == nil || n.PoolUID != poolUID || n.BootID != o.BootID || n.Scheduling == "disabled" ||
			n.State != pool.NodeIdle && n.State != pool.NodeRunning {
			continue
		}
		if n.Slots > 0 {
			o.Free = min(o.Free, n.Slots-n.RunningSlots)
		}
		if o.Free <= 0 {
			continue
		}
		c.offers = append(c.offers, o)
		c.free += o.Free
		c.widest = max(c.widest, o.Free, o.Total, n.Slots)
	}
	return nil
}

// fill places tasks on the offers. It first looks at as many tasks as would
// fill them; when some of those found no room, it looks further.
func (c *claim) fill(place job.Place) error {
	found, err := c.candidates(c.free, c.free)
	if err != nil || len(found) == 0 {
		return err
	}
	plan := place(c.offers, c.asCandidates(found))
	if len(plan) < len(found) && c.planned(found, plan) < c.free {
		if found, err = c.candidates(c.free+slack, 1<<62); err != nil {
			return err
		}
		plan = place(c.offers, c.asCandidates(found))
	}
	return c.carryOut(found, plan)
}

func (c *claim) planned(found []*storedTask, plan []job.Placement) int {
	sum := 0
	for _, p := range plan {
		sum += int(slotsOf(found[p.Candidate].Task))
	}
	return sum
}

// asCandidates gives the placement rule copies: it may be asked again.
func (c *claim) asCandidates(found []*storedTask) []job.Candidate {
	out := make([]job.Candidate, len(found))
	for i, s := range found {
		out[i] = job.Candidate{Task: s.Task, Job: c.jobs[s.job]}
	}
	return out
}

// candidates reads up to limit tasks in the order they shall run, and stops
// early when they would take slots.
func (c *claim) candidates(limit, slots int) ([]*storedTask, error) {
	working, err := list(&c.t.reader, jobsWithWork, func(rows *sql.Rows) (w workingJob, err error) {
		err = rows.Scan(&w.no, &w.limit, &w.uid)
		return w, err
	}, c.accountUID, c.poolKey)
	if err != nil {
		return nil, err
	}
	var found []*storedTask
	for _, w := range working {
		want := limit - len(found)
		if w.limit > 0 {
			running, err := one(&c.t.reader, runningOfJob, nil, scanInt, w.no)
			if err != nil {
				return nil, err
			}
			want = min(want, int(w.limit-running))
		}
		if want <= 0 {
			continue
		}
		before := len(found)
		err := each(&c.t.reader, activeTasks, func(rows *sql.Rows) (bool, error) {
			s, err := scanStoredTask(rows)
			found = append(found, s)
			slots -= int(slotsOf(s.Task))
			return slots > 0, err
		}, w.no, c.widest, want)
		if err != nil {
			return nil, err
		}
		if len(found) > before && c.jobs[w.no] == nil {
			j, err := one(&c.t.reader, jobByUID, noJob, scanJob, w.uid)
			if err != nil {
				return nil, err
			}
			c.jobs[w.no] = j
		}
		if slots <= 0 || len(found) >= limit {
			break
		}
	}
	return found, nil
}

// carryOut makes the placed tasks running, after checking that the rule kept to
// the offers.
func (c *claim) carryOut(found []*storedTask, plan []job.Placement) error {
	free := make([]int, len(c.offers))
	for i, o := range c.offers {
		free[i] = o.Free
	}
	taken := make([]bool, len(found))
	for _, p := range plan {
		if p.Candidate < 0 || p.Candidate >= len(found) || p.Offer < 0 || p.Offer >= len(free) || taken[p.Candidate] {
			return fmt.Errorf("store: the placement rule gave %+v for %d tasks and %d offers", p, len(found), len(free))
		}
		s := found[p.Candidate]
		if free[p.Offer] -= int(slotsOf(s.Task)); free[p.Offer] < 0 {
			return fmt.Errorf("store: the placement rule gave node %s more than its free slots", c.offers[p.Offer].NodeUID)
		}
		taken[p.Candidate] = true
		c.start(s, c.offers[p.Offer])
	}
	return nil
}

// start begins a task's next attempt on a node.
func (c *claim) start(s *storedTask, o job.Offer) {
	now := c.t.after(s.tick)
	c.batch.jobs.add(s.job, s.Task, -1)
	s.Previous, s.PreviousAt = s.State, s.StateAt
	s.State, s.StateAt, s.tick = job.Running, now, now
	s.Attempt++
	s.Start, s.End, s.ExitCode, s.Failure, s.Result = now, 0, nil, nil, ""
	s.NodeUID, s.NodeID, s.PoolID = o.NodeUID, o.NodeID, c.jobs[s.job].Spec.PoolID
	c.batch.jobs.add(s.job, s.Task, +1)
	c.write(s)
	c.use(o.NodeUID, +1, slotsOf(s.Task), s)
	c.opened = append(c.opened, s.seq, int64(s.Attempt), o.NodeUID, o.BootID, int64(now), int64(0), int64(0), "")
	c.claimed = append(c.claimed, s)
	c.t.changed("task", s.UID, pool.Event{}, job.Active, job.Running, s.Attempt)
}
