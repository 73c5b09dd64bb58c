package machine

import "millpond/internal/resource"

// Size is a VM size. Disk sizes are those the size table of the Resource Manager
// shows; only cores and memory are given to a machine.
type Size struct {
	Name      string
	Cores     int
	MemoryMiB int
	TempMiB   int // resource disk
	DataDisks int // most data disks
}

// OSDiskMiB is what every size shows as its largest OS disk.
const OSDiskMiB = 1047552

var sizes = []Size{
	{"Standard_A1_v2", 1, 2048, 10240, 2},
	{"Standard_A2_v2", 2, 4096, 20480, 4},
	{"Standard_A4_v2", 4, 8192, 40960, 8},
	{"Standard_A8_v2", 8, 16384, 81920, 16},
	{"Standard_A2m_v2", 2, 16384, 20480, 4},
	{"Standard_A4m_v2", 4, 32768, 40960, 8},
	{"Standard_A8m_v2", 8, 65536, 81920, 16},
	{"Standard_B1ls", 1, 512, 4096, 2},
	{"Standard_B1s", 1, 1024, 4096, 2},
	{"Standard_B1ms", 1, 2048, 4096, 2},
	{"Standard_B2s", 2, 4096, 8192, 4},
	{"Standard_B2ms", 2, 8192, 16384, 4},
	{"Standard_B4ms", 4, 16384, 32768, 8},
	{"Standard_B8ms", 8, 32768, 65536, 16},
	{"Standard_B12ms", 12, 49152, 98304, 16},
	{"Standard_B16ms", 16, 65536, 131072, 32},
	{"Standard_B20ms", 20, 81920, 163840, 32},
	{"Standard_D1", 1, 3584, 51200, 4},
	{"Standard_D2", 2, 7168, 102400, 8},
	{"Standard_D3", 4, 14336, 204800, 16},
	{"Standard_D4", 8, 28672, 409600, 32},
	{"Standard_D1_v2", 1, 3584, 51200, 4},
	{"Standard_D2_v2", 2, 7168, 102400, 8},
	{"Standard_D3_v2", 4, 14336, 204800, 16},
	{"Standard_D4_v2", 8, 28672, 409600, 32},
	{"Standard_D5_v2", 16, 57344, 819200, 64},
	{"Standard_D11_v2", 2, 14336, 102400, 8},
	{"Standard_D12_v2", 4, 28672, 204800, 16},
	{"Standard_D13_v2", 8, 57344, 409600, 32},
	{"Standard_D14_v2", 16, 114688, 819200, 64},
	{"Standard_DS1_v2", 1, 3584, 7168, 4},
	{"Standard_DS2_v2", 2, 7168, 14336, 8},
	{"Standard_DS3_v2", 4, 14336, 28672, 16},
	{"Standard_DS4_v2", 8, 28672, 57344, 32},
	{"Standard_DS5_v2", 16, 57344, 114688, 64},
	{"Standard_A1", 1, 1792, 71680, 2},
	{"Standard_A2", 2, 3584, 138240, 4},
	{"Standard_A3", 4, 7168, 291840, 8},
	{"Standard_A4", 8, 14336, 619520, 16},
	{"Standard_D2_v3", 2, 8192, 51200, 4},
	{"Standard_D4_v3", 4, 16384, 102400, 8},
	{"Standard_D8_v3", 8, 32768, 204800, 16},
	{"Standard_D16_v3", 16, 65536, 409600, 32},
	{"Standard_D32_v3", 32, 131072, 819200, 32},
	{"Standard_D48_v3", 48, 196608, 1228800, 32},
	{"Standard_D64_v3", 64, 262144, 1638400, 32},
	{"Standard_D2s_v3", 2, 8192, 16384, 4},
	{"Standard_D4s_v3", 4, 16384, 32768, 8},
	{"Standard_D8s_v3", 8, 32768, 65536, 16},
	{"Standard_D16s_v3", 16, 65536, 131072, 32},
	{"Standard_D32s_v3", 32, 131072, 262144, 32},
	{"Standard_D48s_v3", 48, 196608, 393216, 32},
	{"Standard_D64s_v3", 64, 262144, 524288, 32},
	{"Standard_D2_v4", 2, 8192, 0, 4},
	{"Standard_D4_v4", 4, 16384, 0, 8},
	{"Standard_D8_v4", 8, 32768, 0, 16},
	{"Standard_D16_v4", 16, 65536, 0, 32},
	{"Standard_D32_v4", 32, 131072, 0, 32},
	{"Standard_D48_v4", 48, 196608, 0, 32},
	{"Standard_D64_v4", 64, 262144, 0, 32},
	{"Standard_D2s_v4", 2, 8192, 0, 4},
	{"Standard_D4s_v4", 4, 16384, 0, 8},
	{"Standard_D8s_v4", 8, 32768, 0, 16},
	{"Standard_D16s_v4", 16, 65536, 0, 32},
	{"Standard_D32s_v4", 32, 131072, 0, 32},
	{"Standard_D48s_v4", 48, 196608, 0, 32},
	{"Standard_D64s_v4", 64, 262144, 0, 32},
	{"Standard_D2d_v4", 2, 8192, 76800, 4},
	{"Standard_D4d_v4", 4, 16384, 153600, 8},
	{"Standard_D8d_v4", 8, 32768, 307200, 16},
	{"Standard_D16d_v4", 16, 65536, 614400, 32},
	{"Standard_D2_v5", 2, 8192, 0, 4},
	{"Standard_D4_v5", 4, 16384, 0, 8},
	{"Standard_D8_v5", 8, 32768, 0, 16},
	{"Standard_D16_v5", 16, 65536, 0, 32},
	{"Standard_D32_v5", 32, 131072, 0, 32},
	{"Standard_D48_v5", 48, 196608, 0, 32},
	{"Standard_D64_v5", 64, 262144, 0, 32},
	{"Standard_D96_v5", 96, 393216, 0, 32},
	{"Standard_D2s_v5", 2, 8192, 0, 4},
	{"Standard_D4s_v5", 4, 16384, 0, 8},
	{"Standard_D8s_v5", 8, 32768, 0, 16},
	{"Standard_D16s_v5", 16, 65536, 0, 32},
	{"Standard_D32s_v5", 32, 131072, 0, 32},
	{"Standard_D48s_v5", 48, 196608, 0, 32},
	{"Standard_D64s_v5", 64, 262144, 0, 32},
	{"Standard_D96s_v5", 96, 393216, 0, 32},
	{"Standard_D2ads_v5", 2, 8192, 76800, 4},
	{"Standard_D4ads_v5", 4, 16384, 153600, 8},
	{"Standard_D8ads_v5", 8, 32768, 307200, 16},
	{"Standard_D16ads_v5", 16, 65536, 614400, 32},
	{"Standard_D32ads_v5", 32, 131072, 1228800, 32},
	{"Standard_D2ds_v5", 2, 8192, 76800, 4},
	{"Standard_D4ds_v5", 4, 16384, 153600, 8},
	{"Standard_D8ds_v5", 8, 32768, 307200, 16},
	{"Standard_D16ds_v5", 16, 65536, 614400, 32},
	{"Standard_D32ds_v5", 32, 131072, 1228800, 32},
	{"Standard_E2_v3", 2, 16384, 51200, 4},
	{"Standard_E4_v3", 4, 32768, 102400, 8},
	{"Standard_E8_v3", 8, 65536, 204800, 16},
	{"Standard_E16_v3", 16, 131072, 409600, 32},
	{"Standard_E20_v3", 20, 163840, 512000, 32},
	{"Standard_E32_v3", 32, 262144, 819200, 32},
	{"Standard_E2s_v3", 2, 16384, 32768, 4},
	{"Standard_E4s_v3", 4, 32768, 65536, 8},
	{"Standard_E8s_v3", 8, 65536, 131072, 16},
	{"Standard_E16s_v3", 16, 131072, 262144, 32},
	{"Standard_E20s_v3", 20, 163840, 327680, 32},
	{"Standard_E32s_v3", 32, 262144, 524288, 32},
	{"Standard_E2s_v4", 2, 16384, 0, 4},
	{"Standard_E4s_v4", 4, 32768, 0, 8},
	{"Standard_E8s_v4", 8, 65536, 0, 16},
	{"Standard_E16s_v4", 16, 131072, 0, 32},
	{"Standard_E32s_v4", 32, 262144, 0, 32},
	{"Standard_E2s_v5", 2, 16384, 0, 4},
	{"Standard_E4s_v5", 4, 32768, 0, 8},
	{"Standard_E8s_v5", 8, 65536, 0, 16},
	{"Standard_E16s_v5", 16, 131072, 0, 32},
	{"Standard_E20s_v5", 20, 163840, 0, 32},
	{"Standard_E32s_v5", 32, 262144, 0, 32},
	{"Standard_E48s_v5", 48, 393216, 0, 32},
	{"Standard_E64s_v5", 64, 524288, 0, 32},
	{"Standard_F1", 1, 2048, 16384, 4},
	{"Standard_F2", 2, 4096, 32768, 4},
	{"Standard_F4", 4, 8192, 65536, 8},
	{"Standard_F8", 8, 16384, 131072, 16},
	{"Standard_F16", 16, 32768, 262144, 32},
	{"Standard_F1s", 1, 2048, 4096, 4},
	{"Standard_F2s", 2, 4096, 8192, 4},
	{"Standard_F4s", 4, 8192, 16384, 8},
	{"Standard_F8s", 8, 16384, 32768, 16},
	{"Standard_F16s", 16, 32768, 65536, 32},
	{"Standard_F2s_v2", 2, 4096, 16384, 4},
	{"Standard_F4s_v2", 4, 8192, 32768, 8},
	{"Standard_F8s_v2", 8, 16384, 65536, 16},
	{"Standard_F16s_v2", 16, 32768, 131072, 32},
	{"Standard_F32s_v2", 32, 65536, 262144, 32},
	{"Standard_F48s_v2", 48, 98304, 393216, 32},
	{"Standard_F64s_v2", 64, 131072, 524288, 32},
	{"Standard_F72s_v2", 72, 147456, 589824, 32},
	{"Standard_H8", 8, 57344, 1024000, 32},
	{"Standard_H16", 16, 114688, 2048000, 64},
	{"Standard_HB60rs", 60, 233472, 716800, 4},
	{"Standard_HB120rs_v2", 120, 466944, 921600, 8},
	{"Standard_HC44rs", 44, 360448, 716800, 4},
}

var sizeByName = func() map[string]Size {
	m := make(map[string]Size, len(sizes))
	for _, s := range sizes {
		m[resource.Fold(s.Name)] = s
	}
	return m
}()

// Sizes lists every size, by family.
func Sizes() []Size { return sizes }

// SizeOf finds a size by its name in any casing: the documents write
// Standard_A1_v2 and STANDARD_D2_V3.
func SizeOf(name string) (Size, bool) {
	s, ok := sizeByName[resource.Fold(name)]
	return s, ok
}

// CoresAndMemory is SizeOf in the shape pool asks for.
func CoresAndMemory(name string) (cores, memoryMiB int, ok bool) {
	s, ok := SizeOf(name)
	return s.Cores, s.MemoryMiB, ok
}
