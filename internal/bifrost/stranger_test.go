package bifrost_test

import (
	"bytes"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// TestAnObjectOfAnotherIsLeftAlone: an object at a range's key is that range's only if
// cluster, topic, ID, partition and start are all its own. One that differs in any of them
// stays, and the range goes to the alternative key.
func TestAnObjectOfAnotherIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *baldr.Summary){
		"cluster":   func(s *baldr.Summary) { s.ClusterID = "another" },
		"topic":     func(s *baldr.Summary) { s.Topic = "others" },
		"topic ID":  func(s *baldr.Summary) { s.TopicID[0]++ },
		"partition": func(s *baldr.Summary) { s.Partition++ },
		"start":     func(s *baldr.Summary) { s.Start++ },
		"none":      func(*baldr.Summary) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			s.target = 1 << 20
			log := s.kafka.CreateTopic("orders", 1).Logs[0]
			log.Produce("a", "b", "c", "d")
			for s.tick().Planned == 0 {
			}
			p := s.progressOf("orders")
			var object bytes.Buffer
			w := baldr.NewWriter(&object, baldr.Options{})
			for offset := int64(1); offset < 4; offset++ {
				if err := w.WriteRecord(&baldr.Record{Offset: offset, Timestamp: 1, Value: []byte("of another")}); err != nil {
					t.Fatal(err)
				}
			}
			summary := baldr.Summary{ClusterID: p.ClusterID, Topic: "orders", TopicID: p.TopicID, Start: 0, End: 4, Missing: baldr.Missing{Compacted: 1}, LastLeaderEpoch: -1}
			change(&summary)
			summary.Missing.Compacted = summary.End - summary.Start - 3
			if _, err := w.Close(summary); err != nil {
				t.Fatal(err)
			}
			key := bifrost.ObjectKey(testGroup, p.Partition, 0, 0)
			s.store.Put(key, object.Bytes())
			s.work()
			want := bifrost.ObjectKey(testGroup, p.Partition, 0, 1)
			if name == "none" {
				want = key
			}
			row, err := s.ledger.Row(t.Context(), p.Partition, 0)
			if err != nil || !row.State.Done() || row.Facts.Key != want {
				t.Errorf("row %+v, %v: want it settled with %s; told %q", row, err, want, s.log)
			}
			if versions := s.store.Versions(key); len(versions) != 1 || !bytes.Equal(versions[0], object.Bytes()) {
				t.Error("the object at the key was not left alone")
			}
		})
	}
}
