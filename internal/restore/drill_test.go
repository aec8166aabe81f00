package restore

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/capture"
)

// Whatever of a record is another one is seen, null and empty told apart.
func TestDrillSeesEveryChange(t *testing.T) {
	t.Parallel()
	archived := baldr.Record{Timestamp: 5, Key: []byte("k"), Value: []byte{}, Headers: []baldr.Header{{Key: []byte("h"), Value: nil}, {Key: []byte("h"), Value: []byte("2")}}}
	restored := func(change func(*kgo.Record)) *kgo.Record {
		r := &kgo.Record{
			Timestamp: time.UnixMilli(5), Key: []byte("k"), Value: []byte{}, Offset: 77,
			Headers: []kgo.RecordHeader{{Key: "h"}, {Key: "h", Value: []byte("2")}},
		}
		change(r)
		return r
	}
	if !same(&archived, restored(func(*kgo.Record) {})) {
		t.Error("the same record is another one")
	}
	for name, change := range map[string]func(*kgo.Record){
		"time":             func(r *kgo.Record) { r.Timestamp = time.UnixMilli(6) },
		"key":              func(r *kgo.Record) { r.Key = nil },
		"null for empty":   func(r *kgo.Record) { r.Value = nil },
		"value":            func(r *kgo.Record) { r.Value = []byte("v") },
		"order of headers": func(r *kgo.Record) { slices.Reverse(r.Headers) },
		"a header less":    func(r *kgo.Record) { r.Headers = r.Headers[1:] },
		"empty for null":   func(r *kgo.Record) { r.Headers[0].Value = []byte{} },
		"a header's name":  func(r *kgo.Record) { r.Headers[0].Key = "g" },
	} {
		if same(&archived, restored(change)) {
			t.Errorf("%s: the change is not seen", name)
		}
	}
}

// A sample has topics with records, as many as fit, and one at least.
func TestDrillChoosesWhatFits(t *testing.T) {
	t.Parallel()
	topic := func(name string, records, bytes int64) Topic {
		return Topic{Topic: capture.Topic{Name: name}, Partitions: []Partition{{Records: records, Bytes: bytes}}}
	}
	topics := []Topic{topic("a", 1, 10), topic("b", 1, 20), topic("empty", 0, 0), topic("c", 1, 30)}
	for range 50 {
		if got := choose(topics, 60); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Fatalf("of 60 bytes %v were chosen", got)
		}
		if got := choose(topics, 5); len(got) != 1 || got[0] == "empty" {
			t.Fatalf("of 5 bytes %v were chosen", got)
		}
		if got := choose(topics, 25); len(got) != 1 {
			t.Fatalf("of 25 bytes %v were chosen", got)
		}
	}
}
