package pool

import (
	"context"

	"millpond/internal/resource"
)

// States of a pool and of its allocation (facts/azure-batch.md 2D).
const (
	Active   = "active"
	Deleting = "deleting"

	Steady   = "steady"
	Resizing = "resizing"
	Stopping = "stopping"
)

// Pool is a pool as stored. AccountUID and the folded ID are its key.
type Pool struct {
	UID        string `json:"uid"`
	AccountUID string `json:"accountUid"`
	Spec       Spec   `json:"spec"`

	State             string         `json:"state"`
	StateAt           resource.Ticks `json:"stateAt"`
	Allocation        string         `json:"allocation"`
	AllocationAt      resource.Ticks `json:"allocationAt"`
	Created           resource.Ticks `json:"created"`
	Modified          resource.Ticks `json:"modified"` // last user write: ETag and Last-Modified
	TargetDedicated   int            `json:"targetDedicated"`
	TargetLowPriority int            `json:"targetLowPriority"`
	ResizeTimeout     resource.Span  `json:"resizeTimeout"`
	ResizeStarted     resource.Ticks `json:"resizeStarted"`
	Deallocation      string         `json:"deallocation"` // requeue, terminate, taskcompletion, retaineddata
	ResizeErrors      []ResizeError  `json:"resizeErrors"`
	Departing         []string       `json:"departing,omitempty"` // uids of nodes this resize was asked to take out
	Image             Image          `json:"image"`

	Rev int64 `json:"rev"`

	// Filled by the store when reading, never written.
	CurrentDedicated   int `json:"-"`
	CurrentLowPriority int `json:"-"`
}

// ETag is Azure's tag of the last user write.
func (p *Pool) ETag() string { return p.Modified.ETag() }

// ResizeError is why the last resize did not reach its target.
type ResizeError struct {
	Code    string      `json:"code"`
	Message string      `json:"message"`
	Values  [][2]string `json:"values,omitempty"`
}

// Spec is what the user asked for, with Azure's defaults filled in.
type Spec struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName,omitempty"`
	VMSize      string `json:"vmSize"` // lower case, as the data plane echoes it

	ImageReference ImageReference `json:"imageReference"`
	NodeAgentSKU   string         `json:"nodeAgentSku"`

	TaskSlotsPerNode  int           `json:"taskSlotsPerNode"`
	FillType          string        `json:"fillType"` // Spread or Pack
	InterNode         bool          `json:"interNode"`
	StartTask         *StartTask    `json:"startTask,omitempty"`
	UserAccounts      []UserAccount `json:"userAccounts,omitempty"`
	Metadata          []Metadata    `json:"metadata,omitempty"`
	CommunicationMode string        `json:"communicationMode,omitempty"`
	// EmptyCertificates: an empty certificateReferences was sent and is echoed.
	EmptyCertificates bool `json:"emptyCertificates,omitempty"`
}

// ImageReference names an image: a Marketplace-style reference or a gallery id.
type ImageReference struct {
	Publisher string `json:"publisher,omitempty"`
	Offer     string `json:"offer,omitempty"`
	SKU       string `json:"sku,omitempty"`
	Version   string `json:"version,omitempty"`
	VMImageID string `json:"vmImageId,omitempty"`
}

// Image is the reference resolved at creation: what the nodes boot.
type Image struct {
	ExactVersion string `json:"exactVersion"`
	VersionID    string `json:"versionId,omitempty"`  // gallery version's id, spelled as stored
	VersionUID   string `json:"versionUid,omitempty"` // gallery version's uid
	Catalogue    string `json:"catalogue,omitempty"`  // catalogue key of a Marketplace-style image
	OSType       string `json:"osType,omitempty"`
	Region       string `json:"region"`
}

// Metadata is a name and value the service stores and does not read.
type Metadata struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// EnvironmentSetting is a variable of a task's environment.
type EnvironmentSetting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// StartTask runs on each node when it joins, reboots or is reimaged.
type StartTask struct {
	CommandLine    string               `json:"commandLine"`
	Environment    []EnvironmentSetting `json:"environment,omitempty"`
	User           UserIdentity         `json:"user"`
	MaxRetries     int                  `json:"maxRetries"` // -1 = no limit
	WaitForSuccess bool                 `json:"waitForSuccess"`
}

// UserIdentity is under whom a task runs: a named account or an auto user.
type UserIdentity struct {
	Username  string `json:"username,omitempty"`
	Scope     string `json:"scope,omitempty"`     // pool or task
	Elevation string `json:"elevation,omitempty"` // nonadmin or admin
}

// UserAccount is made on each node of the pool. The password is kept hashed
// (bcrypt) for the nodes and is never returned.
type UserAccount struct {
	Name         string `json:"name"`
	PasswordHash string `json:"passwordHash"`
	Elevation    string `json:"elevation"`
	UID          *int   `json:"uid,omitempty"`
	GID          *int   `json:"gid,omitempty"`
}

// PoolStore keeps pools. Every method is one transaction that also writes the
// event. Update functions are pure and may run twice. Errors: PoolExists,
// PoolBeingDeleted, PoolNotFound.
type PoolStore interface {
	CreatePool(ctx context.Context, p *Pool, by Event) error
	GetPool(ctx context.Context, accountUID, id string) (*Pool, error)
	PoolByUID(ctx context.Context, uid string) (*Pool, error)
	// ListPools gives up to limit pools of the account after the folded id
	// after, in bytewise order of the folded id.
	ListPools(ctx context.Context, accountUID, after string, limit int) ([]*Pool, error)
	// UnsettledPools gives every pool that is deleting or not steady, and every
	// pool whose nodes do not add up to its targets.
	UnsettledPools(ctx context.Context) ([]*Pool, error)
	UpdatePool(ctx context.Context, uid string, by Event, change func(*Pool) error) (*Pool, error)
	// RemovePool deletes the row of a pool that has no nodes left.
	RemovePool(ctx context.Context, uid string) error
	CountPools(ctx context.Context, accountUID string) (int, error)
	// NodeCounts gives the number of nodes by state for the pools of an account,
	// keyed by pool uid, then dedicated, then state.
	NodeCounts(ctx context.Context, accountUID string) (map[string]map[bool]map[string]int, error)
}

// Event says who changed what for the audit log; the store adds time, noun,
// uid and the states before and after.
type Event struct {
	Actor string
	Cause string
}
