package web

import (
	"strings"
	"time"

	"millpond/internal/resource"
)

// HTTPDate is an instant in headers: RFC 1123, GMT, whole seconds.
func HTTPDate(t resource.Ticks) string {
	return t.Time().Format("Mon, 02 Jan 2006 15:04:05 GMT")
}

// ErrorTime is the Time: line of a data-plane error: always seven digits.
func ErrorTime(t resource.Ticks) string { return t.Time().Format("2006-01-02T15:04:05.0000000Z") }

// OffsetTime is how Microsoft.Compute writes an instant (facts/wire.md 3.6).
func OffsetTime(t resource.Ticks) string {
	return t.Time().Format("2006-01-02T15:04:05.9999999") + "+00:00"
}

// Time is a date-time property: UTC, Z, trailing zeros of the fraction trimmed.
type Time resource.Ticks

// Ticks converts back.
func (t Time) Ticks() resource.Ticks { return resource.Ticks(t) }

// At makes an optional property of ticks; 0 is absent.
func At(t resource.Ticks) *Time {
	if t == 0 {
		return nil
	}
	v := Time(t)
	return &v
}

func (t Time) String() string { return string(t.appendText(nil)) }

func (t Time) appendText(b []byte) []byte {
	return resource.Ticks(t).Time().AppendFormat(b, "2006-01-02T15:04:05.9999999Z")
}

// ParseTime reads an ISO 8601 instant; one without zone is taken as UTC, as
// the service does.
func ParseTime(s string) (Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 {
			return Time(resource.TicksOf(t)), true
		}
	}
	return 0, false
}

// MarshalText and UnmarshalText serve encoding/json in tests and clients.
func (t Time) MarshalText() ([]byte, error) { return t.appendText(nil), nil }

// UnmarshalText reads what MarshalText writes.
func (t *Time) UnmarshalText(b []byte) error {
	v, ok := ParseTime(string(b))
	if !ok {
		return errFormat("date-time", string(b))
	}
	*t = v
	return nil
}

// Compute is a Microsoft.Compute date-time property: offset form, not Z.
type Compute resource.Ticks

// AtCompute is At for Compute.
func AtCompute(t resource.Ticks) *Compute {
	if t == 0 {
		return nil
	}
	v := Compute(t)
	return &v
}

func (t Compute) String() string { return OffsetTime(resource.Ticks(t)) }

// MarshalText serves encoding/json.
func (t Compute) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads any ISO 8601 instant.
func (t *Compute) UnmarshalText(b []byte) error {
	v, ok := ParseTime(string(b))
	if !ok {
		return errFormat("date-time", string(b))
	}
	*t = Compute(v)
	return nil
}

type formatError struct{ kind, text string }

func errFormat(kind, text string) error { return formatError{kind, text} }

func (e formatError) Error() string {
	return "'" + clip(strings.ToValidUTF8(e.text, "?"), 100) + "' is not a valid " + e.kind
}
