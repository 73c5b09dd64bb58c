package web

import (
	"strconv"
	"strings"

	"millpond/internal/resource"
)

// Duration is a span of time property: ISO 8601 in, normalised days, hours,
// minutes and seconds out (facts/wire.md 1.4).
type Duration resource.Span

// For makes a duration property of s.
func For(s resource.Span) *Duration {
	v := Duration(s)
	return &v
}

// Span converts back.
func (d Duration) Span() resource.Span { return resource.Span(d) }

// Spans of the calendar units, as the service counts them.
const (
	year  = 365 * resource.Day
	month = 30 * resource.Day
	week  = 7 * resource.Day
)

func (d Duration) String() string { return string(d.appendText(nil)) }

func (d Duration) appendText(b []byte) []byte {
	n := uint64(d)
	if d < 0 {
		b = append(b, '-')
		n = -n
	}
	days, rest := n/uint64(resource.Day), n%uint64(resource.Day)
	hours, rest := rest/uint64(resource.Hour), rest%uint64(resource.Hour)
	minutes, rest := rest/uint64(resource.Minute), rest%uint64(resource.Minute)
	seconds, frac := rest/uint64(resource.Second), rest%uint64(resource.Second)
	b = append(b, 'P')
	unit := func(v uint64, u byte) {
		if v > 0 {
			b = append(strconv.AppendUint(b, v, 10), u)
		}
	}
	unit(days, 'D')
	if hours+minutes+seconds+frac == 0 {
		if days == 0 {
			b = append(b, "T0S"...)
		}
		return b
	}
	b = append(b, 'T')
	unit(hours, 'H')
	unit(minutes, 'M')
	if seconds+frac > 0 {
		b = strconv.AppendUint(b, seconds, 10)
		if frac > 0 {
			digits := strconv.FormatUint(frac+uint64(resource.Second), 10)[1:]
			b = append(append(b, '.'), strings.TrimRight(digits, "0")...)
		}
		b = append(b, 'S')
	}
	return b
}

// ParseDuration reads an ISO 8601 duration. Years are 365 days and months 30;
// fractions are allowed in seconds only and cut below 100 ns. It refuses empty,
// repeated or misordered parts and what does not fit.
func ParseDuration(s string) (Duration, bool) {
	rest, negative := strings.CutPrefix(s, "-")
	rest, ok := strings.CutPrefix(rest, "P")
	if !ok || rest == "" || len(s) > 100 {
		return 0, false
	}
	units := []struct {
		letter byte
		span   resource.Span
	}{{'Y', year}, {'M', month}, {'W', week}, {'D', resource.Day}}
	inTime := false
	var total uint64
	for rest != "" {
		if rest[0] == 'T' {
			if inTime || len(rest) == 1 {
				return 0, false
			}
			inTime, rest = true, rest[1:]
			units = []struct {
				letter byte
				span   resource.Span
			}{{'H', resource.Hour}, {'M', resource.Minute}, {'S', resource.Second}}
			continue
		}
		digits := 0
		for digits < len(rest) && (rest[digits] >= '0' && rest[digits] <= '9' || rest[digits] == '.') {
			digits++
		}
		if digits == 0 || digits == len(rest) {
			return 0, false
		}
		i := 0
		for i < len(units) && units[i].letter != rest[digits] {
			i++
		}
		if i == len(units) {
			return 0, false
		}
		ticks, ok := count(rest[:digits], uint64(units[i].span), inTime && rest[digits] == 'S')
		if !ok || total+ticks < total || total+ticks > uint64(resource.MaxSpan) {
			return 0, false
		}
		total += ticks
		units, rest = units[i+1:], rest[digits+1:]
	}
	if negative {
		return -Duration(total), true
	}
	return Duration(total), true
}

// count is number times unit in ticks.
func count(number string, unit uint64, fractions bool) (uint64, bool) {
	whole, frac, dotted := strings.Cut(number, ".")
	if whole == "" || dotted && (!fractions || frac == "" || strings.Contains(frac, ".")) {
		return 0, false
	}
	n, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || n > uint64(resource.MaxSpan)/unit {
		return 0, false
	}
	ticks := n * unit
	if dotted {
		f, err := strconv.ParseUint((frac + "0000000")[:7], 10, 63)
		if err != nil {
			return 0, false
		}
		ticks += f
	}
	return ticks, true
}

// MarshalText serves encoding/json.
func (d Duration) MarshalText() ([]byte, error) { return d.appendText(nil), nil }

// UnmarshalText reads an ISO 8601 duration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, ok := ParseDuration(string(b))
	if !ok {
		return errFormat("duration", string(b))
	}
	*d = v
	return nil
}
