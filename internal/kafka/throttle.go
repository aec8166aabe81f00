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

// throttles remembers until when brokers want to be left alone. A broker whose
// quota is used up answers at once, with the time that it will not listen for
// (KIP-219), and franz-go holds back what would go over the same connection until
// then. So a request may wait for a quota that another one has used up, and that
// is no silence: whoever waits for an answer has to be patient for as much longer.
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

// patiently bounds the wait for an answer. Without it a broker that accepts
// connections and says nothing could cost a function all of its time. Patience
// begins anew when a broker listens again that did not because of a quota.
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
