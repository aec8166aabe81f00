package kafka

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// A broker that denies a topic has a fifth of the patience from its first denial on: however long others
// have not answered before that, it may be the last to know. What else fails has all of the patience,
// from the first request on.
func TestDenialsHaveATimeOfTheirOwn(t *testing.T) {
	t.Parallel()
	const patience = time.Hour
	ago := func(part float64) time.Time { return time.Now().Add(-time.Duration(part * float64(patience))) }
	failed, gone := errors.New("no answer"), fmt.Errorf("%w: of an earlier topic", bifrost.ErrWrongTopicID)
	for name, c := range map[string]struct {
		began, doubted time.Time
		err            error
		over           bool
	}{
		"the first denial, late":           {ago(0.9), time.Time{}, gone, false},
		"the first that it is not there":   {ago(0.9), time.Time{}, bifrost.ErrNotFound, false},
		"denied for a while":               {ago(0.9), ago(0.1), gone, false},
		"denied for long":                  {ago(0.3), ago(0.25), gone, true},
		"not there for long":               {ago(0.3), ago(0.25), bifrost.ErrNotFound, true},
		"no answer for a while":            {ago(0.9), time.Time{}, failed, false},
		"no answer, and denied for long":   {ago(0.9), ago(0.25), failed, false},
		"no answer for long":               {ago(1.1), time.Time{}, failed, true},
		"an answer that will not be other": {time.Now(), time.Time{}, kerr.TopicAuthorizationFailed, true},
	} {
		i := insistence{client: &Client{patience: patience, throttles: new(throttles)}, began: c.began, doubted: c.doubted}
		if over := i.isOver(c.err, time.Second); over != c.over {
			t.Errorf("%s: over is %v", name, over)
		}
		if denied := !errors.Is(c.err, failed) && !c.over; denied && i.doubted.IsZero() {
			t.Errorf("%s: the denial is not remembered", name)
		}
	}
}
