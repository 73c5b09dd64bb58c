package local

import "context"

type Finding struct{ Name string }

const probeArg = "probe-machine"

func probeMachine() int                             { return 0 }
func (h *host) probe(ctx context.Context) []Finding { return nil }
