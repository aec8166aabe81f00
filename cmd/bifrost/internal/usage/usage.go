// Package usage tells mistakes on the command line, which end a command with exit
// code 2, from all other failures.
package usage

import (
	"errors"
	"fmt"
)

// An Error is a mistake on the command line. It says what its cause says.
type Error struct{ cause error }

// Error is what its cause says.
func (e Error) Error() string { return e.cause.Error() }

// Unwrap is the cause.
func (e Error) Unwrap() error { return e.cause }

// Of makes an error a mistake on the command line.
func Of(cause error) error { return Error{cause} }

// Errorf is fmt.Errorf for such a mistake.
func Errorf(format string, args ...any) error { return Of(fmt.Errorf(format, args...)) }

// Is reports whether an error is, or wraps, such a mistake.
func Is(err error) bool {
	var mistake Error
	return errors.As(err, &mistake)
}
