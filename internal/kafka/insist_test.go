package kafka

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// How long is insisted on an answer: not at all on one that is final, for the whole
// patience on one that may change, and for a fifth of it when a broker denies the
// topic. Each side of each limit, in a clock of the test's own.
func TestInsistence(t *testing.T) {
	t.Parallel()
	const patience, pause = 15 * time.Second, time.Second
	for name, c := range map[string]struct {
		err  error
		goes time.Duration // up to here it is asked again
	}{
		"no leader":          {kerr.LeaderNotAvailable, patience - pause},
		"no answer":          {errImpatient, patience - pause},
		"a reset connection": {errors.New("connection reset"), patience - pause},
		"an unknown topic":   {fmt.Errorf("%w: %w", bifrost.ErrNotFound, kerr.UnknownTopicOrPartition), patience/5 - pause},
		"another topic ID":   {fmt.Errorf("%w: %w", bifrost.ErrWrongTopicID, kerr.UnknownTopicID), patience/5 - pause},
		"no permission":      {kerr.TopicAuthorizationFailed, -1},
		"a corrupt batch":    {corrupt("crc"), -1},
		"out of range":       {&bifrost.OutOfRangeError{}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := insistence{patience: patience, began: time.Now()}
				if over := i.over(c.err, pause); over != (c.goes < 0) {
					t.Fatalf("at once: over %v", over)
				}
				if c.goes < 0 {
					return
				}
				time.Sleep(c.goes)
				if i.over(c.err, pause) {
					t.Errorf("given up after %v", c.goes)
				}
				time.Sleep(time.Nanosecond)
				if !i.over(c.err, pause) {
					t.Errorf("insisted after %v", c.goes+time.Nanosecond)
				}
			})
		})
	}
}
