package node

import (
	"os"
	"syscall"
	"testing"
)

func benchAttr(b *testing.B) *syscall.ProcAttr {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { null.Close() })
	fd := null.Fd()
	return &syscall.ProcAttr{Env: []string{}, Files: []uintptr{fd, fd, fd}}
}

// The floor: fork, exec and wait, nothing else.
func BenchmarkBareForkExec(b *testing.B) {
	attr := benchAttr(b)
	b.SetParallelism(1)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			pid, err := syscall.ForkExec("/bin/true", []string{"true"}, attr)
			if err != nil {
				b.Fatal(err)
			}
			var st syscall.WaitStatus
			syscall.Wait4(pid, &st, 0, nil)
		}
	})
}

func benchStart(b *testing.B, confined bool, sys *syscall.SysProcAttr) {
	attr := benchAttr(b)
	attr.Sys = sys
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p, err := kids.start("/bin/true", []string{"true"}, attr, confined, true)
			if err != nil {
				b.Fatal(err)
			}
			<-p.done
		}
	})
}

func BenchmarkStart(b *testing.B) { benchStart(b, false, nil) }

func BenchmarkStartConfined(b *testing.B) {
	benchStart(b, true, &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: 2000, Gid: 2000, Groups: []uint32{2000}}})
}
