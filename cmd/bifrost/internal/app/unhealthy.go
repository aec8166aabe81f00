// The end of a command that has found something wrong.

package app

import (
	"errors"
	"fmt"

	"github.com/bifrost-archive/bifrost/internal/readback"
)

// An unhealthy error ends a command that did its work and found something wrong: exit
// code 3. It can only be made with a reason, which is printed as that of any other error.
type unhealthy struct{ reason error }

// Error is the reason.
func (u unhealthy) Error() string { return u.reason.Error() }

// Unwrap is the reason.
func (u unhealthy) Unwrap() error { return u.reason }

// GoingOn is the annotation that says what a command leaves that was interrupted or had no room left,
// and how to go on.
const GoingOn = "going on"

// Unhealthyf is fmt.Errorf for the end of a command that found something wrong. The words
// sum up what was printed, or are the reason alone.
func Unhealthyf(format string, args ...any) error { return unhealthy{fmt.Errorf(format, args...)} }

// IsUnhealthy reports whether an error is, or wraps, such an end, or says that a row is gone
// from the tables.
func IsUnhealthy(err error) bool {
	var found unhealthy
	return errors.As(err, &found) || errors.Is(err, readback.ErrRowGone)
}
