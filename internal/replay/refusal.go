// Why nothing is written.

package replay

import (
	"errors"
	"fmt"
	"strings"
)

// ErrRefused marks an error that ended a replay before it had made or written
// anything.
var ErrRefused = errors.New("nothing was written")

func refusef(format string, args ...any) error {
	return fmt.Errorf("%s; %w", fmt.Sprintf(format, args...), ErrRefused)
}

// An Objection is why a part is not written as it was asked for.
type Objection struct {
	Topic  string
	Text   string
	Answer Answer // the flag that goes on all the same
}

// Answer is what a person may say to an objection.
type Answer string

// The answers are flags of the command.
const (
	AnswerForce Answer = "--force" // go on
	AnswerAgain Answer = "--again" // write what was asked for once more
)

// refused makes objections an error.
func refused(objections []Objection) error {
	return fmt.Errorf("%s; %w", textOf(objections), ErrRefused)
}

func textOf(objections []Objection) string {
	var text []string
	for _, o := range objections {
		text = append(text, fmt.Sprintf("topic %s: %s (%s goes on all the same)", o.Topic, o.Text, o.Answer))
	}
	return strings.Join(text, "; ")
}

// errObjected says that something stands against going on that did not when the run
// began, and something may be written.
var errObjected = errors.New("the target is not what it was when the replay began")
