package resource

import (
	"context"
	"encoding/json"

	"millpond/internal/fault"
)

// Provisioning states of a resource (properties.provisioningState).
const (
	Creating  = "Creating"
	Updating  = "Updating"
	Deleting  = "Deleting"
	Succeeded = "Succeeded"
	Failed    = "Failed"
	Canceled  = "Canceled"
)

// Record is a resource as it is stored: the envelope all kinds share and the
// noun's own part, a JSON document only its room reads.
type Record struct {
	ID       string            `json:"id"`  // spelling of the creator
	UID      string            `json:"uid"` // born at creation; a namesake made later has another
	Location string            `json:"location"`
	Tags     map[string]string `json:"tags"`
	State    string            `json:"state"`
	Created  Ticks             `json:"created"`
	Modified Ticks             `json:"modified"` // last user write; the ETag
	Body     json.RawMessage   `json:"body"`
	Rev      int64             `json:"rev"` // raised by the store at every write
}

// Query selects records. Empty fields do not restrict. Under is the id of a
// scope (subscription, group or resource): only what lies below it, at any
// depth, is listed. The order is bytewise on the folded id.
type Query struct {
	Type  string
	Under string
	State string
}

// Operation is a long-running operation of Resource Manager. Kind names the
// loop's step that finishes it ("versions.replicate", "disks.create"...).
type Operation struct {
	GUID       string          `json:"guid"`
	ResourceID string          `json:"resourceId"`
	UID        string          `json:"uid"` // of the resource
	Kind       string          `json:"kind"`
	Status     string          `json:"status"` // InProgress, Succeeded, Failed, Canceled
	Location   string          `json:"location"`
	Start      Ticks           `json:"start"`
	End        Ticks           `json:"end"`
	Error      *fault.Error    `json:"error,omitempty"`
	Input      json.RawMessage `json:"input,omitempty"` // what the step needs beyond the resource
}

// InProgress is the status of an operation that has not ended.
const InProgress = "InProgress"

// Store keeps records and operations. Every method is one transaction. Update
// functions are pure, may run twice and must not call the store. Missing
// resources give ResourceNotFound (ResourceGroupNotFound for a group), a second
// create ResourceExists.
type Store interface {
	// CreateResource writes rec and, when op is not nil, the operation that will
	// finish it. The parent (group, gallery, definition) must exist and not be
	// in state Deleting.
	CreateResource(ctx context.Context, rec Record, op *Operation) error
	GetResource(ctx context.Context, id string) (Record, error)
	ListResources(ctx context.Context, q Query) ([]Record, error)
	UpdateResource(ctx context.Context, id string, op *Operation, change func(*Record) error) (Record, error)
	// DeleteResource removes id and everything below it; a missing one is no error.
	// When op is not nil it is stored as ended with the deletion.
	DeleteResource(ctx context.Context, id string, op *Operation) error

	GetOperation(ctx context.Context, guid string) (Operation, error)
	OpenOperations(ctx context.Context) ([]Operation, error)
	// EndOperation ends an operation and changes its resource in one transaction;
	// change is nil when only the operation ends, and is not called when the
	// resource has another uid than the operation.
	EndOperation(ctx context.Context, guid string, failure *fault.Error, change func(*Record) error) error
}

// Decode reads the noun's part of rec.
func Decode[T any](rec Record) (T, error) {
	var v T
	if len(rec.Body) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(rec.Body, &v); err != nil {
		return v, fault.New("InternalError", "").Because(err)
	}
	return v, nil
}

// Encode stores v as the noun's part of rec.
func (rec *Record) Encode(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fault.New("InternalError", "").Because(err)
	}
	rec.Body = raw
	return nil
}
