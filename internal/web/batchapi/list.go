package batchapi

import (
	"reflect"

	"millpond/internal/web"
)

// listing is what a list operation lists: T in the nouns' words, W on the wire.
type listing[T, W any] struct {
	of string // odata.metadata fragment
	// next gives up to limit items after a key, in the order of keys.
	next func(after string, limit int) ([]T, error)
	key  func(T) string
	// field gives a property to $filter; unknown{} is one no filter may name.
	field func(T) func(path string) any
	show  func(T) (W, error)
}

// list answers with the page the request asks for, filtered.
func list[T, W any](c *web.Call, l listing[T, W]) (web.Reply, error) {
	filter, err := filterOn(c, l.field(blank[T]()))
	if err != nil {
		return web.Reply{}, err
	}
	items, next, err := page(c, l.next, l.key, func(item T) bool { return filter.Match(l.field(item)) })
	if err != nil {
		return web.Reply{}, err
	}
	out := make([]W, len(items))
	for i, item := range items {
		if out[i], err = l.show(item); err != nil {
			return web.Reply{}, err
		}
	}
	return web.List(l.of, out, c.NextLink(next)), nil
}

// unknown is the value of a property that does not exist.
type unknown struct{}

// filterOn reads $filter and refuses properties that field does not know: a
// misspelt one would otherwise find nothing and say so as an empty list.
func filterOn(c *web.Call, field func(path string) any) (*web.Filter, error) {
	filter, err := c.Filter()
	if err != nil {
		return nil, err
	}
	for _, path := range filter.Paths() {
		if field(path) == (unknown{}) {
			return nil, web.QueryFault("$filter", path, "The property '"+path+"' does not exist or cannot be filtered on")
		}
	}
	return filter, nil
}

// blank is an item without content, to ask which properties its kind has.
func blank[T any]() T {
	var item T
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Pointer {
		reflect.ValueOf(&item).Elem().Set(reflect.New(t.Elem()))
	}
	return item
}

// always makes a show of a function that cannot fail.
func always[T, W any](show func(T) W) func(T) (W, error) {
	return func(item T) (W, error) { return show(item), nil }
}

// page runs a list in pages: next gives up to limit items after a key, keep
// filters them. It reads on until the page is full, so that a filter never
// makes short pages, and gives the key of the last item if more may follow.
func page[T any](c *web.Call, next func(after string, limit int) ([]T, error), key func(T) string, keep func(T) bool) ([]T, string, error) {
	want, err := c.Paging()
	if err != nil {
		return nil, "", err
	}
	var out []T
	after := want.After
	for {
		items, err := next(after, want.Max+1)
		if err != nil {
			return nil, "", err
		}
		for _, item := range items {
			if keep != nil && !keep(item) {
				after = key(item)
				continue
			}
			if len(out) == want.Max {
				return out, after, nil
			}
			out = append(out, item)
			after = key(item)
		}
		if len(items) <= want.Max {
			return out, "", nil
		}
	}
}
