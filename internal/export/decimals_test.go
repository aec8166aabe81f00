package export

import (
	"bytes"
	"math/big"
	"testing"
)

// Decimals of each size keep their sign: those of more than 18 digits are two's complement in 16 bytes (the Parquet
// format, DECIMAL).
func TestDecimalsKeepTheirSign(t *testing.T) {
	t.Parallel()
	for _, digits := range []string{"0", "1", "-1", "123456789", "-123456789"} {
		n, _ := new(big.Int).SetString(digits, 10)
		if got := decimalValue(n, 9).Int32(); int64(got) != n.Int64() {
			t.Errorf("%s is %d of 32 bits", digits, got)
		}
		if got := decimalValue(n, 18).Int64(); got != n.Int64() {
			t.Errorf("%s is %d of 64 bits", digits, got)
		}
	}
	for digits, want := range map[string][]byte{
		"0":    make([]byte, 16),
		"1":    append(make([]byte, 15), 1),
		"-1":   bytes.Repeat([]byte{0xff}, 16),
		"-256": append(bytes.Repeat([]byte{0xff}, 15), 0),
		"99999999999999999999999999999999999999": {0x4b, 0x3b, 0x4c, 0xa8, 0x5a, 0x86, 0xc4, 0x7a, 0x09, 0x8a, 0x22, 0x3f, 0xff, 0xff,
			0xff, 0xff},
		"-99999999999999999999999999999999999999": {0xb4, 0xc4, 0xb3, 0x57, 0xa5, 0x79, 0x3b, 0x85, 0xf6, 0x75, 0xdd, 0xc0, 0, 0, 0, 1},
	} {
		n, _ := new(big.Int).SetString(digits, 10)
		if got := decimalValue(n, 38).ByteArray(); !bytes.Equal(got, want) {
			t.Errorf("%s is %x, want %x", digits, got, want)
		}
	}
}
