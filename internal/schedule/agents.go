package schedule

import (
	"context"
	"crypto/subtle"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

type lostRule = func(t *job.Task, now resource.Ticks)

// errStale is answered to an agent that is not the one the row waits for.
var errStale = fault.New("NodeBootStale", "this boot is not the one the service knows")

// Hello receives an agent. The first hello of a boot makes the node usable, or
// starts its start task; a later one of the same boot (a restarted service, a
// broken connection) only brings both sides' lists of attempts together.
func (s *Scheduler) Hello(ctx context.Context, g job.Greeting) (job.Reception, error) {
	n, err := s.Store.NodeByUID(ctx, g.NodeUID)
	if fault.Is(err, "NodeNotFound") {
		r, known, err := s.Machines.Hello(ctx, g)
		if err != nil || known {
			return r, err
		}
		return job.Reception{Refused: "the machine is not known"}, nil
	}
	if err != nil {
		return job.Reception{}, err
	}
	p, err := s.Store.PoolByUID(ctx, n.PoolUID)
	if err != nil {
		return job.Reception{}, err
	}
	owner, err := s.Owners.OwnerByUID(ctx, n.AccountUID)
	if err != nil {
		return job.Reception{}, err
	}
	now := s.Clock.Now()
	first, start := false, 0
	n, err = s.Store.UpdateNode(ctx, n.UID, system("Hello"), func(n *pool.Node) error {
		first, start = n.HelloBoot != g.BootID, 0
		return s.greet(p, n, g, now, &start)
	})
	if fault.CodeOf(err) == errStale.Code {
		return job.Reception{Refused: errStale.Message}, nil
	}
	if err != nil {
		return job.Reception{}, err
	}
	r := job.Reception{Epoch: n.Epoch, Node: n, Pool: p, Account: owner.Name, Users: logins(p, n, now), SSHPort: n.SSHPort}
	if start > 0 {
		r.Start = &job.StartOrder{Task: *p.Spec.StartTask, Attempt: start}
	}
	if err := s.compare(ctx, n, g, first, &r); err != nil {
		return job.Reception{}, err
	}
	return r, nil
}

// greet is what a hello changes in the node's row.
func (s *Scheduler) greet(p *pool.Pool, n *pool.Node, g job.Greeting, now resource.Ticks, start *int) error {
	if n.BootID != g.BootID || subtle.ConstantTimeCompare([]byte(n.TokenHash), []byte(HashToken(g.Token))) != 1 ||
		n.State == pool.NodeLeaving {
		return errStale
	}
	n.Epoch++
	n.AgentVer = g.AgentVersion
	task := p.Spec.StartTask
	if n.HelloBoot == g.BootID {
		if n.Start != nil && n.Start.State == "running" && task != nil && !holds(g.Held, n.UID, n.Start.Attempt) {
			*start = n.Start.Attempt // the order was lost on its way
		}
		return nil
	}
	switch n.State {
	case pool.NodeCreating, pool.NodeRebooting, pool.NodeReimaging:
		if err := s.machineUp(n); err != nil {
			return err
		}
	}
	n.HelloBoot, n.LastBoot, n.AgentAt, n.OSRelease = g.BootID, now, now, g.OSRelease
	n.Start = nil
	if task == nil {
		return n.Move(pool.AgentUp, now)
	}
	*start = n.BeginStart(now)
	if task.WaitForSuccess {
		return n.Move(pool.AgentUpMustWait, now)
	}
	return n.Move(pool.AgentUp, now)
}

// compare brings the attempts the store thinks run on the node and those the
// agent holds together.
func (s *Scheduler) compare(ctx context.Context, n *pool.Node, g job.Greeting, first bool, r *job.Reception) error {
	// A claim under way on the strength of the last session may order into the
	// void: let it end, so that its attempts are among those read here.
	s.fleet.drop(n.UID)
	s.fleet.passClaims()
	running, err := s.Store.RunningOn(ctx, n.UID)
	if err != nil {
		return err
	}
	should := map[string]int{}
	for _, t := range running {
		should[t.UID] = t.Attempt
	}
	keep := map[string]int{}
	for _, h := range g.Held {
		switch {
		case h.TaskUID == n.UID: // the start task
		case should[h.TaskUID] == h.Attempt && h.Attempt > 0:
			keep[h.TaskUID] = h.Attempt
		case !h.Ended:
			r.Forget = append(r.Forget, h)
		}
	}
	used := 0
	if first {
		// Another boot: what it does not hold died with the one before.
		if len(keep) < len(running) {
			if err := s.requeue(ctx, n.UID, keep, job.Lost); err != nil {
				return err
			}
		}
	} else {
		for _, t := range running {
			if keep[t.UID] == t.Attempt {
				continue
			}
			j, err := s.Store.JobByUID(ctx, t.JobUID)
			if err != nil {
				return err
			}
			r.Resend = append(r.Resend, job.Assignment{Task: t, Job: j})
		}
	}
	for _, t := range running {
		if !first || keep[t.UID] == t.Attempt {
			used += t.Spec.RequiredSlots
		}
	}
	s.fleet.put(r.Pool, n, used)
	return nil
}

// Ready tells that the agent got its welcome: tasks may come.
func (s *Scheduler) Ready(nodeUID string) {
	if poolUID := s.fleet.ready(nodeUID); poolUID != "" {
		s.queue.wake(poolUID)
	}
	s.nodes.wake(nodeUID) // what it was asked while it booted
	s.ends.wake("")
}

func holds(held []job.Held, uid string, attempt int) bool {
	for _, h := range held {
		if h.TaskUID == uid && h.Attempt == attempt {
			return true
		}
	}
	return false
}

// logins are the accounts the node must have: the pool's and those added to
// the node that have not expired.
func logins(p *pool.Pool, n *pool.Node, now resource.Ticks) []job.Login {
	var out []job.Login
	for _, a := range p.Spec.UserAccounts {
		l := job.Login{Name: a.Name, Admin: a.Elevation == "admin", PasswordHash: a.PasswordHash}
		if a.UID != nil {
			l.UID = *a.UID
		}
		if a.GID != nil {
			l.GID = *a.GID
		}
		out = append(out, l)
	}
	for _, u := range n.Users {
		if u.Expiry <= now {
			continue
		}
		l := job.Login{Name: u.Name, Admin: u.Admin, PasswordHash: u.PasswordHash, Expiry: u.Expiry, Login: true}
		if u.SSHKey != "" {
			l.SSHKeys = []string{u.SSHKey}
		}
		out = append(out, l)
	}
	return out
}

// News stores what an agent reports and gives freed slots new work.
func (s *Scheduler) News(ctx context.Context, nodeUID, bootID string, tasks []job.News, start []pool.StartNews) error {
	for _, news := range start {
		if err := s.startNews(ctx, nodeUID, bootID, news); err != nil {
			return err
		}
	}
	if len(tasks) == 0 {
		return nil
	}
	stored, err := s.Store.ReportTasks(ctx, tasks, job.SettleNews)
	if err != nil {
		return err
	}
	freed, ends, stray := 0, false, false
	for i, t := range stored {
		if !tasks[i].Ended {
			continue
		}
		if t == nil {
			stray = true
			continue
		}
		freed += t.Spec.RequiredSlots
		if t.State == job.Active { // to be tried again, by any node of its pool
			s.WakeWork(t.AccountUID, t.PoolID)
		}
		ends = ends || (t.Failure != nil && t.Failure.Code == "TaskEnded")
	}
	poolUID := s.fleet.take(nodeUID, -freed)
	if stray {
		poolUID = s.recount(ctx, nodeUID)
	}
	if poolUID != "" {
		s.queue.wake(poolUID)
	}
	closed := !s.fleet.open(nodeUID)
	if closed {
		s.nodes.wake(nodeUID) // a leaver that waits for its last task
	}
	if ends || stray || closed { // where a node is open, the queue's pass wakes the ends
		s.ends.wake("")
	}
	return nil
}

// recount sets a node's free slots from its row again.
func (s *Scheduler) recount(ctx context.Context, nodeUID string) string {
	s.fleet.claiming.Lock()
	defer s.fleet.claiming.Unlock()
	n, err := s.Store.NodeByUID(ctx, nodeUID)
	if err != nil {
		return ""
	}
	return s.fleet.refresh(n)
}

func (s *Scheduler) startNews(ctx context.Context, nodeUID, bootID string, news pool.StartNews) error {
	n, err := s.Store.NodeByUID(ctx, nodeUID)
	if fault.Is(err, "NodeNotFound") {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := s.Store.PoolByUID(ctx, n.PoolUID)
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	attempt := 0
	_, err = s.Store.UpdateNode(ctx, nodeUID, system("StartTask"), func(n *pool.Node) error {
		attempt = 0
		if n.BootID == bootID && n.HearStart(p.Spec.StartTask, news, now) {
			attempt = n.BeginStart(now)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if attempt > 0 {
		return s.Nodes.Start(nodeUID, job.StartOrder{Task: *p.Spec.StartTask, Attempt: attempt})
	}
	s.recount(ctx, nodeUID)
	s.queue.wake(p.UID)
	return nil
}

// Gone takes a node whose session broke out of dispatch until its next hello,
// which may have come already.
func (s *Scheduler) Gone(nodeUID string, epoch int64) { s.fleet.dropEpoch(nodeUID, epoch) }

// SSHAt records where a virtual machine is entered; a node's port is recorded
// by the call that asked for it.
func (s *Scheduler) SSHAt(ctx context.Context, uid, host string, port int) error {
	return s.Machines.SSHAt(ctx, uid, host, port)
}
