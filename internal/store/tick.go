package store

import "millpond/internal/resource"

// instant is an instant of a row before a change and where it is after it.
type instant struct {
	was resource.Ticks
	is  *resource.Ticks
}

// advance keeps a row's instants from going back: one that the change moved
// lies after every instant the row had (tick), however the clock stands. A
// change that sets an instant to 0 asks for the transaction's own. The result is
// the row's new tick.
func (t *tx) advance(tick resource.Ticks, instants ...instant) resource.Ticks {
	latest := tick
	for _, i := range instants {
		if *i.is == i.was {
			continue
		}
		if *i.is == 0 {
			*i.is = t.now
		}
		*i.is = max(*i.is, tick+1)
		latest = max(latest, *i.is)
	}
	return latest
}

// stampNew fills the instants of a new row: created is now unless given, the
// others are created unless given.
func stampNew(now resource.Ticks, created *resource.Ticks, others ...*resource.Ticks) {
	if *created == 0 {
		*created = now
	}
	for _, o := range others {
		if *o == 0 {
			*o = *created
		}
	}
}
