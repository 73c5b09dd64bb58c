package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/node/wire"
)

func stateOf(t *testing.T, dir string) *os.Root {
	t.Helper()
	r, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestJournalForgetsATornLine(t *testing.T) {
	dir := t.TempDir()
	j, _, err := openJournal(stateOf(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	recs := []record{
		{Seq: 40},
		{Accept: &accepted{UID: "a", Attempt: 1, Kind: wire.KindTask}},
		{Accept: &accepted{UID: "b", Attempt: 1, Kind: wire.KindTask}},
		{Report: &wire.Report{Seq: 41, TaskUID: "a", Attempt: 1, Event: wire.EventStarted, At: 7}},
		{Report: &wire.Report{Seq: 42, TaskUID: "b", Attempt: 1, Event: wire.EventEnded}},
		{Ack: 41},
	}
	if err := j.write(recs); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, journalName)
	whole := read(t, path)
	write(t, path, whole+`{"report":{"seq":43,"taskUid":"a"`)
	_, p, err := openJournal(stateOf(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	if p.seq != 42 || len(p.pending) != 1 || p.pending[0].Seq != 42 {
		t.Errorf("past %+v", p)
	}
	if diff := cmp.Diff([]accepted{{UID: "a", Attempt: 1, Kind: wire.KindTask, Started: 7}}, p.orphans); diff != "" {
		t.Error(diff)
	}
	if got := read(t, path); got != whole {
		t.Errorf("the torn line is still there: %q", got)
	}
}

func TestJournalIsRewrittenWhenFull(t *testing.T) {
	dir := t.TempDir()
	j, p, err := openJournal(stateOf(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	o := newOutbox(j, p)
	fill := strings.Repeat("x", 4000)
	if _, err := o.accept([]wire.Task{{UID: "open", Attempt: 1, Kind: wire.KindTask}}); err != nil {
		t.Fatal(err)
	}
	o.add(wire.Report{TaskUID: "open", Attempt: 1, Event: wire.EventStarted, At: 5})
	for range 400 {
		if _, err := o.accept([]wire.Task{{UID: "t", Attempt: 1, Kind: wire.KindTask}}); err != nil {
			t.Fatal(err)
		}
		o.add(wire.Report{TaskUID: "t", Attempt: 1, Event: wire.EventEnded, Failure: &wire.Failure{Message: fill}})
		for o.step() {
		}
		o.ack(o.seq)
	}
	info, err := os.Stat(filepath.Join(dir, journalName))
	if err != nil || info.Size() > journalFull {
		t.Errorf("journal %v, %v", info.Size(), err)
	}
	_, p, err = openJournal(stateOf(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	if p.seq != 401 || len(p.orphans) != 1 || p.orphans[0].UID != "open" || p.orphans[0].Started != 5 {
		t.Errorf("past %+v", p)
	}
}

// Whatever is in the file, opening it never fails and what is kept reads the same again.
func FuzzReadJournal(f *testing.F) {
	f.Add("{\"seq\":3}\n{\"accept\":{\"uid\":\"a\",\"attempt\":1}}\n")
	f.Add("{\"report\":{\"seq\":1,\"taskUid\":\"a\",\"attempt\":1,\"event\":\"ended\"}}\n{\"ack\":1}\n{\"rep")
	f.Add("null\n{}\n[]\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, good, err := readJournal(strings.NewReader(text))
		if err != nil || good > int64(len(text)) {
			t.Fatal(good, err)
		}
		if _, again, err := readJournal(strings.NewReader(text[:good])); err != nil || again != good {
			t.Fatal(again, good, err)
		}
	})
}
