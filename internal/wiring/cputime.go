// The processor time of this process.

package wiring

import (
	"syscall"
	"time"
)

// cpuTime is the processor time that this process has used so far on all cores, in
// its own code and in the kernel; 0 if the system does not report it (getrusage, POSIX).
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
