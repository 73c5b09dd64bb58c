package web

import (
	"net/http"
	"strings"
	"time"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

// Conditions are the conditional headers of a request. Check is handed to the
// noun, which asks it inside its transaction.
type Conditions struct {
	IfMatch, IfNoneMatch               string
	IfModifiedSince, IfUnmodifiedSince *time.Time
}

// Conditions reads the four headers; dates that cannot be read count as absent,
// as HTTP asks.
func (c *Call) Conditions() Conditions {
	return Conditions{
		IfMatch:           c.Header("If-Match"),
		IfNoneMatch:       c.Header("If-None-Match"),
		IfModifiedSince:   httpTime(c.Header("If-Modified-Since")),
		IfUnmodifiedSince: httpTime(c.Header("If-Unmodified-Since")),
	}
}

func httpTime(s string) *time.Time {
	if s == "" {
		return nil
	}
	t, err := http.ParseTime(s)
	if err != nil {
		return nil
	}
	return &t
}

// Check compares with an entity last written at modified (its ETag); 0 is an
// entity that does not exist. The error is ConditionNotMet, which the face
// answers as 304 for reads held by If-None-Match or If-Modified-Since and as
// 412 otherwise.
func (c Conditions) Check(modified resource.Ticks) error {
	return c.CheckTag(modified.ETag(), modified)
}

// CheckTag is Check for tags that are not made of the time; pass 0 for an entity
// that does not exist.
func (c Conditions) CheckTag(tag string, modified resource.Ticks) error {
	exists := modified != 0
	second := modified.Time().Truncate(time.Second) // headers have no fractions
	failed := c.IfMatch != "" && !(exists && matches(c.IfMatch, tag)) ||
		c.IfNoneMatch != "" && exists && matches(c.IfNoneMatch, tag) ||
		c.IfUnmodifiedSince != nil && exists && second.After(*c.IfUnmodifiedSince) ||
		c.IfNoneMatch == "" && c.IfModifiedSince != nil && exists && !second.After(*c.IfModifiedSince)
	if failed {
		return fault.New("ConditionNotMet", "")
	}
	return nil
}

// write tells conditions that guard a write (412 also on GET) from those that
// save a read (304).
func (c Conditions) write() bool { return c.IfMatch != "" || c.IfUnmodifiedSince != nil }

// matches compares as text, quotes and weakness aside (facts/wire.md 4.2).
func matches(header, tag string) bool {
	for _, one := range strings.Split(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || bareTag(one) == bareTag(tag) {
			return true
		}
	}
	return false
}

func bareTag(tag string) string {
	return strings.Trim(strings.TrimPrefix(tag, "W/"), `"`)
}
