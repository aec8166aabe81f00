package wiring

import (
	"runtime/debug"

	"github.com/bifrost-archive/bifrost/internal/config"
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
