// How the memory of a function is divided.

package wiring

import (
	"runtime/debug"

	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/kafka"
)

// LimitMemory tells the garbage collector how much memory the function has, less an
// eighth for what it does not manage: Go does not find that out by itself, and a heap
// that may double is killed where one that is collected sooner would fit. Outside Lambda
// it does nothing.
func LimitMemory() {
	if memory := config.FunctionMemory(); memory > 0 {
		debug.SetMemoryLimit(memory / 8 * 7)
	}
}

// largestBatch is the largest record batch that fits. While its records are archived it
// is in memory both as received and uncompressed, the next one is waiting, and the writer
// holds twice as much: with an eighth, something is left for everything else.
func largestBatch() int64 {
	if memory := config.FunctionMemory(); memory > 0 {
		return memory / 8
	}
	return kafka.LargestBatch
}
