package deflate

import (
	"fmt"
	"math/rand/v2"
)

// require is what testing.T and rapid.T have in common.
type require interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func check(t require, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// seeded is random bytes, the same ones for a seed.
func seeded(seed uint64, size int) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

// text is JSON of which every part comes again at some distance.
func text(size int) []byte {
	var data []byte
	for i := 0; len(data) < size; i++ {
		data = fmt.Appendf(data, `{"page":"/shoes/%d","user":%d}`, i*i%101, i%7)
	}
	return data[:size]
}

// failingWriter takes so many bytes and then fails.
type failingWriter struct {
	left int
	err  error
}

func (w *failingWriter) Write(p []byte) (int, error) {
	n := min(w.left, len(p))
	w.left -= n
	if n < len(p) {
		return n, w.err
	}
	return n, nil
}
