package baldr

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

func BenchmarkW(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	var recs []Record
	for i := 0; i < 4000; i++ {
		recs = append(recs, Record{Timestamp: int64(i)*3 + 1700000000000, Key: fmt.Appendf(nil, "%08x", r.Uint32()), Value: fmt.Appendf(nil, `{"event":"page_view","id":"%016x%016x","url":"https://shop.example.com/shoes/product-%d","agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36","ip":"%d.%d.%d"} padding padding %x`, r.Uint64(), r.Uint64(), r.IntN(1000), r.IntN(255), r.IntN(255), r.IntN(255), r.Uint64())})
	}
	w := NewWriter(io.Discard, Options{Workers: 2})
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		rec := recs[n%4000]
		rec.Offset = int64(n)
		n++
		w.WriteRecord(&rec)
	}
}
