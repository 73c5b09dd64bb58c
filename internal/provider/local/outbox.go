package local

import (
	"sync"

	"millpond/internal/provider"
)

// outbox is a channel that never blocks its writer and loses nothing.
type outbox struct {
	out  chan provider.Instance
	wake chan struct{}
	end  chan struct{}
	once sync.Once

	mu    sync.Mutex
	queue []provider.Instance
}

func newOutbox() *outbox {
	o := &outbox{
		out:  make(chan provider.Instance),
		wake: make(chan struct{}, 1),
		end:  make(chan struct{}),
	}
	go o.run()
	return o
}

func (o *outbox) put(list ...provider.Instance) {
	o.mu.Lock()
	o.queue = append(o.queue, list...)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// close ends the channel; what was not read yet is dropped.
func (o *outbox) close() { o.once.Do(func() { close(o.end) }) }

func (o *outbox) run() {
	defer close(o.out)
	for {
		o.mu.Lock()
		batch := o.queue
		o.queue = nil
		o.mu.Unlock()
		for _, e := range batch {
			select {
			case o.out <- e:
			case <-o.end:
				return
			}
		}
		select {
		case <-o.wake:
		case <-o.end:
			return
		}
	}
}
