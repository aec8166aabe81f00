// How throttling brokers are told from silent ones.

package kafka

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// errImpatient is the cause of a context that ended because nobody answered.
var errImpatient = errors.New("no answer in time")

// throttles remembers until when brokers throttle. A broker whose quota is used up
// answers immediately, with the time for which it will not listen (KIP-219), and franz-go
// holds back requests on the same connection until then. So a request may wait for a
// quota that another one has used up, and that is not silence: whoever waits for an
// answer has to wait that much longer.
type throttles struct {
	mu    sync.Mutex
	until time.Time
}

var _ kgo.HookBrokerThrottle = (*throttles)(nil)

// OnBrokerThrottle implements [kgo.HookBrokerThrottle].
func (t *throttles) OnBrokerThrottle(_ kgo.BrokerMetadata, wait time.Duration, fromNowOn bool) {
	if !fromNowOn {
		return // brokers before 2.0 have waited themselves
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if until := time.Now().Add(wait); until.After(t.until) {
		t.until = until
	}
}

// over is when the last broker listens again; the given time if that is later.
func (t *throttles) over(since time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.until.After(since) {
		return t.until
	}
	return since
}

// patiently bounds the wait for an answer. Without it a broker that accepts connections
// but never answers could cost a function all of its time. The timeout starts again when
// a broker that throttled listens again.
func (c *Client) patiently(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	began := time.Now()
	go func() {
		for {
			left := time.Until(c.throttles.over(began).Add(c.patience))
			if left <= 0 {
				cancel(errImpatient)
				return
			}
			if sleep(ctx, left) != nil {
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
