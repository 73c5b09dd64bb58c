package job

// Spread places each task on the node with the most free slots: Azure's
// default fill type.
func Spread(offers []Offer, tasks []Candidate) []Placement {
	return place(offers, tasks, func(a, b int) bool { return a > b })
}

// Pack fills the node with the fewest free slots that still fits.
func Pack(offers []Offer, tasks []Candidate) []Placement {
	return place(offers, tasks, func(a, b int) bool { return a < b })
}

// place walks the candidates in order; one that fits nowhere now is passed
// over, so it never holds up those behind it. An affinity id is honoured when
// its node has room (facts/azure-batch.md 2E: soft).
func place(offers []Offer, tasks []Candidate, better func(a, b int) bool) []Placement {
	free := make([]int, len(offers))
	left := 0
	for i, o := range offers {
		free[i] = o.Free
		left += o.Free
	}
	var out []Placement
	for c, candidate := range tasks {
		if left == 0 {
			break
		}
		need := candidate.Task.Spec.RequiredSlots
		best := -1
		for i := range offers {
			if free[i] < need {
				continue
			}
			if candidate.Task.Spec.AffinityID == "TVM:"+offers[i].NodeID {
				best = i
				break
			}
			if best < 0 || better(free[i], free[best]) {
				best = i
			}
		}
		if best < 0 {
			continue
		}
		free[best] -= need
		left -= need
		out = append(out, Placement{Candidate: c, Offer: best})
	}
	return out
}
