package rig

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"time"
)

// APIVersion is what the rig's client speaks.
const APIVersion = "2024-07-01.20.0"

// Answer is a reply with its body read.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}

// Try makes one signed request below the account and gives whatever comes.
func (s *Server) Try(method, path string, body any) (Answer, error) {
	var raw []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		raw = b
	case string:
		raw = []byte(b)
	default:
		var err error
		if raw, err = json.Marshal(b); err != nil {
			return Answer{}, err
		}
	}
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	address := s.BatchHTTPURL + path + sep + "api-version=" + APIVersion
	req, err := http.NewRequestWithContext(context.Background(), method, address, bytes.NewReader(raw))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("ocp-date", time.Now().UTC().Format(http.TimeFormat))
	if raw != nil {
		req.Header.Set("Content-Type", "application/json; odata=minimalmetadata")
	}
	s.sign(req, len(raw))
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return Answer{resp.StatusCode, resp.Header, text}, err
}

// sign adds the shared-key header (facts of the scheme: facts/az.md 5).
func (s *Server) sign(req *http.Request, length int) {
	size := ""
	if length > 0 || req.Method == http.MethodPost || req.Method == http.MethodPut || req.Method == http.MethodPatch {
		size = fmt.Sprint(length)
	}
	text := req.Method + "\n\n\n" + size + "\n\n" + req.Header.Get("Content-Type") + "\n\n\n\n\n\n\n" +
		"ocp-date:" + req.Header.Get("ocp-date") + "\n/" + s.AccountName + req.URL.EscapedPath()
	query, _ := url.ParseQuery(req.URL.RawQuery)
	var names []string
	for name := range query {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		text += "\n" + name + ":" + query.Get(name)
	}
	key, err := base64.StdEncoding.DecodeString(s.AccountKey)
	if err != nil {
		s.tb.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	req.Header.Set("Authorization", "SharedKey "+s.AccountName+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// Do makes a request that must succeed, and reads its JSON into out if that is
// not nil.
func (s *Server) Do(method, path string, body, out any) {
	s.tb.Helper()
	a, err := s.Try(method, path, body)
	if err != nil {
		s.tb.Fatal(err)
	}
	if a.Status >= 300 {
		s.tb.Fatalf("%s %s: %d %s", method, path, a.Status, a.Body)
	}
	if out != nil {
		if err := json.Unmarshal(a.Body, out); err != nil {
			s.tb.Fatal(err)
		}
	}
}

// Insist repeats a request while nobody answers, as clients do over a restart.
// A creation that is answered "exists" the second time has been done.
func (s *Server) Insist(method, path string, body any, until time.Duration) {
	s.tb.Helper()
	s.Eventually(until, method+" "+path, func() (bool, string) {
		a, err := s.Try(method, path, body)
		if err != nil {
			return false, err.Error()
		}
		if a.Status >= 300 && a.Status != http.StatusConflict {
			s.tb.Fatalf("%s %s: %d %s", method, path, a.Status, a.Body)
		}
		return true, ""
	})
}

// Eventually polls, as clients must, until holds or the time is over.
func (s *Server) Eventually(within time.Duration, what string, holds func() (bool, string)) {
	s.tb.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(within)
	for {
		ok, got := holds()
		if ok {
			return
		}
		select {
		case <-late:
			s.dump()
			s.tb.Fatalf("%s: not within %s: %s", what, within, got)
		case <-tick.C:
		}
	}
}

// HostImage is the catalogue's entry for this machine, as an image reference
// with its agent.
func (s *Server) HostImage() map[string]any {
	s.tb.Helper()
	var list struct {
		Value []struct {
			ImageReference map[string]any `json:"imageReference"`
			NodeAgentSKUID string         `json:"nodeAgentSKUId"`
		} `json:"value"`
	}
	s.Do("GET", "/supportedimages?$filter="+url.QueryEscape("imageReference/publisher eq 'millpond'"), nil, &list)
	if len(list.Value) != 1 {
		s.tb.Fatalf("%d host images", len(list.Value))
	}
	return map[string]any{"imageReference": list.Value[0].ImageReference, "nodeAgentSKUId": list.Value[0].NodeAgentSKUID}
}

// Pool is the body of a pool of the host's own image.
func (s *Server) Pool(id string, nodes, slots int) map[string]any {
	s.tb.Helper()
	return map[string]any{"id": id, "vmSize": "Standard_D8_v3", "targetDedicatedNodes": nodes, "taskSlotsPerNode": slots,
		"virtualMachineConfiguration": s.HostImage()}
}

// NodeStates counts a pool's nodes by state.
func (s *Server) NodeStates(pool string) (map[string]int, error) {
	states := map[string]int{}
	path := "/pools/" + pool + "/nodes?$select=id,state"
	a, err := s.Try("GET", path, nil)
	if err != nil {
		return nil, err
	}
	var list struct {
		Value []struct{ State string } `json:"value"`
	}
	if err := json.Unmarshal(a.Body, &list); err != nil {
		return nil, fmt.Errorf("%d %s: %w", a.Status, a.Body, err)
	}
	for _, n := range list.Value {
		states[n.State]++
	}
	return states, nil
}
