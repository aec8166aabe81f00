//go:build !real

package main

import (
	"encoding/json"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

// A flush that settles what Kafka deleted before it was archived says so and does not end as if all were well.
func TestAFlushWithLosses(t *testing.T) {
	t.Parallel()
	s := newFakes(t).sandbox(t)
	orders := s.topics + "-orders"
	must(t, s.topic(t.Context(), orders, 1, "retention.ms=86400000"))
	must(t, s.produce(t.Context(), numbered(orders, 0, 0, 10)...))
	s.inside(t, "flush").must(t, 0)
	must(t, s.produce(t.Context(), numbered(orders, 0, 10, 20)...))
	client, err := s.client()
	must(t, err)
	defer client.Close()
	var until kadm.Offsets
	until.AddOffset(orders, 0, 15, -1)
	_, err = kadm.NewClient(client).DeleteRecords(t.Context(), until)
	must(t, err)
	s.inside(t, "flush").must(t, 3, "bifrost: 5 offsets were lost, the first of them "+orders+"/0 [10, 15): ", "bifrost ls TOPIC --state LOST")
	s.inside(t, "flush").must(t, 0, "everything that can be read is archived")
}

// What is left of a topic that was deleted is no reason to say that everything is archived.
func TestAFlushBesideADeletedTopic(t *testing.T) {
	t.Parallel()
	s := newFakes(t).sandbox(t)
	orders, deleted := s.topics+"-orders", s.topics+"-deleted"
	for _, topic := range []string{orders, deleted} {
		must(t, s.topic(t.Context(), topic, 1))
		must(t, s.produce(t.Context(), numbered(topic, 0, 0, 10)...))
	}
	s.inside(t, "flush").must(t, 0)
	must(t, s.deleteTopic(t.Context(), deleted))
	s.inside(t, "flush").must(t, 0)                                                        // all of it is archived
	must(t, s.setAttribute(t.Context(), "progress", deleted, "0", "log_end_offset", "17")) // as a tick saw it
	s.inside(t, "flush").must(t, 3, "7 offsets of "+deleted+" are neither archived nor a recorded gap yet",
		"bifrost: 7 offsets are still on their way, of 1 partition whose topic was deleted")
	s.inside(t, "flush", orders).must(t, 0) // not what was asked for
	printed := s.inside(t, "flush", "--json")
	printed.must(t, 3)
	var told struct {
		Complete bool
		Failed   []struct{ Topic, Error string }
	}
	must(t, json.Unmarshal([]byte(printed.out), &told))
	if told.Complete || len(told.Failed) != 1 || told.Failed[0].Topic != deleted {
		t.Errorf("it prints %+v", told)
	}
}
