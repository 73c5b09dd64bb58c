package pool

import (
	"fmt"
	"hash/fnv"
)

// Address is a node's loopback address on a shared network: 127.a.b.c, spread
// by pool so that two pools seldom meet, never 127.0.x.x, which the host uses.
func Address(poolUID string, number int) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(poolUID))
	net := 1 + h.Sum32()%250
	if net == 66 {
		net = 251 // 127.66 is the virtual machines'
	}
	n := uint32(number) + 4 // Azure's first node is .4
	return fmt.Sprintf("127.%d.%d.%d", net, n/250%250, 1+n%250)
}
