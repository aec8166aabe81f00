package bifrosttest

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

func newTestLog(t *testing.T) (*Kafka, *KafkaTopic, *Log) {
	t.Helper()
	clock := NewClock(noon)
	kafka := NewKafka("cluster", clock.Now)
	topic := kafka.CreateTopic("orders", 1)
	return kafka, topic, topic.Logs[0]
}

// readAll reads a range to its end and returns the values with their offsets,
// and what was missing.
func readAll(t *testing.T, kafka *Kafka, id bifrost.TopicID, r bifrost.Range) (string, baldr.Missing, error) {
	t.Helper()
	records, err := kafka.Read(t.Context(), "orders", id, 0, r)
	if err != nil {
		t.Fatal(err)
	}
	text, missing, position := "", baldr.Missing{}, r.Start
	for {
		batch, err := records.Next(t.Context())
		if err == io.EOF {
			return text, missing, nil
		}
		if err != nil {
			return text, missing, err
		}
		m := batch.Missing
		if sum := int64(len(batch.Records)) + m.Control + m.Aborted + m.Compacted; batch.Position-position != sum {
			t.Fatalf("[%d, %d): records and missing sum up to %d", position, batch.Position, sum)
		}
		for _, record := range batch.Records {
			text += fmt.Sprintf("%d%s ", record.Offset, record.Value)
		}
		missing.Control += m.Control
		missing.Aborted += m.Aborted
		missing.Compacted += m.Compacted
		position = batch.Position
	}
}

func TestKafkaAccountsForEveryOffset(t *testing.T) {
	t.Parallel()
	kafka, topic, log := newTestLog(t)
	log.Produce("a", "b")
	aborted := log.Begin("c")
	log.End(aborted, false)
	committed := log.Begin("d", "e")
	log.End(committed, true)
	open := log.Begin("f")
	var outside *bifrost.OutOfRangeError
	if got := log.LastStable(); got != 7 {
		t.Fatalf("last stable offset %d, want 7: a transaction is open from there", got)
	}
	log.Compact(func(e Entry) bool { return e.Record.Offset == 1 || e.Record.Offset >= 5 })
	text, missing, err := readAll(t, kafka, topic.ID, bifrost.Range{Start: 0, End: 7})
	if want := (baldr.Missing{Control: 1, Aborted: 1, Compacted: 3}); text != "0a 4d " || missing != want || err != nil {
		t.Errorf("read %q, missing %+v, error %v; want \"0a 4d \" and %+v", text, missing, err, want)
	}
	if _, _, err := readAll(t, kafka, topic.ID, bifrost.Range{Start: 7, End: 8}); !errors.As(err, &outside) || outside.LogEnd != 7 {
		t.Errorf("read above the last stable offset: %v", err)
	}
	log.End(open, true)
	if text, _, err = readAll(t, kafka, topic.ID, bifrost.Range{Start: 7, End: 9}); text != "7f " || err != nil {
		t.Errorf("read %q of the last transaction, error %v", text, err)
	}
}

// TestKafkaFails reads up to where the leader fails, and behind.
func TestKafkaFails(t *testing.T) {
	t.Parallel()
	kafka, topic, log := newTestLog(t)
	log.Produce("a", "b", "c", "d", "e")
	log.Fail(3)
	for range 2 {
		if text, _, err := readAll(t, kafka, topic.ID, bifrost.Range{Start: 0, End: 5}); text != "0a 1b 2c " || !errors.Is(err, errUnreadable) {
			t.Errorf("read %q, error %v", text, err)
		}
	}
	if text, _, err := readAll(t, kafka, topic.ID, bifrost.Range{Start: 4, End: 5}); text != "4e " || err != nil {
		t.Errorf("read %q behind it, error %v", text, err)
	}
	log.Mend()
	if text, _, err := readAll(t, kafka, topic.ID, bifrost.Range{Start: 3, End: 5}); text != "3d 4e " || err != nil {
		t.Errorf("mended: read %q, error %v", text, err)
	}
}

func TestKafkaOutOfRange(t *testing.T) {
	t.Parallel()
	kafka, topic, log := newTestLog(t)
	log.Produce("a", "b", "c", "d")
	log.Retain(2)
	var outside *bifrost.OutOfRangeError
	if _, _, err := readAll(t, kafka, topic.ID, bifrost.Range{Start: 1, End: 4}); !errors.As(err, &outside) || outside.LogStart != 2 {
		t.Errorf("read below the log start: %v", err)
	}
	log.Truncate(3)
	if _, _, err := readAll(t, kafka, topic.ID, bifrost.Range{Start: 4, End: 5}); !errors.As(err, &outside) {
		t.Errorf("read beyond the log end: %v", err)
	}
}

func TestKafkaEpochs(t *testing.T) {
	t.Parallel()
	_, _, log := newTestLog(t)
	log.Produce("a", "b", "c")
	log.Elect()
	log.Produce("d")
	log.Truncate(2)
	log.Produce("e", "f", "g", "h")
	for epoch, want := range []int64{2, 2, 6, -1} { // epoch 1 is gone: what lies below it ends where epoch 2 begins
		if got := log.epochEnd(int32(epoch)); got != want {
			t.Errorf("epoch %d ends at %d, want %d", epoch, got, want)
		}
	}
}

func TestKafkaIncarnations(t *testing.T) {
	t.Parallel()
	kafka, first, log := newTestLog(t)
	log.Produce("old")
	kafka.DeleteTopic("orders")
	kafka.StaleMetadata(AllStale)
	if _, topics, err := kafka.Topics(t.Context()); err != nil || len(topics) != 1 || topics[0].ID != first.ID {
		t.Errorf("stale metadata: %+v, %v", topics, err)
	}
	second := kafka.CreateTopic("orders", 1)
	kafka.StaleMetadata(OneStale)
	if answers, err := kafka.Find(t.Context(), []string{"orders"}); err != nil || len(answers["orders"].IDs) != 1 || answers["orders"].IDs[0] != second.ID {
		t.Errorf("one broker behind: %+v, %v", answers, err)
	}
	second.Logs[0].Produce("new")
	kafka.StaleMetadata(NoneStale)
	if _, _, err := readAll(t, kafka, first.ID, bifrost.Range{Start: 0, End: 1}); !errors.Is(err, bifrost.ErrWrongTopicID) {
		t.Errorf("read of the deleted topic by ID: %v", err)
	}
	if text, _, _ := readAll(t, kafka, second.ID, bifrost.Range{Start: 0, End: 1}); text != "0new " {
		t.Errorf("read of the new topic: %q", text)
	}
	if text, _, _ := readAll(t, kafka, bifrost.TopicID{}, bifrost.Range{Start: 0, End: 1}); text != "0new " {
		t.Errorf("read by name: %q", text)
	}
	kafka.Hide("orders", true)
	answers, _ := kafka.Find(t.Context(), []string{"orders", "nothing"})
	if answers["orders"].Err == nil || answers["nothing"].Err != nil || len(answers["nothing"].IDs) != 0 {
		t.Errorf("a hidden topic is not a deleted one: %+v", answers)
	}
}

func TestKafkaFindsOffsetsByTime(t *testing.T) {
	t.Parallel()
	clock := NewClock(noon)
	kafka := NewKafka("cluster", clock.Now)
	log := kafka.CreateTopic("orders", 1).Logs[0]
	log.Produce("a", "b")
	clock.Advance(time.Hour)
	log.Produce("c")
	at := func(when time.Time) int64 {
		key := bifrost.TopicPartition{Topic: "orders"}
		answers, _ := kafka.OffsetsAt(t.Context(), []bifrost.TopicPartition{key}, when)
		return answers[key].Offset
	}
	if a, b, c := at(noon), at(noon.Add(time.Minute)), at(noon.Add(2*time.Hour)); a != 0 || b != 2 || c != 3 {
		t.Errorf("offsets at three times: %d %d %d, want 0 2 3", a, b, c)
	}
}
