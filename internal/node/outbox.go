package node

import (
	"sync"
	"time"

	"millpond/internal/node/wire"
)

// reportsPerFrame bounds one frame of reports (about 200 bytes each).
const reportsPerFrame = wire.MaxReports

// saveAgain is the wait before the journal is tried again on a full disk.
const saveAgain = time.Second

// outbox holds the reports the service has not acked, in order of Seq. Every
// report is journaled before it is sent, and sent again on every connection
// until it is acked. One goroutine (run) writes: reports that arrive while it is
// busy share the next write and the next frame.
type outbox struct {
	mu      sync.Mutex
	journal *journal
	full    int64 // journal size that calls for a rewrite
	seq     int64
	pending []wire.Report
	written int // how many of pending are journaled
	sent    int // how many of pending went out on conn; never above written
	acked   int64
	dropped []wire.Held
	open    map[attemptKey]*accepted // no end reported yet
	conn    *wire.Conn
	lost    func()        // ends the session conn belongs to
	wake    chan struct{} // capacity 1
}

// newOutbox goes on where the journal ends: attempts without an end died with
// the agent that ran them.
func newOutbox(j *journal, p past) *outbox {
	o := &outbox{
		journal: j, full: journalFull, seq: p.seq, pending: p.pending, written: len(p.pending),
		open: map[attemptKey]*accepted{}, wake: make(chan struct{}, 1),
	}
	for _, a := range p.orphans {
		o.open[a.key()] = &a
		o.add(lostReport(a))
	}
	return o
}

// accept journals attempts before any of their processes may exist. It returns
// those that are new; one that is held already is not run twice. On an error
// they are held but must not be run, only reported as ended.
func (o *outbox) accept(tasks []wire.Task) ([]wire.Task, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var fresh []wire.Task
	var recs []record
	for _, t := range tasks {
		k := attemptKey{t.UID, t.Attempt}
		if o.open[k] != nil || o.endPending(k) {
			continue
		}
		o.open[k] = &accepted{UID: t.UID, Attempt: t.Attempt, Kind: t.Kind}
		fresh = append(fresh, t)
		recs = append(recs, record{Accept: o.open[k]})
	}
	if len(recs) == 0 {
		return nil, nil
	}
	return fresh, o.journal.write(recs)
}

func (o *outbox) endPending(k attemptKey) bool {
	for i := len(o.pending) - 1; i >= 0; i-- {
		r := &o.pending[i]
		if r.Event == wire.EventEnded && r.TaskUID == k.uid && r.Attempt == k.attempt {
			return true
		}
	}
	return false
}

// add numbers and queues the report of an open attempt. What was forgotten
// meanwhile has nothing to report.
func (o *outbox) add(r wire.Report) {
	o.mu.Lock()
	k := attemptKey{r.TaskUID, r.Attempt}
	a := o.open[k]
	if a == nil {
		o.mu.Unlock()
		return
	}
	if r.Event == wire.EventEnded {
		delete(o.open, k)
	} else {
		a.Started = r.At
	}
	o.seq++
	r.Seq = o.seq
	o.pending = append(o.pending, r)
	o.mu.Unlock()
	o.poke()
}

// ack drops every report up to seq.
func (o *outbox) ack(seq int64) {
	o.mu.Lock()
	n := 0
	for n < o.written && o.pending[n].Seq <= seq {
		n++
	}
	o.pending = o.pending[n:]
	o.written -= n
	o.sent = max(0, o.sent-n)
	o.acked = max(o.acked, min(seq, o.seq))
	if len(o.pending) == 0 {
		o.pending = nil // lets a burst's memory go
	}
	full := o.journal.size > o.full
	o.mu.Unlock()
	if full {
		o.poke()
	}
}

// forget drops attempts the service wants to hear nothing more of.
func (o *outbox) forget(held []wire.Held) {
	o.mu.Lock()
	for _, h := range held {
		k := attemptKey{h.TaskUID, h.Attempt}
		delete(o.open, k)
		for i := 0; i < len(o.pending); {
			if o.pending[i].TaskUID != h.TaskUID || o.pending[i].Attempt != h.Attempt {
				i++
				continue
			}
			o.pending = append(o.pending[:i:i], o.pending[i+1:]...)
			if i < o.written {
				o.written--
			}
			if i < o.sent {
				o.sent--
			}
		}
		o.dropped = append(o.dropped, h)
	}
	o.mu.Unlock()
	o.poke()
}

// held lists what Hello tells: open attempts, and ended ones not yet acked.
func (o *outbox) held() []wire.Held {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []wire.Held
	for k := range o.open {
		list = append(list, wire.Held{TaskUID: k.uid, Attempt: k.attempt})
	}
	for _, r := range o.pending {
		if r.Event == wire.EventEnded {
			list = append(list, wire.Held{TaskUID: r.TaskUID, Attempt: r.Attempt, Ended: true})
		}
	}
	return list
}

// attach makes conn the way out and sends everything unacked over it; nil
// detaches. lost is called when a send fails.
func (o *outbox) attach(conn *wire.Conn, lost func()) {
	o.mu.Lock()
	o.conn, o.lost, o.sent = conn, lost, 0
	o.mu.Unlock()
	o.poke()
}

func (o *outbox) poke() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// run writes and sends until stop is closed.
func (o *outbox) run(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-o.wake:
		}
		for o.step() {
		}
	}
}

// step journals what is new and sends one frame; false when nothing is left.
func (o *outbox) step() bool {
	o.mu.Lock()
	if o.save() != nil {
		// The disk is full, most likely by a task. What is not journaled is not
		// sent; the rest waits for space.
		time.AfterFunc(saveAgain, o.poke)
	}
	conn, lost := o.conn, o.lost
	n := min(o.written-o.sent, reportsPerFrame)
	if conn == nil || n == 0 {
		o.mu.Unlock()
		return false
	}
	batch := append([]wire.Report(nil), o.pending[o.sent:o.sent+n]...)
	o.sent += n // before the send: an ack may overtake its return
	o.mu.Unlock()

	if err := conn.Send(wire.Frame{Reports: batch}); err != nil {
		lost()
		return false
	}
	return true
}

// save brings the journal up to date; called with mu held.
func (o *outbox) save() error {
	var recs []record
	for i := range o.dropped {
		recs = append(recs, record{Forget: &o.dropped[i]})
	}
	for i := o.written; i < len(o.pending); i++ {
		recs = append(recs, record{Report: &o.pending[i]})
	}
	if o.journal.size > o.full && len(o.pending) < reportsPerFrame {
		return o.compact()
	}
	if len(recs) > 0 {
		if o.acked > 0 {
			recs = append(recs, record{Ack: o.acked})
		}
		if err := o.journal.write(recs); err != nil {
			return err
		}
	}
	o.dropped = nil
	o.written = len(o.pending)
	return nil
}

// compact rewrites the journal with what still matters; called with mu held.
func (o *outbox) compact() error {
	recs := []record{{Seq: o.seq}}
	for _, a := range o.open {
		recs = append(recs, record{Accept: a})
	}
	for i := range o.pending {
		recs = append(recs, record{Report: &o.pending[i]})
	}
	if err := o.journal.rewrite(recs); err != nil {
		return err
	}
	o.full = max(journalFull, 2*o.journal.size)
	o.dropped = nil
	o.written = len(o.pending)
	return nil
}
