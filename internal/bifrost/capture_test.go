package bifrost_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// Captures lie beside topics of similar names: topics are archived, verified and
// rebuilt, captures are left alone, and what only looks like one is found.
func TestCapturesBesideTopics(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.inFlight = 10
	for _, name := range []string{"_clusters", "clusters", "zebra"} {
		s.kafka.CreateTopic(name, 1).Logs[0].Produce("of " + name)
	}
	keys := []string{
		capture.PositionsKey(testGroup, "cluster", s.clock.Now()), capture.PositionsKey(testGroup, "partition=0", s.clock.Now()),
		capture.ConfigurationKey(testGroup, "cluster", s.clock.Now(), strings.Repeat("0f", 32)),
	}
	for _, key := range keys {
		s.store.Put(key, []byte("a capture"))
	}
	s.settle()
	s.sound(verify.Options{Deep: true, Kafka: true})
	before := s.unmarked()
	s.ledger.Lose(func(bifrost.Progress) bool { return true }, func(bifrost.Row) bool { return true })
	summary := s.rebuild()
	if summary.Partitions != 3 || summary.Failures != 0 {
		t.Errorf("%+v", summary)
	}
	s.sound(verify.Options{Deep: true, Kafka: true})
	for _, key := range keys {
		if len(s.store.Versions(key)) != 1 {
			t.Errorf("%s has %d versions", key, len(s.store.Versions(key)))
		}
	}
	if after := s.unmarked(); len(after) != len(before) {
		t.Errorf("objects %v, then %v", before, after)
	}
	s.store.Put(capture.ClusterPrefix(testGroup, "cluster")+"notes.txt", nil)
	found, _ := s.verify(verify.Options{})
	if len(found) != 1 || found[0].Kind != verify.ForeignObject {
		t.Errorf("found %+v", found)
	}
}

// Records of verifications lie beside topics of similar names, in more pages than one:
// topics are archived, verified and rebuilt, records are left alone, and what only looks
// like their place is found.
func TestRecordedVerificationsBesideTopics(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.inFlight = 10
	for _, name := range []string{"_verify", "verify", "zebra"} {
		s.kafka.CreateTopic(name, 1).Logs[0].Produce("of " + name)
	}
	s.settle()
	var keys []string
	for n := range 3 * bifrost.ListPage {
		found, summary := s.verify(verify.Options{Deep: true})
		at := s.clock.Now().Add(time.Duration(n) * time.Hour)
		key, err := verify.WriteRecord(context.Background(), s.store, testGroup,
			verify.Record{At: at, EndedAt: at, Complete: true, Summary: summary, Violations: found})
		if err != nil || len(found) > 0 {
			t.Fatalf("after %d records: found %+v, error %v", n, found, err)
		}
		keys = append(keys, key)
	}
	s.sound(verify.Options{Deep: true, Kafka: true})
	s.ledger.Lose(anyProgress, anyRow)
	if summary := s.rebuild(); summary.Partitions != 3 {
		t.Errorf("%+v", summary)
	}
	s.sound(verify.Options{Deep: true, Kafka: true})
	for _, key := range keys {
		if len(s.store.Versions(key)) != 1 {
			t.Errorf("%s has %d versions", key, len(s.store.Versions(key)))
		}
	}
	for _, stray := range []string{testGroup + "/~verify", testGroup + "/~verifyx/20260101T000000.000Z.json"} {
		s.store.Put(stray, nil)
		if found, _ := s.verify(verify.Options{}); len(found) != 1 || found[0].Kind != verify.ForeignObject {
			t.Errorf("%s: found %+v", stray, found)
		}
		s.store.Delete(stray)
	}
}
