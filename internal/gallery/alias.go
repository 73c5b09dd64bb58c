package gallery

import (
	"context"
	"strings"

	"millpond/internal/fault"
	"millpond/internal/layer"
	"millpond/internal/resource"
)

// entryState is what is stored of a catalogue entry: only entries that have an
// alias or were made have one.
type entryState struct {
	Alias string `json:"alias,omitempty"`
	Made  *made  `json:"made,omitempty"`
}

// made is a base whose layers exist. It counts only while Source is still the
// entry's: another alias means another base.
type made struct {
	Source string         `json:"source"`
	Stack  layer.Stack    `json:"stack"`
	At     resource.Ticks `json:"at"`
}

func (s entryState) source(e Entry) (source string, isMade bool) {
	source = e.Source
	if s.Alias != "" {
		source = s.Alias
	}
	return source, s.Made != nil && s.Made.Source == source
}

const typeEntry = "Millpond.Images/entries"

func entryID(key string) string { return "/providers/" + typeEntry + "/" + resource.Fold(key) }

// ParseAlias reads PUBLISHER:OFFER:SKU=SOURCE.
func ParseAlias(s string) (ref Reference, source Source, err error) {
	name, from, ok := strings.Cut(s, "=")
	parts := strings.Split(name, ":")
	if !ok || len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return ref, source, fault.Newf("InvalidParameter",
			"The alias '%s' is not valid. It must be PUBLISHER:OFFER:SKU=SOURCE.", s).With("target", "alias")
	}
	source, err = ParseSource(from)
	return Reference{Publisher: parts[0], Offer: parts[1], SKU: parts[2]}, source, err
}

// SetAlias gives an entry another source; an empty one takes the alias away.
// Machines that exist keep the base they were made from.
func (c *Catalogue) SetAlias(ctx context.Context, ref Reference, source Source) error {
	e, err := c.aliasable(ref)
	if err != nil {
		return err
	}
	alias := ""
	if source.Kind != "" {
		alias = source.String()
	}
	return c.change(ctx, e.Key(), func(s *entryState) { s.Alias = alias })
}

// aliasable finds the entry another source may be given to.
func (c *Catalogue) aliasable(ref Reference) (Entry, error) {
	e, ok := c.Entry(Key(ref.Publisher, ref.Offer, ref.SKU))
	if !ok {
		return e, fault.Newf("PlatformImageNotFound", "The catalogue has no image %s:%s:%s.", ref.Publisher, ref.Offer, ref.SKU).
			With("target", "alias")
	}
	if e.OSType == "windows" {
		return e, fault.Newf("OperationNotSupported", "The image %s:%s:%s runs Windows, which no provider of this deployment does.",
			e.Publisher, e.Offer, e.SKU)
	}
	return e, nil
}

// states reads what is stored of all entries, by key.
func (c *Catalogue) states(ctx context.Context) (map[string]entryState, error) {
	records, err := c.store.ListResources(ctx, resource.Query{Type: typeEntry})
	if err != nil {
		return nil, err
	}
	states := make(map[string]entryState, len(records))
	for _, rec := range records {
		id, err := resource.ParseID(rec.ID)
		if err != nil {
			return nil, err
		}
		if states[resource.Fold(id.Name())], err = resource.Decode[entryState](rec); err != nil {
			return nil, err
		}
	}
	return states, nil
}

func (c *Catalogue) state(ctx context.Context, key string) (entryState, error) {
	rec, err := c.store.GetResource(ctx, entryID(key))
	if fault.Is(err, "ResourceNotFound") {
		return entryState{}, nil
	}
	if err != nil {
		return entryState{}, err
	}
	return resource.Decode[entryState](rec)
}

func (c *Catalogue) change(ctx context.Context, key string, change func(*entryState)) error {
	now := c.clock.Now()
	for {
		_, err := c.store.UpdateResource(ctx, entryID(key), nil, func(rec *resource.Record) error {
			s, err := resource.Decode[entryState](*rec)
			if err != nil {
				return err
			}
			change(&s)
			rec.Modified = now
			return rec.Encode(s)
		})
		if !fault.Is(err, "ResourceNotFound") {
			return err
		}
		rec := resource.Record{ID: entryID(key), UID: newUID(), State: resource.Succeeded, Created: now, Modified: now}
		if err := rec.Encode(entryState{}); err != nil {
			return err
		}
		if err := c.store.CreateResource(ctx, rec, nil); err != nil && !fault.Is(err, "ResourceExists") {
			return err
		}
	}
}
