package schedule

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"millpond/internal/fault"
	"millpond/internal/gallery"
	"millpond/internal/resource"
)

// Images ends the operations of disks, snapshots, images, galleries,
// definitions and versions, and looks after the versions' replicas.
type Images struct {
	rooms *gallery.Images
	log   *slog.Logger
	ended func() // an operation ended: machines may wait for their disk

	work  *keyed        // key: GUID of an operation, or one of the chores
	slots chan struct{} // bounds unpacking under way at once
	woken chan struct{}
	stop  context.CancelFunc

	mu       sync.Mutex
	tries    map[string]int // failed attempts by GUID
	verified resource.Ticks
}

// Chores of the loop, as keys beside the operations'.
const (
	choreVerify = "verify"
	choreRepair = "repair"
)

const (
	imageSlots  = 2             // two cores, one disk
	imageTries  = 5             // attempts at an operation whose errors may pass
	verifyEvery = 6 * time.Hour // how often every replica is read and compared
)

// NewImages makes the loop; nothing runs before Run or Pass. ended may be nil.
func NewImages(rooms *gallery.Images, log *slog.Logger, ended func()) *Images {
	ctx, stop := context.WithCancel(context.Background())
	s := &Images{
		rooms: rooms, log: log, ended: ended, stop: stop, slots: make(chan struct{}, imageSlots),
		woken: make(chan struct{}, 1), tries: map[string]int{}, verified: rooms.Clock.Now(),
	}
	if s.ended == nil {
		s.ended = func() {}
	}
	s.work = newKeyed(ctx, "images", log, s.one)
	return s
}

// Wake tells that an operation was begun (gallery.Config.Wake).
func (s *Images) Wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// Run passes whenever it is woken and every SweepEvery, until ctx ends. It
// returns when no work is under way.
func (s *Images) Run(ctx context.Context) error {
	defer func() {
		s.stop()
		s.work.wait()
	}()
	for {
		if err := s.Pass(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("images pass", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.woken:
		case <-s.rooms.Clock.After(SweepEvery):
		}
	}
}

// Pass begins everything that is open and waits for none of it.
func (s *Images) Pass(ctx context.Context) error {
	open, err := s.rooms.Store.OpenOperations(ctx)
	if err != nil {
		return err
	}
	for _, op := range open {
		if s.rooms.Works(op.Kind) {
			s.work.wake(op.GUID)
		}
	}
	now := s.rooms.Clock.Now()
	s.mu.Lock()
	due := now >= s.verified.Add(resource.SpanOf(verifyEvery))
	if due {
		s.verified = now
	}
	s.mu.Unlock()
	if due {
		s.work.wake(choreVerify)
	}
	s.work.wake(choreRepair)
	return nil
}

func (s *Images) one(ctx context.Context, key string) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil
	}
	switch key {
	case choreVerify:
		found, err := s.rooms.VerifyReplicas(ctx)
		for _, d := range found {
			s.log.Warn("damaged replica", "version", d.VersionID, "region", d.Region, "replica", d.Index, "path", d.Path, "reason", d.Reason)
		}
		if len(found) > 0 {
			s.Wake()
		}
		return err
	case choreRepair:
		n, err := s.rooms.RepairReplicas(ctx)
		if n > 0 {
			s.log.Info("replicas made anew", "count", n)
		}
		return err
	}
	op, err := s.rooms.Store.GetOperation(ctx, key)
	if err != nil || op.Status != resource.InProgress {
		if fault.Is(err, "OperationNotFound") {
			err = nil
		}
		return err
	}
	if err := s.rooms.Work(ctx, op); err != nil {
		return s.again(ctx, op, err)
	}
	s.mu.Lock()
	delete(s.tries, key)
	s.mu.Unlock()
	s.ended()
	return nil
}

// again lets an operation be tried some more times and then ends it Failed: a
// client must not poll for ever.
func (s *Images) again(ctx context.Context, op resource.Operation, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	s.mu.Lock()
	s.tries[op.GUID]++
	tries := s.tries[op.GUID]
	s.mu.Unlock()
	if tries < imageTries {
		return err
	}
	s.mu.Lock()
	delete(s.tries, op.GUID)
	s.mu.Unlock()
	s.log.Error("operation given up", "kind", op.Kind, "resource", op.ResourceID, "error", err)
	defer s.ended()
	return s.rooms.Fail(ctx, op, err)
}
