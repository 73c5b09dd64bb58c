package layer

// Limits bound what one archive may do to this machine. A zero field means its
// default, so Limits{} is the ordinary choice.
type Limits struct {
	// Bytes is the most one archive may hold uncompressed, headers and padding
	// included. Default 64 GiB.
	Bytes int64
	// Entries is the most entries of one archive. Default 2,000,000.
	Entries int
	// Path is the longest path in bytes and Depth the most components of one.
	// Defaults 4,096 (the kernel's PATH_MAX) and 256.
	Path, Depth int
	// Ratio is the most uncompressed bytes per compressed byte, judged once
	// more than RatioFrom bytes came out. Defaults 200 and 64 MiB. It guards
	// foreign archives; a layer that declares its Unpacked size is held to that
	// size instead, because a disk full of zeros is legitimate in our own diff.
	Ratio, RatioFrom int64
}

func (l Limits) orDefaults() Limits {
	if l.Bytes == 0 {
		l.Bytes = 64 << 30
	}
	if l.Entries == 0 {
		l.Entries = 2_000_000
	}
	if l.Path == 0 {
		l.Path = 4096
	}
	if l.Depth == 0 {
		l.Depth = 256
	}
	if l.Ratio == 0 {
		l.Ratio = 200
	}
	if l.RatioFrom == 0 {
		l.RatioFrom = 64 << 20
	}
	return l
}

// maxID is the highest user or group id a machine has: 65,536 ids are mapped
// into its user namespace, so a larger owner cannot be written.
const maxID = 65535
