package bifrost_test

import (
	"context"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

// interrupted is a cluster before whose first answer something else happens: the
// tick that asks has read the tables, and stands still.
type interrupted struct {
	bifrost.Cluster
	meanwhile func()
}

func (c *interrupted) Topics(ctx context.Context) (string, []bifrost.Topic, error) {
	if happens := c.meanwhile; happens != nil {
		c.meanwhile = nil
		happens()
	}
	return c.Cluster.Topics(ctx)
}

// TestAFrozenTickConfirmsNoOldSuspicion has a tick that reads that a topic is
// suspected to be deleted, and stands still while another sees the topic. When it
// goes on, brokers' metadata are behind once more.
func TestAFrozenTickConfirmsNoOldSuspicion(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.produce(s.kafka.CreateTopic("orders", 1).Logs[0], 0)
	unheardOf := func(yes bool) { // metadata from before the topic was made
		stale := bifrosttest.NoneStale
		if yes {
			stale = bifrosttest.AllStale
		}
		s.kafka.StaleMetadata(stale)
	}
	s.tick()
	s.tick()
	for len(s.lambda.Waiting()) > 0 {
		s.lambda.Take(0) // planned, and not archived
	}
	s.clock.Advance(time.Hour) // nor leased
	unheardOf(true)
	s.tick()
	if p := s.progress("orders", 0); p.Suspicion == "" {
		t.Fatal("one look at stale metadata raises no suspicion")
	}
	s.clock.Advance(time.Minute)
	frozen := s.discoverer()
	frozen.Cluster = &interrupted{frozen.Cluster, func() {
		unheardOf(false)
		s.tick()
		if p := s.progress("orders", 0); p.Suspicion != "" {
			t.Errorf("seen again, and still suspected: %s", p.Suspicion)
		}
		for len(s.lambda.Waiting()) > 0 {
			s.lambda.Take(0)
		}
		s.clock.Advance(time.Hour)
		unheardOf(true)
	}}
	if _, err := frozen.Tick(t.Context(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	unheardOf(false)
	for _, r := range s.ledger.AllRows() {
		if r.GapReason != "" {
			t.Errorf("%s is called a gap: %s", r.Range, r.GapReason)
		}
	}
	s.settle()
	if p := s.progress("orders", 0); p.Lost > 0 || p.NextOffset != 12 {
		t.Errorf("progress %+v", p)
	}
}

// TestOneBrokersWordClosesNothing has a broker that has not heard of a topic for
// an hour, and one that has not heard that a topic was made anew.
func TestOneBrokersWordClosesNothing(t *testing.T) {
	t.Parallel()
	for name, remake := range map[string]bool{"a topic it has not heard of": false, "a topic made anew": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			topic := s.kafka.CreateTopic("orders", 1)
			s.produce(topic.Logs[0], 0)
			if remake {
				s.settle()
				s.kafka.DeleteTopic("orders")
				topic = s.kafka.CreateTopic("orders", 1)
				s.produce(topic.Logs[0], 1)
			}
			s.settle()
			s.produce(topic.Logs[0], 2)
			s.tick()
			for len(s.lambda.Waiting()) > 0 {
				s.lambda.Take(0) // planned, and not archived
			}
			s.kafka.StaleMetadata(bifrosttest.OneStale)
			for range 30 {
				s.tick()
				s.work()
			}
			s.kafka.StaleMetadata(bifrosttest.NoneStale)
			s.settle()
			rows, _ := s.ledger.ListProgress(t.Context())
			for _, p := range rows {
				if p.TopicID == topic.ID && (p.Lost > 0 || p.Status != bifrost.StatusOpen || p.NextOffset != 24) {
					t.Errorf("progress %+v; told %q", p, s.log)
				}
			}
		})
	}
}
