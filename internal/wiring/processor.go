package wiring

import (
	"syscall"
	"time"
)

// processorTime is what this process has used of all cores so far, in its own
// code and in the kernel's; 0 when the system does not tell (getrusage, POSIX).
func processorTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
