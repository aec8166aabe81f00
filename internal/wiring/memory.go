package wiring

import (
	"runtime/debug"

	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/kafka"
)

// LimitMemory tells the garbage collector how much memory the function has, less
// an eighth for what it does not manage: Go does not look for that by itself, and
// a heap that may double is killed where one that is collected sooner would fit.
// Outside of Lambda it does nothing.
func LimitMemory() {
	if memory := config.FunctionMemory(); memory > 0 {
		debug.SetMemoryLimit(memory / 8 * 7)
	}
}

// largestBatch is the largest record batch that fits. While its records are
// archived it is in memory as it came and uncompressed, the next one waits, and the
// writer has twice as much: with an eighth, something is left for all else.
func largestBatch() int64 {
	if memory := config.FunctionMemory(); memory > 0 {
		return memory / 8
	}
	return kafka.LargestBatch
}
