package web

import (
	"encoding/json"
	"sort"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

type rawMessage = json.RawMessage

// text reads a string; the bytes are those of the input when nothing in it is
// escaped.
func (d *decoder) text() ([]byte, error) {
	d.pos++
	start := d.pos
	for d.pos < len(d.data) {
		c := d.data[d.pos]
		if c == '"' {
			s := d.data[start:d.pos]
			d.pos++
			return s, nil
		}
		if c == '\\' || c < 0x20 || c >= utf8.RuneSelf {
			return d.escaped(start)
		}
		d.pos++
	}
	return nil, d.syntax("a string is not closed")
}

func (d *decoder) escaped(start int) ([]byte, error) {
	buf := append(make([]byte, 0, d.pos-start+32), d.data[start:d.pos]...)
	for d.pos < len(d.data) {
		c := d.data[d.pos]
		switch {
		case c == '"':
			d.pos++
			return buf, nil
		case c < 0x20:
			return nil, d.syntax("a control character stands in a string")
		case c == '\\':
			var err error
			if buf, err = d.escape(buf); err != nil {
				return nil, err
			}
		case c < utf8.RuneSelf:
			buf = append(buf, c)
			d.pos++
		default:
			r, size := utf8.DecodeRune(d.data[d.pos:])
			if r == utf8.RuneError && size == 1 {
				return nil, d.syntax("the text is not UTF-8")
			}
			buf = append(buf, d.data[d.pos:d.pos+size]...)
			d.pos += size
		}
	}
	return nil, d.syntax("a string is not closed")
}

func (d *decoder) escape(buf []byte) ([]byte, error) {
	d.pos++
	if d.pos == len(d.data) {
		return nil, d.syntax("a string is not closed")
	}
	c := d.data[d.pos]
	d.pos++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		return append(buf, "\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return nil, d.syntax("an unknown escape stands in a string")
	}
	r, ok := d.hex()
	if !ok {
		return nil, d.syntax("an escape needs four hexadecimal digits")
	}
	if utf16.IsSurrogate(r) {
		low := rune(-1)
		if d.pos+1 < len(d.data) && d.data[d.pos] == '\\' && d.data[d.pos+1] == 'u' {
			d.pos += 2
			low, _ = d.hex()
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return nil, d.syntax("half of a surrogate pair stands alone")
		}
	}
	return utf8.AppendRune(buf, r), nil
}

func (d *decoder) hex() (rune, bool) {
	if d.pos+4 > len(d.data) {
		return 0, false
	}
	var r rune
	for _, c := range d.data[d.pos : d.pos+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	d.pos += 4
	return r, true
}

// number reads a JSON number as text.
func (d *decoder) number() ([]byte, error) {
	d.space()
	start := d.pos
	digits := func() bool {
		from := d.pos
		for d.pos < len(d.data) && d.data[d.pos] >= '0' && d.data[d.pos] <= '9' {
			d.pos++
		}
		return d.pos > from
	}
	at := func(set string) bool {
		if d.pos < len(d.data) && strings.IndexByte(set, d.data[d.pos]) >= 0 {
			d.pos++
			return true
		}
		return false
	}
	at("-")
	zero := d.pos < len(d.data) && d.data[d.pos] == '0'
	first := d.pos
	ok := digits() && (!zero || d.pos == first+1)
	if ok && at(".") {
		ok = digits()
	}
	if ok && at("eE") {
		at("+-")
		ok = digits()
	}
	if !ok {
		d.pos = start
		return nil, d.syntax("a value is expected")
	}
	return d.data[start:d.pos], nil
}

// seenSet marks the fields of one object.
type seenSet struct {
	low  uint64
	more []uint64
}

func newSeen(n int) seenSet {
	if n <= 64 {
		return seenSet{}
	}
	return seenSet{more: make([]uint64, n/64)}
}

func (s *seenSet) word(i int) (*uint64, uint64) {
	if i < 64 {
		return &s.low, 1 << i
	}
	return &s.more[i/64-1], 1 << (i % 64)
}

// set marks i and reports whether it was marked before.
func (s *seenSet) set(i int) bool {
	w, bit := s.word(i)
	was := *w&bit != 0
	*w |= bit
	return was
}

func (s *seenSet) clear(i int) {
	w, bit := s.word(i)
	*w &^= bit
}

func (s *seenSet) has(i int) bool {
	w, bit := s.word(i)
	return *w&bit != 0
}

func joinValues(enum map[string]string) string {
	values := make([]string, 0, len(enum))
	for _, v := range enum {
		values = append(values, v)
	}
	sort.Strings(values)
	return strings.Join(values, ", ")
}
