package fault

import (
	"errors"
	"fmt"
)

// Detail is one key and value beside a message, such as the property at fault
// and the rule it broke. Order is kept: clients show details as given.
type Detail struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Error is a failure with Azure's code (PoolNotFound, InvalidPropertyValue...).
// Message may be empty: a face then fills in the catalogue's sentence for the
// code. Cause is for logs only and never reaches a client.
type Error struct {
	Code    string   `json:"code"`
	Message string   `json:"message,omitempty"`
	Details []Detail `json:"details,omitempty"`
	Cause   error    `json:"-"`
}

func (e *Error) Error() string {
	text := e.Code
	if e.Message != "" {
		text += ": " + e.Message
	}
	for _, d := range e.Details {
		text += fmt.Sprintf(" [%s=%s]", d.Key, d.Value)
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// New makes an error of code; message may be empty where the catalogue has one.
func New(code, message string) *Error { return &Error{Code: code, Message: message} }

// Newf is New with a formatted message.
func Newf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// With returns a copy of e that also carries the detail key=value.
func (e *Error) With(key, value string) *Error {
	c := *e
	c.Details = append(append([]Detail(nil), e.Details...), Detail{key, value})
	return &c
}

// Because returns a copy of e whose cause is err.
func (e *Error) Because(err error) *Error {
	c := *e
	c.Cause = err
	return &c
}

// CodeOf is the code of the first *Error in err's chain, or "" if there is none.
func CodeOf(err error) string {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Code
	}
	return ""
}

// Is reports whether err carries code.
func Is(err error, code string) bool { return err != nil && CodeOf(err) == code }

// Property is Azure's InvalidPropertyValue: the property, the value as sent
// (left out when empty, as Azure does for objects) and the broken rule.
func Property(name, value, reason string) *Error {
	e := New("InvalidPropertyValue", "The value provided for one of the properties in the request body is invalid.").
		With("PropertyName", name)
	if value != "" {
		e = e.With("PropertyValue", value)
	}
	return e.With("Reason", reason)
}

// Missing is Azure's MissingRequiredProperty for the named property.
func Missing(name string) *Error {
	return New("MissingRequiredProperty", "A required property was not specified in the request body.").
		With("PropertyName", name)
}

// Unsupported is UnsupportedProperty: a property of the contract that this
// release cannot honour, refused rather than silently dropped.
func Unsupported(name, reason string) *Error {
	return New("UnsupportedProperty", "One of the properties specified in the request body is not supported.").
		With("PropertyName", name).With("Reason", reason)
}
