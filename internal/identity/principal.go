package identity

// Principal is who makes a request, once a face has verified it. It is the
// zero value only for requests that need no identity.
type Principal struct {
	// TenantID, ObjectID and AppID come from a verified token.
	TenantID string
	ObjectID string
	AppID    string
	// AccountUID is set, and the rest empty, for shared-key requests: the key
	// gives every permission on that Batch account and none elsewhere.
	AccountUID string
	// Audience is what the token was made for: AudienceARM or AudienceBatch.
	Audience string
}

// SharedKey reports whether the caller proved an account key, not a token.
func (p Principal) SharedKey() bool { return p.AccountUID != "" }

// Actor is the principal's short name for events and the request log.
func (p Principal) Actor() string {
	if p.SharedKey() {
		return "sharedkey"
	}
	if p.AppID != "" {
		return "app:" + p.AppID
	}
	return "anonymous"
}

// Audiences a token may be made for, in canonical form (facts/clients.md 5B:
// any trailing slashes and /.default are folded away before comparing).
const (
	AudienceARM   = "arm"
	AudienceBatch = "batch"
	AudienceGraph = "graph"
)
