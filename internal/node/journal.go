package node

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"millpond/internal/node/wire"
)

const (
	journalName = "journal"
	journalFull = 1 << 20 // bytes from which acked history is dropped
)

// record is one line of the journal; exactly one field is set.
type record struct {
	Accept *accepted    `json:"accept,omitempty"` // written before the attempt may start a process
	Report *wire.Report `json:"report,omitempty"` // written before it is sent
	Ack    int64        `json:"ack,omitempty"`    // reports up to here are stored by the service
	Forget *wire.Held   `json:"forget,omitempty"`
	Seq    int64        `json:"seq,omitempty"` // first line after a rewrite: numbers up to here are used
}

// accepted is an attempt this machine took on and whose end is not reported.
type accepted struct {
	UID     string `json:"uid"`
	Attempt int    `json:"attempt"`
	Kind    string `json:"kind"`
	Started int64  `json:"started,omitempty"`
}

func (a accepted) key() attemptKey { return attemptKey{a.UID, a.Attempt} }

// journal is the append-only file of the attempts this machine took on. It is
// written without fsync: it outlives the agent, the node host and the service,
// but not a power cut. After a power cut the machine itself is gone, the
// service finds the attempts not held and requeues them, so nothing is lost.
type journal struct {
	dir  *os.Root
	file *os.File
	size int64
}

// past is what a journal says when it is opened.
type past struct {
	seq     int64         // highest number used
	pending []wire.Report // not acked, in order
	orphans []accepted    // without an end: the agent died under them
}

type attemptKey struct {
	uid     string
	attempt int
}

// openJournal reads the journal below dir and leaves it ready for appending. A
// last line cut short by a crash is dropped: nothing was done on its strength.
func openJournal(dir *os.Root) (*journal, past, error) {
	f, err := dir.OpenFile(journalName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, past{}, err
	}
	p, good, err := readJournal(f)
	if err == nil {
		err = f.Truncate(good)
	}
	if err != nil {
		f.Close()
		return nil, past{}, fmt.Errorf("journal: %w", err)
	}
	return &journal{dir: dir, file: f, size: good}, p, nil
}

func readJournal(r io.Reader) (past, int64, error) {
	var p past
	open := map[attemptKey]*accepted{}
	var order []attemptKey
	var good, acked int64
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return past{}, 0, err
		}
		var rec record
		if json.Unmarshal(line, &rec) != nil {
			break // a torn write; what follows it was never acted on
		}
		good += int64(len(line))
		switch {
		case rec.Accept != nil:
			open[rec.Accept.key()] = rec.Accept
			order = append(order, rec.Accept.key())
		case rec.Report != nil:
			k := attemptKey{rec.Report.TaskUID, rec.Report.Attempt}
			p.seq = max(p.seq, rec.Report.Seq)
			p.pending = append(p.pending, *rec.Report)
			if rec.Report.Event == wire.EventEnded {
				delete(open, k)
			} else if a := open[k]; a != nil {
				a.Started = rec.Report.At
			}
		case rec.Forget != nil:
			k := attemptKey{rec.Forget.TaskUID, rec.Forget.Attempt}
			delete(open, k)
			p.pending = without(p.pending, k)
		case rec.Ack != 0:
			acked = max(acked, rec.Ack)
		case rec.Seq != 0:
			p.seq = max(p.seq, rec.Seq)
		}
	}
	for len(p.pending) > 0 && p.pending[0].Seq <= acked {
		p.pending = p.pending[1:]
	}
	for _, k := range order {
		if a := open[k]; a != nil {
			p.orphans = append(p.orphans, *a)
			delete(open, k)
		}
	}
	return p, good, nil
}

// write appends records in one write call, so that a crash tears at most the
// last of them; all or none are there when it returns.
func (j *journal) write(recs []record) error {
	var buf []byte
	for _, r := range recs {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		buf = append(append(buf, line...), '\n')
	}
	if _, err := j.file.WriteAt(buf, j.size); err != nil {
		// A full disk: take back what went through, so that no torn line stays
		// in the middle. Should this fail too, the next write covers it.
		_ = j.file.Truncate(j.size)
		return err
	}
	j.size += int64(len(buf))
	return nil
}

// rewrite replaces the file by recs, atomically.
func (j *journal) rewrite(recs []record) error {
	next, err := j.dir.OpenFile(journalName+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	old := *j
	j.file, j.size = next, 0
	if err = j.write(recs); err == nil {
		err = j.dir.Rename(journalName+".new", journalName)
	}
	if err != nil {
		next.Close()
		_ = j.dir.Remove(journalName + ".new") // gives its space back
		*j = old
		return err
	}
	return old.file.Close()
}

func without(list []wire.Report, k attemptKey) []wire.Report {
	kept := list[:0:0]
	for _, r := range list {
		if r.TaskUID != k.uid || r.Attempt != k.attempt {
			kept = append(kept, r)
		}
	}
	return kept
}
