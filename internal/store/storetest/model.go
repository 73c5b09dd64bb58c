package storetest

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millpond/internal/fault"
	"millpond/internal/job"
	"millpond/internal/pool"
)

var modelTests = []subtest{
	{"any sequence of calls does what the model does", func(t *testing.T, f *fixture) {
		if asked := flag.Lookup("rapid.checks"); asked.Value.String() == asked.DefValue {
			f.must(asked.Value.Set("40")) // each sequence has dozens of calls; -rapid.checks asks for more
		}
		runs := 0
		rapid.Check(t, func(rt *rapid.T) {
			runs++
			newModel(f, rt, fmt.Sprintf("account-%d", runs)).run()
		})
	}},
}

// modelTask is what the model knows of a task.
type modelTask struct {
	job, uid, id, state, result, node string
	seq, attempt, slots               int
	ending                            bool
}

// model is the store's promise about the queue in a few maps. Each run has an
// account of its own in one database.
type model struct {
	f       *fixture
	rt      *rapid.T
	account string
	pool    *pool.Pool
	jobs    []*job.Job
	limit   map[string]int // MaxParallelTasks by job uid
	off     map[string]bool
	nodes   []*pool.Node
	down    map[string]bool
	tasks   map[string]*modelTask
	orphans map[attempt]*modelTask // slots that a node still owes
	next    int
}

func newModel(f *fixture, rt *rapid.T, account string) *model {
	m := &model{f: f, rt: rt, account: account, limit: map[string]int{}, off: map[string]bool{}, down: map[string]bool{},
		tasks: map[string]*modelTask{}, orphans: map[attempt]*modelTask{}}
	m.pool = &pool.Pool{AccountUID: account, State: pool.Active, Allocation: pool.Steady, Spec: pool.Spec{ID: "p"}}
	m.must(f.db.CreatePool(f.ctx, m.pool, by))
	for i := range 3 {
		m.nodes = append(m.nodes, &pool.Node{ID: fmt.Sprint("n", i), PoolUID: m.pool.UID, AccountUID: account, Number: i,
			State: pool.NodeIdle, Scheduling: "enabled", Slots: 1 + i, BootID: "boot-1"})
	}
	m.must(f.db.AddNodes(f.ctx, m.nodes, by))
	for i, priority := range []int{0, 5} {
		j := &job.Job{AccountUID: account, State: job.Active,
			Spec: job.Spec{ID: fmt.Sprint("j", i), PoolID: "P", Priority: priority, MaxParallelTasks: -1}}
		m.must(f.db.CreateJob(f.ctx, j, by))
		m.jobs = append(m.jobs, j)
	}
	return m
}

func (m *model) must(err error) {
	if err != nil {
		m.rt.Fatal(err)
	}
}

func (m *model) run() {
	m.rt.Repeat(map[string]func(*rapid.T){
		"add":     func(*rapid.T) { m.add() },
		"claim":   func(*rapid.T) { m.claim() },
		"report":  func(*rapid.T) { m.report() },
		"requeue": func(*rapid.T) { m.requeue() },
		"delete":  func(*rapid.T) { m.delete() },
		"change":  func(*rapid.T) { m.change() },
		"end job": func(*rapid.T) { m.endJob() },
		"job":     func(*rapid.T) { m.changeJob() },
		"node":    func(*rapid.T) { m.changeNode() },
		"check":   func(*rapid.T) { m.must(m.f.db.Check(m.f.ctx)) },
		"":        func(*rapid.T) { m.compare() },
	})
}

func (m *model) pick(what string, n int) int { return rapid.IntRange(0, n-1).Draw(m.rt, what) }

// anyTask draws a task in one of states, or nil.
func (m *model) anyTask(states ...string) *modelTask {
	var fit []*modelTask
	for _, t := range m.inOrder() {
		if len(states) == 0 || slices.Contains(states, t.state) {
			fit = append(fit, t)
		}
	}
	if len(fit) == 0 {
		m.rt.Skip("no such task")
	}
	return fit[m.pick("task", len(fit))]
}

func (m *model) inOrder() []*modelTask {
	return slices.SortedFunc(maps.Values(m.tasks), func(a, b *modelTask) int { return cmp.Compare(a.seq, b.seq) })
}

func (m *model) add() {
	j := m.jobs[m.pick("job", len(m.jobs))]
	var tasks []*job.Task
	for range 1 + m.pick("tasks", 8) {
		tasks = append(tasks, newTask(fmt.Sprint("t", m.pick("id", 30)), 1+m.pick("slots", 3)))
	}
	results, err := m.f.db.AddTasks(m.f.ctx, j.UID, tasks)
	m.must(err)
	for i, t := range tasks {
		known := slices.ContainsFunc(m.inOrder(), func(o *modelTask) bool { return o.job == j.UID && o.id == t.Spec.ID })
		if known != fault.Is(results[i], "TaskExists") {
			m.rt.Fatalf("adding %s, known %v: %v", t.Spec.ID, known, results[i])
		}
		if !known {
			m.next++
			m.tasks[t.UID] = &modelTask{job: j.UID, uid: t.UID, id: t.Spec.ID, state: job.Active, seq: m.next, slots: t.Spec.RequiredSlots}
		}
	}
}

// used is what the store says a node runs: its running tasks and its orphans.
func (m *model) used(node string) (tasks, slots int) {
	for _, t := range m.tasks {
		if t.state == job.Running && t.node == node {
			tasks, slots = tasks+1, slots+t.slots
		}
	}
	for _, o := range m.orphans {
		if o.node == node {
			tasks, slots = tasks+1, slots+o.slots
		}
	}
	return tasks, slots
}

func (m *model) running(job string) int {
	n := 0
	for _, t := range m.tasks {
		if t.job == job && t.state == "running" {
			n++
		}
	}
	return n
}

// queue is what may run now on nodes of up to widest slots, in the order it
// should.
func (m *model) queue(widest int) []*modelTask {
	var out []*modelTask
	for i := len(m.jobs) - 1; i >= 0; i-- { // the second has the higher priority
		j := m.jobs[i].UID
		left := 1 << 30
		if m.limit[j] > 0 {
			left = m.limit[j] - m.running(j)
		}
		for _, t := range m.inOrder() {
			if t.job == j && t.state == job.Active && !m.off[j] && left > 0 && t.slots <= widest {
				out = append(out, t)
				left--
			}
		}
	}
	return out
}

func (m *model) claim() {
	var offers []job.Offer
	free, widest := []int{}, 0
	for _, n := range m.nodes {
		offers = append(offers, offer(n, n.Slots))
		if m.down[n.UID] {
			free = append(free, 0)
			continue
		}
		_, slots := m.used(n.UID)
		free = append(free, n.Slots-slots)
		if n.Slots > slots {
			widest = max(widest, n.Slots)
		}
	}
	var want []string
	for _, t := range m.queue(widest) {
		for i := range free {
			if free[i] >= t.slots {
				free[i] -= t.slots
				want = append(want, t.uid)
				t.state, t.node = job.Running, m.nodes[i].UID
				t.attempt++
				break
			}
		}
	}
	got, err := m.f.db.ClaimTasks(m.f.ctx, m.pool.UID, offers, firstFit)
	m.must(err)
	var uids []string
	for _, a := range got {
		uids = append(uids, a.Task.UID)
	}
	if !slices.Equal(want, uids) {
		m.rt.Fatalf("claimed %v, want %v", uids, want)
	}
}

// report tells the end of a running task's attempt, of an orphan's, or of one
// that is not current.
func (m *model) report() {
	t := m.anyTask()
	news := job.News{TaskUID: t.uid, Attempt: t.attempt - m.pick("back", 2), NodeUID: t.node, Ended: true}
	if len(m.orphans) > 0 && rapid.Bool().Draw(m.rt, "orphan") {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(m.orphans)), func(a, b attempt) int {
			return cmp.Or(cmp.Compare(a.uid, b.uid), cmp.Compare(a.number, b.number))
		})
		news.TaskUID, news.Attempt, news.NodeUID = oldest.uid, oldest.number, m.orphans[oldest].node
	}
	code := m.pick("code", 2)
	news.ExitCode = &code
	got, err := m.f.db.ReportTasks(m.f.ctx, []job.News{news}, settle)
	m.must(err)
	named := attempt{news.TaskUID, news.Attempt}
	if o := m.orphans[named]; o != nil && o.node == news.NodeUID {
		delete(m.orphans, named)
	}
	current := m.tasks[news.TaskUID]
	heard := current != nil && current.state == job.Running && current.attempt == news.Attempt && current.node == news.NodeUID
	if heard != (got[0] != nil) {
		m.rt.Fatalf("%+v heard: %v, want %v", news, got[0] != nil, heard)
	}
	if heard {
		current.state, current.result = job.Completed, []string{job.Success, job.Failure}[code]
	}
}

func (m *model) requeue() {
	n := m.nodes[m.pick("node", len(m.nodes))]
	keep := map[string]int{}
	want := 0
	for _, t := range m.inOrder() {
		if t.state != job.Running || t.node != n.UID {
			continue
		}
		if rapid.Bool().Draw(m.rt, "keep") {
			keep[t.uid] = t.attempt
			continue
		}
		want++
		t.state, t.node = job.Active, ""
	}
	maps.DeleteFunc(m.orphans, func(_ attempt, o *modelTask) bool { return o.node == n.UID })
	got, err := m.f.db.RequeueNode(m.f.ctx, n.UID, keep, again)
	m.must(err)
	if len(got) != want {
		m.rt.Fatalf("%d requeued, want %d", len(got), want)
	}
}

// abandon is what a task leaves behind that goes while it runs.
func (m *model) abandon(t *modelTask) {
	if t.state == job.Running {
		m.orphans[attempt{t.uid, t.attempt}] = &modelTask{node: t.node, slots: t.slots}
	}
}

func (m *model) delete() {
	t := m.anyTask()
	m.abandon(t)
	delete(m.tasks, t.uid)
	m.must(m.f.db.DeleteTask(m.f.ctx, t.uid, by))
}

func (m *model) change() {
	t := m.anyTask()
	m.abandon(t)
	t.state, t.result = job.Completed, job.Failure
	if rapid.Bool().Draw(m.rt, "again") {
		t.state, t.result, t.node = job.Active, "", ""
	}
	_, err := m.f.db.UpdateTask(m.f.ctx, t.uid, by, func(s *job.Task) error {
		s.State, s.Result, s.NodeUID, s.EndWanted = t.state, t.result, t.node, ""
		return nil
	})
	m.must(err)
	t.ending = false
}

func (m *model) endJob() {
	j := m.jobs[m.pick("job", len(m.jobs))]
	for _, t := range m.tasks {
		if t.job == j.UID && t.state == job.Running {
			t.ending = true
		}
	}
	n, err := m.f.db.EndJobTasks(m.f.ctx, j.UID, job.EndByJob)
	m.must(err)
	if n != m.running(j.UID) {
		m.rt.Fatalf("%d are running, want %d", n, m.running(j.UID))
	}
}

func (m *model) changeJob() {
	j := m.jobs[m.pick("job", len(m.jobs))]
	m.limit[j.UID] = m.pick("limit", 4) // 0 = none
	m.off[j.UID] = rapid.Bool().Draw(m.rt, "off")
	_, err := m.f.db.UpdateJob(m.f.ctx, j.UID, by, func(j *job.Job) error {
		j.State, j.Spec.MaxParallelTasks = job.Active, cmp.Or(m.limit[j.UID], -1)
		if m.off[j.UID] {
			j.State = job.Disabled
		}
		return nil
	})
	m.must(err)
}

func (m *model) changeNode() {
	n := m.nodes[m.pick("node", len(m.nodes))]
	m.down[n.UID] = !m.down[n.UID]
	_, err := m.f.db.UpdateNode(m.f.ctx, n.UID, by, func(n *pool.Node) error {
		n.State = pool.NodeIdle
		if n.RunningTasks > 0 {
			n.State = pool.NodeRunning
		}
		if m.down[n.UID] {
			n.State = pool.NodeOffline
		}
		return nil
	})
	m.must(err)
}

// compare holds the store against the model after every step.
func (m *model) compare() {
	for i, j := range m.jobs {
		stored, err := m.f.db.ListTasks(m.f.ctx, j.UID, "", "", 1000)
		m.must(err)
		n := 0
		var want job.Counts
		for _, t := range stored {
			o := m.tasks[t.UID]
			if o == nil || o.job != j.UID || t.State != o.state || t.Attempt != o.attempt || t.Result != o.result ||
				t.State == job.Running && (t.NodeUID != o.node || (t.EndWanted != "") != o.ending) {
				m.rt.Fatalf("stored %+v, model %+v", t, o)
			}
			count(&want, o)
		}
		for _, t := range m.tasks {
			if t.job == j.UID {
				n++
			}
		}
		got, err := m.f.db.GetJob(m.f.ctx, m.account, fmt.Sprint("J", i))
		m.must(err)
		if n != len(stored) || got.Counts != want {
			m.rt.Fatalf("%d tasks stored, %d in the model; counts %+v, want %+v", len(stored), n, got.Counts, want)
		}
	}
	for _, n := range m.nodes {
		got, err := m.f.db.NodeByUID(m.f.ctx, n.UID)
		m.must(err)
		tasks, slots := m.used(n.UID)
		if got.RunningTasks != tasks || got.RunningSlots != slots {
			m.rt.Fatalf("node %s runs %d tasks and %d slots, want %d and %d", n.ID, got.RunningTasks, got.RunningSlots, tasks, slots)
		}
	}
}

func count(c *job.Counts, t *modelTask) {
	n, slots := &c.Failed, &c.FailedSlots
	switch {
	case t.state == job.Active:
		n, slots = &c.Active, &c.ActiveSlots
	case t.state == job.Running:
		n, slots = &c.Running, &c.RunningSlots
	case t.result == job.Success:
		n, slots = &c.Succeeded, &c.SucceededSlots
	}
	*n++
	*slots += t.slots
}
