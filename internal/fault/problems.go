package fault

import "errors"

// Problems gathers every broken rule of one request, so that a client hears
// of all bad fields at once. The zero value is ready.
type Problems struct{ found []*Error }

// Add notes err if it is not nil; errors that are not faults are kept as
// InternalError.
func (p *Problems) Add(err error) {
	if err == nil {
		return
	}
	f, ok := errors.AsType[*Error](err)
	if !ok {
		f = New("InternalError", "").Because(err)
	}
	p.found = append(p.found, f)
}

// Err is nil, the only problem, or the first one carrying the details of all:
// Azure's bodies have one code and one list of values.
func (p *Problems) Err() error {
	if len(p.found) == 0 {
		return nil
	}
	all := *p.found[0]
	all.Details = append([]Detail(nil), all.Details...)
	for _, f := range p.found[1:] {
		all.Details = append(all.Details, f.Details...)
	}
	return &all
}

// Joined is Err for bodies that have one sentence and one target (Resource
// Manager's): the first problem's code and details, and the sentences of all.
func (p *Problems) Joined() error {
	if len(p.found) == 0 {
		return nil
	}
	all := *p.found[0]
	for _, f := range p.found[1:] {
		all.Message += " " + f.Message
	}
	return &all
}
