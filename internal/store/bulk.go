package store

import (
	"strconv"
	"strings"
)

// Sizes in which many rows go through one statement: few enough to stay
// prepared, and under PostgreSQL's and SQLite's limits of parameters. A full
// collection of tasks has 100.
var bulkSizes = [...]int{100, 25, 5, 1}

// bulk is a statement that takes many rows: head, then row for each with its
// $1, $2... renumbered, joined by commas, then tail. The row's first use may
// differ (first), since PostgreSQL takes a column's type from it.
type bulk struct {
	sized [len(bulkSizes)]*stmt
	alone bool // on SQLite row by row
	width int
}

// manyRows defines head (row), (row)... tail. first is the row with the casts
// that give PostgreSQL the columns' types, "" when the head's table gives them.
func manyRows(head, first string, width int, tail string) *bulk {
	b := &bulk{width: width}
	for i, n := range bulkSizes {
		var text strings.Builder
		text.WriteString(head)
		for r := range n {
			if r > 0 {
				text.WriteString(",")
			}
			if r == 0 && first != "" {
				text.WriteString(first)
				continue
			}
			text.WriteString("(")
			for c := range width {
				if c > 0 {
					text.WriteString(",")
				}
				text.WriteString("$" + strconv.Itoa(r*width+c+1))
			}
			text.WriteString(")")
		}
		text.WriteString(tail)
		b.sized[i] = define(text.String())
	}
	return b
}

// updating gives b a plain statement for one row. Where a statement costs no
// trip to a server that is the cheapest way for many rows too: the join that
// updates them together is not free.
func (b *bulk) updating(one string) *bulk {
	b.sized[len(bulkSizes)-1], b.alone = define(one), true
	return b
}

// execAll runs b over all rows and tells how many it changed. args holds the
// rows one after another.
func (t *tx) execAll(b *bulk, args []any) (int64, error) {
	var sum int64
	i := 0
	if b.alone && t.d == sqlite {
		i = len(bulkSizes) - 1
	}
	for len(args) > 0 {
		take := bulkSizes[i] * b.width
		if take > len(args) {
			i++
			continue
		}
		n, err := t.exec(b.sized[i], args[:take]...)
		if err != nil {
			return sum, err
		}
		sum, args = sum+n, args[take:]
	}
	return sum, nil
}

// anyOf is a query with a list of values for IN, in a few sizes.
type anyOf struct{ sized [len(bulkSizes)]*stmt }

// oneOf defines head IN ($1, $2...) tail; the tail has no placeholder.
func oneOf(head, tail string) *anyOf {
	q := &anyOf{}
	for i, n := range bulkSizes {
		marks := make([]string, n)
		for k := range marks {
			marks[k] = "$" + strconv.Itoa(k+1)
		}
		q.sized[i] = define(head + " IN (" + strings.Join(marks, ",") + ") " + tail)
	}
	return q
}

// inChunks calls f with a statement and its arguments until all values had
// their turn; a chunk that is not full repeats its last value, which IN ignores.
func (q *anyOf) inChunks(values []any, f func(s *stmt, args []any) error) error {
	for len(values) > 0 {
		i := len(bulkSizes) - 1
		for i > 0 && len(values) > bulkSizes[i] {
			i--
		}
		n := min(len(values), bulkSizes[i])
		args := make([]any, 0, bulkSizes[i])
		args = append(args, values[:n]...)
		for len(args) < bulkSizes[i] {
			args = append(args, values[n-1])
		}
		if err := f(q.sized[i], args); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}
