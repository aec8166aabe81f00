package bifrost_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// content is an object as it stands in the bucket.
func (s *stack) content(key string) []byte {
	s.Helper()
	versions := s.store.Versions(key)
	if len(versions) == 0 {
		s.Fatalf("no object at %s", key)
	}
	return versions[len(versions)-1]
}

func (s *stack) objectKeys() []string {
	return slices.DeleteFunc(s.store.Keys(), func(key string) bool { return !strings.HasSuffix(key, bifrost.ObjectSuffix) })
}

// records reads all of an object.
func (s *stack) records(key string) ([]baldr.Record, baldr.Summary) {
	s.Helper()
	content := s.content(key)
	file, err := baldr.Open(bytes.NewReader(content), int64(len(content)), baldr.ReaderOptions{})
	if err != nil {
		s.Fatalf("%s: %v", key, err)
	}
	var records []baldr.Record
	for record, err := range file.All() {
		if err != nil {
			s.Fatalf("%s: %v", key, err)
		}
		records = append(records, record.Clone())
	}
	return records, file.Summary()
}

// written is an object of the records.
func (s *stack) written(records []baldr.Record, summary baldr.Summary) ([]byte, baldr.Summary) {
	s.Helper()
	var content bytes.Buffer
	w := baldr.NewWriter(&content, baldr.Options{})
	for i := range records {
		if err := w.WriteRecord(&records[i]); err != nil {
			s.Fatalf("%v", err)
		}
	}
	summary, err := w.Close(summary)
	if err != nil {
		s.Fatalf("%v", err)
	}
	return content.Bytes(), summary
}

// rewrite puts another object in place of the row's, and lets the row agree
// with it, as a bug of the archiver would.
func (s *stack) rewrite(r bifrost.Row, change func([]baldr.Record, *baldr.Summary) []baldr.Record) {
	s.Helper()
	records, summary := s.records(r.Facts.Key)
	content, summary := s.written(change(records, &summary), summary)
	s.store.Put(r.Facts.Key, content)
	f := &r.Facts
	f.Kind, f.Reason, f.Missing = summary.Kind, summary.Reason, summary.Missing
	f.Records, f.RawBytes, f.StoredBytes, f.Checksum = summary.Records, summary.RawBytes, int64(len(content)), bifrosttest.Checksum(content)
	f.FirstTimestamp, f.LastTimestamp = summary.FirstTimestamp, summary.LastTimestamp
	r.State, r.GapReason = f.State(), f.Reason
	s.ledger.Poke(r)
}

// row is the first of the partition that fits.
func (s *stack) row(name string, number int32, fits func(bifrost.Row) bool) bifrost.Row {
	s.Helper()
	for _, r := range s.ledger.AllRows() {
		if r.Name == name && r.Number == number && fits(r) {
			return r
		}
	}
	s.Fatalf("no such row of %s/%d", name, number)
	return bifrost.Row{}
}

func (s *stack) lose(r bifrost.Row) {
	s.ledger.Lose(nil, func(other bifrost.Row) bool { return other.Partition == r.Partition && other.Start == r.Start })
}

func (s *stack) laterName() string {
	return bifrost.Incarnation{ClusterID: "cluster", Topic: "orders", TopicID: s.kafka.Topic("orders").ID}.LaterName()
}

func manyRecords(r bifrost.Row) bool { return r.State == bifrost.StateArchived && r.Facts.Records > 1 }

func isLost(r bifrost.Row) bool { return r.State == bifrost.StateLost }

// damages has one for every kind, by the name of the kind.
var damages = []struct {
	kind    verify.Kind
	name    string
	options verify.Options
	inflict func(*stack)
}{
	{verify.ProgressMissing, "progress row lost", verify.Options{}, func(s *stack) {
		s.ledger.Lose(func(p bifrost.Progress) bool { return p.Number == 1 }, nil)
	}},
	{verify.ProgressInvalid, "status misspelt", verify.Options{}, func(s *stack) {
		p := s.progress("orders", 1)
		p.Status = "OPENED"
		s.ledger.PokeProgress(p)
	}},
	{verify.NextOffsetWrong, "next_offset back by one row", verify.Options{}, func(s *stack) {
		p := s.progress("orders", 1)
		last := s.row("orders", 1, func(r bifrost.Row) bool { return r.End == p.NextOffset })
		p.NextOffset = last.Start
		s.ledger.PokeProgress(p)
	}},
	{verify.NextOffsetWrong, "next_offset inside a row", verify.Options{}, func(s *stack) {
		p := s.progress("orders", 0)
		p.NextOffset = s.row("orders", 0, manyRecords).Start + 1
		s.ledger.PokeProgress(p)
	}},
	{verify.NextOffsetWrong, "a row below it not settled", verify.Options{}, func(s *stack) {
		r := s.row("orders", 0, manyRecords)
		r.State, r.Facts = bifrost.StatePlanned, bifrost.Facts{}
		s.ledger.Poke(r)
	}},
	{verify.PlannedOffsetWrong, "planned_offset inside a row", verify.Options{}, func(s *stack) {
		p := s.progress("orders", 0)
		p.PlannedOffset = s.row("orders", 0, manyRecords).Start + 1
		s.ledger.PokeProgress(p)
	}},
	{verify.TotalsWrong, "records counted twice", verify.Options{}, func(s *stack) {
		p := s.progress("orders", 0)
		p.Records *= 2
		s.ledger.PokeProgress(p)
	}},
	{verify.RowMissing, "a row lost", verify.Options{}, func(s *stack) { s.lose(s.row("orders", 0, manyRecords)) }},
	{verify.RowMissing, "planned_offset beyond the rows", verify.Options{}, func(s *stack) {
		p := s.progress("orders", 0)
		p.PlannedOffset += 5
		s.ledger.PokeProgress(p)
	}},
	{verify.RowsOverlap, "a row inside another", verify.Options{}, func(s *stack) {
		r := s.row("orders", 0, manyRecords)
		r.Start++
		s.ledger.Poke(r)
	}},
	{verify.RowBeyondPlanned, "a row behind all", verify.Options{}, func(s *stack) {
		p := s.progress("orders", 0)
		s.ledger.Poke(bifrost.Row{Partition: p.Partition, Range: bifrost.Range{Start: p.PlannedOffset, End: p.PlannedOffset + 9},
			TopicID: p.TopicID, State: bifrost.StatePlanned})
	}},
	{verify.RowInvalid, "a gap without a reason", verify.Options{}, func(s *stack) {
		r := s.row("orders", 0, isLost)
		r.GapReason = ""
		s.ledger.Poke(r)
	}},
	{verify.ObjectMissing, "an object deleted", verify.Options{}, func(s *stack) { s.store.Delete(s.row("orders", 1, manyRecords).Facts.Key) }},
	{verify.ObjectMissing, "a gap's object deleted", verify.Options{}, func(s *stack) { s.store.Delete(s.row("orders", 1, isLost).Facts.Key) }},
	{verify.ObjectSize, "written again with a longer value", verify.Options{}, func(s *stack) {
		key := s.row("orders", 1, manyRecords).Facts.Key
		records, summary := s.records(key)
		records[0].Value = append(records[0].Value, "and more"...)
		content, _ := s.written(records, summary)
		s.store.Put(key, content)
	}},
	{verify.ObjectChecksum, "written again with a value changed", verify.Options{}, func(s *stack) {
		key := s.row("orders", 1, manyRecords).Facts.Key
		records, summary := s.records(key)
		records[0].Value[0] ^= 1
		content, _ := s.written(records, summary)
		s.store.Put(key, content)
	}},
	{verify.ObjectDamaged, "cut in the middle", verify.Options{}, func(s *stack) {
		key := s.row("orders", 1, manyRecords).Facts.Key
		s.store.Put(key, s.content(key)[:len(s.content(key))/2])
	}},
	{verify.ObjectDamaged, "empty", verify.Options{}, func(s *stack) { s.store.Put(s.row("orders", 1, manyRecords).Facts.Key, nil) }},
	{verify.ObjectMisplaced, "two objects of a partition swapped", verify.Options{}, func(s *stack) {
		a := s.row("orders", 1, manyRecords)
		b := s.row("orders", 1, func(r bifrost.Row) bool { return manyRecords(r) && r.Start > a.Start })
		s.swap(a.Facts.Key, b.Facts.Key)
	}},
	{verify.ObjectMisplaced, "objects of two incarnations swapped", verify.Options{}, func(s *stack) {
		b := s.row(s.laterName(), 0, func(r bifrost.Row) bool { return r.Start == 0 })
		a := s.row("orders", 0, func(r bifrost.Row) bool { return r.Start == 0 })
		s.swap(a.Facts.Key, b.Facts.Key)
	}},
	{verify.ObjectMismatch, "a reason edited", verify.Options{}, func(s *stack) {
		r := s.row("orders", 1, isLost)
		r.GapReason, r.Facts.Reason = bifrost.ReasonSkipped, bifrost.ReasonSkipped
		s.ledger.Poke(r)
	}},
	{verify.ObjectContent, "accounts that do not add up", verify.Options{Deep: true}, func(s *stack) {
		s.rewrite(s.row("orders", 1, manyRecords), func(records []baldr.Record, summary *baldr.Summary) []baldr.Record { return records[1:] })
	}},
	{verify.ObjectWithoutRow, "a copy at the key beside", verify.Options{}, func(s *stack) {
		r := s.row("orders", 1, manyRecords)
		s.store.Put(bifrost.ObjectKey(testGroup, r.Partition, r.Start, 1), s.content(r.Facts.Key))
	}},
	{verify.ObjectWithoutRow, "an object behind all", verify.Options{}, func(s *stack) { s.extraObject(s.progress("orders", 1).PlannedOffset) }},
	{verify.ObjectsOverlap, "an object inside another", verify.Options{}, func(s *stack) { s.extraObject(s.row("orders", 1, manyRecords).Start + 1) }},
	{verify.ForeignObject, "a file in a partition", verify.Options{}, func(s *stack) { s.store.Put("archive/orders/partition=1/notes.txt", []byte("hello")) }},
	{verify.ForeignObject, "a file in a topic", verify.Options{}, func(s *stack) { s.store.Put("archive/orders/notes.txt", []byte("hello")) }},
	{verify.ForeignObject, "a file where an object may come", verify.Options{}, func(s *stack) {
		s.store.Put(bifrost.ObjectKey(testGroup, bifrost.Partition{Name: "orders", Number: 1}, 999, 0), []byte("hello"))
	}},
	{verify.ForeignObject, "an object in the old width", verify.Options{}, func(s *stack) {
		s.store.Put("archive/orders/partition=1/0000000000.baldr.gz", s.content(s.row("orders", 1, manyRecords).Facts.Key))
	}},
	{verify.MarkerMissing, "marker deleted", verify.Options{}, func(s *stack) { s.store.Delete(bifrost.MarkerKey(testGroup, "orders")) }},
	{verify.MarkerInvalid, "marker garbled", verify.Options{}, func(s *stack) { s.store.Put(bifrost.MarkerKey(testGroup, "orders"), []byte("{")) }},
	{verify.MarkerInvalid, "marker of another topic", verify.Options{}, func(s *stack) {
		s.store.Put(bifrost.MarkerKey(testGroup, "orders"), s.content(bifrost.MarkerKey(testGroup, "payments")))
	}},
	{verify.MarkerMismatch, "marker of another incarnation", verify.Options{}, func(s *stack) {
		first, second := s.progress("orders", 0).TopicID, s.progress(s.laterName(), 0).TopicID
		key := bifrost.MarkerKey(testGroup, "orders")
		s.store.Put(key, bytes.ReplaceAll(s.content(key), []byte(first.String()), []byte(second.String())))
	}},
	{verify.TablesOlder, "an old mark restored", verify.Options{}, func(s *stack) {
		now, err := s.ledger.Mark(context.Background())
		if err != nil {
			s.Fatalf("%v", err)
		}
		older := now
		older.Number--
		if err := s.ledger.SetMark(context.Background(), now, older); err != nil {
			s.Fatalf("%v", err)
		}
	}},
	{verify.TablesOlder, "the mark deleted in the tables", verify.Options{}, func(s *stack) { s.ledger.LoseMark() }},
	{verify.TablesOlder, "a rebuild that is not through", verify.Options{}, func(s *stack) {
		now, err := s.ledger.Mark(context.Background())
		if err != nil {
			s.Fatalf("%v", err)
		}
		rebuilding := now
		rebuilding.Next = "another"
		if err := s.ledger.SetMark(context.Background(), now, rebuilding); err != nil {
			s.Fatalf("%v", err)
		}
	}},
	{verify.MarkMissing, "a mark deleted", verify.Options{}, func(s *stack) {
		s.store.Delete(bifrost.MarkKey(testGroup, s.series(), 1))
	}},
	{verify.BirthMissing, "the birth object deleted", verify.Options{}, func(s *stack) {
		s.store.Delete(bifrost.BirthKey(testGroup, bifrost.Partition{Name: "orders", Number: 1}))
	}},
	{verify.ForkMissing, "a branch left for none", verify.Options{}, func(s *stack) {
		p := s.progress("orders", 0)
		p.Status = bifrost.StatusForked
		s.ledger.PokeProgress(p)
	}},
	{verify.ForkMissing, "the record deleted", verify.Options{}, func(s *stack) { s.store.Delete(s.forkKey()) }},
	{verify.ForkInvalid, "the record garbled", verify.Options{}, func(s *stack) { s.store.Put(s.forkKey(), []byte("{}")) }},
	{verify.ForkInvalid, "the record edited", verify.Options{}, func(s *stack) {
		key := s.forkKey()
		s.store.Put(key, bytes.ReplaceAll(s.content(key), []byte(`"from":2`), []byte(`"from":1`)))
	}},
	{verify.ForkInvalid, "the record of another cluster", verify.Options{}, func(s *stack) {
		key := s.forkKey()
		s.store.Put(key, bytes.ReplaceAll(s.content(key), []byte(`"cluster_id":"cluster"`), []byte(`"cluster_id":"another"`)))
	}},
	{verify.ForkInvalid, "the progress row edited", verify.Options{}, func(s *stack) {
		p, _, _ := strings.Cut(strings.TrimPrefix(s.forkKey(), testGroup+"/"), "/")
		edited := s.progress(p, 0)
		edited.StartOffset++
		s.ledger.PokeProgress(edited)
	}},
	{verify.RecordMissing, "a record left out and called compacted", verify.Options{Deep: true, Kafka: true}, func(s *stack) {
		s.rewrite(s.row(s.laterName(), 0, manyRecords), func(records []baldr.Record, summary *baldr.Summary) []baldr.Record {
			summary.Missing.Compacted++
			return records[1:]
		})
	}},
	{verify.RecordDiffers, "a value changed", verify.Options{Deep: true, Kafka: true}, func(s *stack) {
		s.rewrite(s.row(s.laterName(), 0, manyRecords), func(records []baldr.Record, _ *baldr.Summary) []baldr.Record {
			records[1].Value[0] ^= 1
			return records
		})
	}},
	{verify.RecordExtra, "a record of an aborted transaction", verify.Options{Deep: true, Kafka: true}, func(s *stack) {
		log := s.kafka.Topic("orders").Logs[0]
		log.End(log.Begin("aborted"), false)
		log.Produce("after it")
		s.settle()
		r := s.row(s.laterName(), 0, func(r bifrost.Row) bool { return r.Facts.Missing.Aborted > 0 })
		s.rewrite(r, func(records []baldr.Record, summary *baldr.Summary) []baldr.Record {
			summary.Missing.Aborted--
			return append([]baldr.Record{{Offset: r.Start, Value: []byte("aborted")}}, records...)
		})
	}},
	{verify.GapStillReadable, "records given up too early", verify.Options{Deep: true, Kafka: true}, func(s *stack) {
		s.rewrite(s.row(s.laterName(), 0, manyRecords), func(_ []baldr.Record, summary *baldr.Summary) []baldr.Record {
			summary.Kind, summary.Reason, summary.Missing = baldr.KindGap, bifrost.ReasonRetention, baldr.Missing{}
			return nil
		})
	}},
	{verify.GapStillReadable, "records given up as deleted by request", verify.Options{Deep: true, Kafka: true}, func(s *stack) {
		s.rewrite(s.row(s.laterName(), 0, manyRecords), func(_ []baldr.Record, summary *baldr.Summary) []baldr.Record {
			summary.Kind, summary.Reason, summary.Missing = baldr.KindGap, bifrost.ReasonRequest, baldr.Missing{}
			return nil
		})
	}},
}

// forkKey is where the record of a fork lies that is made now: the log of the
// live topic is cut, and goes on from offset 2.
func (s *stack) forkKey() string {
	s.Helper()
	s.kafka.Topic("orders").Logs[0].Truncate(2)
	for range 3 {
		s.tick()
	}
	next := s.accept(bifrost.Partition{Name: s.laterName(), Number: 0}, 2)
	s.settle()
	s.sound(verify.Options{Deep: true, Kafka: true})
	return bifrost.ForkKey(testGroup, next)
}

func (s *stack) swap(a, b string) {
	one, other := s.content(a), s.content(b)
	s.store.Put(a, other)
	s.store.Put(b, one)
}

// extraObject is one that nobody planned, whole and at its place.
func (s *stack) extraObject(start int64) {
	s.Helper()
	r := s.row("orders", 1, isLost)
	_, summary := s.records(r.Facts.Key)
	summary.Start, summary.End = start, start+1
	content, _ := s.written(nil, summary)
	s.store.Put(bifrost.ObjectKey(testGroup, r.Partition, start, 0), content)
}

func TestVerifyFindsDamageOfEveryKind(t *testing.T) {
	t.Parallel()
	inflicted := map[verify.Kind]bool{}
	for _, damage := range damages {
		inflicted[damage.kind] = true
		t.Run(string(damage.kind)+"/"+damage.name, func(t *testing.T) {
			t.Parallel()
			s := seasoned(t)
			damage.inflict(s)
			found, summary := s.verify(damage.options)
			i := slices.IndexFunc(found, func(v verify.Violation) bool { return v.Kind == damage.kind })
			if i < 0 {
				t.Fatalf("not found; violations %+v", found)
			}
			if v := found[i]; v.Topic+v.Key == "" || v.Expected == "" || v.Found == "" || v.Next == "" {
				t.Errorf("it does not say what, where and what to do: %+v", v)
			}
			if summary.Kinds[damage.kind] == 0 || summary.Violations != int64(len(found)) {
				t.Errorf("%d violations, summary %+v", len(found), summary)
			}
		})
	}
	for _, kind := range verify.Kinds() {
		if !inflicted[kind] {
			t.Errorf("no damage of kind %s is tried", kind)
		}
	}
}
