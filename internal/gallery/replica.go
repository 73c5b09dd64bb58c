package gallery

import (
	"fmt"
	"slices"
)

// Replica is one unpacked copy of a version.
type Replica struct {
	Region string `json:"region"` // short name
	Index  int    `json:"index"`
	// Repairs counts how often it was made anew. Each time it goes into another
	// folder: machines that run on the damaged copy keep what they have.
	Repairs int    `json:"repairs,omitempty"`
	State   string `json:"state"`
	Detail  string `json:"detail,omitempty"`
}

// States of a replica.
const (
	ReplicaPending = "Pending"
	ReplicaReady   = "Ready"
	ReplicaDamaged = "Damaged" // found by verification; not served until repaired
	ReplicaFailed  = "Failed"  // could not be made
)

// plan brings the list of replicas to what the regions ask for; copies that
// are there stay.
func (v *Version) plan() {
	var want []Replica
	for _, r := range v.Regions {
		for i := range r.Count {
			n := Replica{Region: r.Short, Index: i, State: ReplicaPending}
			for _, old := range v.Replicas {
				if old.Region == n.Region && old.Index == n.Index && old.State != ReplicaFailed {
					n = old
				}
			}
			want = append(want, n)
		}
	}
	v.Replicas = want
}

// firstFolder is where a region keeps what has no replicas of its own.
const firstFolder = "0"

// folder is the name of the store folder of the copy.
func (r Replica) folder() string {
	if r.Repairs == 0 {
		return itoa(r.Index)
	}
	return itoa(r.Index) + "." + itoa(r.Repairs)
}

// ready lists a region's whole replicas.
func (v Version) ready(region string) []Replica {
	var out []Replica
	for _, r := range v.Replicas {
		if r.Region == region && r.State == ReplicaReady {
			out = append(out, r)
		}
	}
	return out
}

// Status is a version's replicationStatus.
type Status struct {
	Aggregated string
	Regions    []RegionStatus
}

// RegionStatus is one region of it; Region is the short name (facts/wire.md 3.6).
type RegionStatus struct {
	Region   string
	State    string // Replicating, Completed, Failed
	Progress int    // percent
	Details  string
}

// Status sums up the replicas. A damaged replica leaves its region Completed
// while others serve there; its damage is in the details.
func (v Version) Status() Status {
	s := Status{Aggregated: "Completed"}
	for _, r := range v.Regions {
		rs := RegionStatus{Region: r.Short, State: "Completed"}
		total, ready, failed := 0, 0, 0
		for _, rep := range v.Replicas {
			if rep.Region != r.Short {
				continue
			}
			total++
			switch rep.State {
			case ReplicaReady:
				ready++
			case ReplicaFailed:
				failed++
			}
			if rep.Detail != "" {
				if rs.Details != "" {
					rs.Details += "; "
				}
				rs.Details += fmt.Sprintf("replica %d: %s", rep.Index, rep.Detail)
			}
		}
		if total > 0 {
			rs.Progress = 100 * ready / total
		}
		switch {
		case failed > 0 || ready == 0 && rs.Details != "":
			rs.State, s.Aggregated = "Failed", "Failed"
		case slices.ContainsFunc(v.Replicas, func(rep Replica) bool { return rep.Region == r.Short && rep.State == ReplicaPending }):
			rs.State = "Replicating"
			if s.Aggregated == "Completed" {
				s.Aggregated = "InProgress"
			}
		}
		s.Regions = append(s.Regions, rs)
	}
	return s
}
