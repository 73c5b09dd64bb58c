package node

const (
	auditArch      = 0xc00000b7 // AUDIT_ARCH_AARCH64
	foreignNumbers = 0xffffffff // arm64 has no second numbering
)

var deniedHere []uint32
