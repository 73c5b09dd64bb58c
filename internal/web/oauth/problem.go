package oauth

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"

	"millpond/internal/fault"
)

// problem is OAuth's error body with Azure's additions.
type problem struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
	URI           string `json:"error_uri,omitempty"`
}

// statuses of the codes a client may see; others become 500 server_error.
var statuses = map[string]int{
	"invalid_request":        http.StatusBadRequest,
	"invalid_client":         http.StatusUnauthorized,
	"unauthorized_client":    http.StatusBadRequest,
	"invalid_instance":       http.StatusBadRequest,
	"invalid_scope":          http.StatusBadRequest,
	"invalid_resource":       http.StatusBadRequest,
	"unsupported_grant_type": http.StatusBadRequest,
}

var aadsts = regexp.MustCompile(`^AADSTS(\d+): `)

func (s *Issuer) problem(x *exchange, h http.Header, err error) (int, any) {
	f, _ := errors.AsType[*fault.Error](err)
	status := 0
	if f != nil {
		status = statuses[f.Code]
	}
	if status == 0 {
		s.log.Error("internal error", "face", "oauth", "request", x.id, "error", err)
		f, status = fault.New("server_error", "AADSTS90033: A transient error has occurred. Please try again."), http.StatusInternalServerError
	}
	if status == http.StatusUnauthorized && x.r.Header.Get("Authorization") != "" {
		h.Set("WWW-Authenticate", `Basic realm="millpond"`)
	}
	correlation := x.r.Header.Get("client-request-id")
	if correlation == "" || len(correlation) > 64 {
		correlation = x.id
	}
	// The dates of this body alone have a blank and seconds (as the service writes them).
	now := s.clock.Now().Time().Format("2006-01-02 15:04:05Z")
	p := problem{Error: f.Code, Codes: []int{}, Timestamp: now, TraceID: x.id, CorrelationID: correlation}
	p.Description = f.Message + " Trace ID: " + x.id + " Correlation ID: " + correlation + " Timestamp: " + now
	if m := aadsts.FindStringSubmatch(f.Message); m != nil {
		n, _ := strconv.Atoi(m[1]) // digits by the expression
		p.Codes = append(p.Codes, n)
	}
	return status, p
}
