// How an object is compared with what Kafka still has.

package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// liveKey names a partition by what Kafka knows it by.
type liveKey struct {
	bifrost.Incarnation
	number int32
}

// askKafka reads what the logs of the rows' partitions span now. Topics that are not archived
// are none of its business: one that cannot be looked at says nothing about the archive.
func (v *verification) askKafka(ctx context.Context, progress []bifrost.Progress) error {
	v.live = map[liveKey]bifrost.Observation{}
	if !v.options.Kafka {
		return nil
	}
	clusterID, topics, err := v.Cluster.Topics(ctx)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	archived := map[bifrost.Incarnation]bool{}
	for _, p := range progress {
		archived[p.Incarnation()] = true
	}
	topics = slices.DeleteFunc(topics, func(t bifrost.Topic) bool {
		i := bifrost.Incarnation{ClusterID: clusterID, Topic: t.Name, TopicID: t.ID}
		return !archived[i] || !v.options.Topics.Selects(t.Name)
	})
	offsets, err := v.Cluster.Offsets(ctx, topics)
	if err != nil {
		return fmt.Errorf("list offsets: %w", err)
	}
	for _, t := range topics {
		for _, number := range t.Partitions {
			answer := offsets[bifrost.TopicPartition{Topic: t.Name, Partition: number}]
			if answer.Err != nil {
				v.addFailure(fmt.Errorf("topic %s partition %d: list offsets: %w", t.Name, number, answer.Err))
				continue
			}
			i := bifrost.Incarnation{ClusterID: clusterID, Topic: t.Name, TopicID: t.ID}
			v.live[liveKey{i, number}] = answer.Observation
		}
	}
	return nil
}

// againstKafka compares what a row holds with what Kafka still has of it.
func (c *partitionCheck) againstKafka(ctx context.Context, file *baldr.File, row bifrost.Row) error {
	if !c.options.Kafka || !c.exists {
		return nil
	}
	seen, ok := c.live[liveKey{c.progress.Incarnation(), c.partition.Number}]
	if cut := c.progress.Status == bifrost.StatusDiverged || c.progress.Status == bifrost.StatusForked; cut || !ok {
		c.notCompared(row.Len())
		return nil
	}
	r := row.Range.Within(bifrost.Range{Start: seen.LogStart, End: seen.LastStable})
	if row.State == bifrost.StateLost {
		return c.stillReadable(ctx, row, r)
	}
	c.notCompared(row.Len() - max(0, r.Len()))
	if !r.Valid() {
		return nil
	}
	return c.compareRange(ctx, file, row, r)
}

func (c *partitionCheck) notCompared(offsets int64) {
	c.count(func(s *Summary) { s.NotCompared += offsets })
}

// stillReadable checks that what retention took is gone. Gaps for other reasons
// may well be readable: below a start position, or after a topic came back. The
// log may have moved since its start was read, so only a record is a proof.
func (c *partitionCheck) stillReadable(ctx context.Context, row bifrost.Row, r bifrost.Range) error {
	if row.GapReason != bifrost.ReasonRetention && row.GapReason != bifrost.ReasonRequest || !r.Valid() {
		return nil
	}
	log, err := c.Source.Read(ctx, row.Topic(), row.TopicID, row.Number, r)
	if err != nil {
		return fmt.Errorf("read from Kafka: %w", err)
	}
	defer log.Close()
	for position := r.Start; position < r.End; {
		batch, err := log.Next(ctx)
		if deletedMeanwhile(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read from Kafka at offset %d: %w", position, err)
		}
		if len(batch.Records) > 0 {
			c.reportAt(GapStillReadable, bifrost.Range{Start: batch.Records[0].Offset, End: r.End}, row.Facts.Key,
				"offsets that Kafka has deleted", "a record")
			return nil
		}
		position = batch.Position
	}
	return nil
}

func deletedMeanwhile(err error) bool {
	var outside *bifrost.OutOfRangeError
	return errors.Is(err, bifrost.ErrWrongTopicID) || errors.As(err, &outside)
}

// compareRange reads a range of the object and of Kafka in step. After the
// first difference it leaves the object alone: one is enough to look into.
func (c *partitionCheck) compareRange(ctx context.Context, file *baldr.File, row bifrost.Row, r bifrost.Range) error {
	next, stop := iter.Pull2(file.From(r.Start))
	defer stop()
	archive := &cursor{next: next, end: r.End}
	if err := archive.readNext(); err != nil {
		return err
	}
	if archive.valuesOnly {
		c.notCompared(r.Len())
		return nil
	}
	log, err := c.Source.Read(ctx, row.Topic(), row.TopicID, row.Number, r)
	if err != nil {
		return fmt.Errorf("read from Kafka: %w", err)
	}
	defer log.Close()
	for position := r.Start; position < r.End; {
		batch, err := log.Next(ctx)
		if deletedMeanwhile(err) {
			c.notCompared(r.End - position)
			return nil
		}
		if err != nil {
			return fmt.Errorf("read from Kafka at offset %d: %w", position, err)
		}
		equal, err := c.compareBatch(archive, batch, bifrost.Range{Start: position, End: batch.Position}, row)
		if !equal || err != nil {
			return err
		}
		position = batch.Position
	}
	return nil
}

// cursor goes through the archived records of a range. The record's memory lasts
// until the next advance.
type cursor struct {
	next       func() (baldr.Record, error, bool)
	end        int64
	record     baldr.Record // its offset is end when there is none left
	valuesOnly bool
}

func (c *cursor) readNext() error {
	record, err, ok := c.next()
	if errors.Is(err, baldr.ErrNoEnvelope) {
		c.valuesOnly = true
		return nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the object: %w", err)
	}
	if c.record = record; !ok || record.Offset >= c.end {
		c.record = baldr.Record{Offset: c.end}
	}
	c.valuesOnly = ok && record.Offset < 0
	return nil
}

// compareBatch compares a stretch. Records that only the archive has must be no
// more than compaction took since.
func (c *partitionCheck) compareBatch(archive *cursor, batch bifrost.Batch, r bifrost.Range,
	row bifrost.Row) (equal bool, err error) {
	extra, firstExtra, matched := int64(0), int64(-1), int64(0)
	skip := func(until int64) error {
		for archive.record.Offset < until {
			if firstExtra < 0 {
				firstExtra = archive.record.Offset
			}
			extra++
			if err := archive.readNext(); err != nil {
				return err
			}
		}
		return nil
	}
	for _, record := range batch.Records {
		if err := skip(record.Offset); err != nil {
			return false, err
		}
		at := bifrost.Range{Start: record.Offset, End: record.Offset + 1}
		if archive.record.Offset != record.Offset {
			c.reportAt(RecordMissing, at, row.Facts.Key, "the record that Kafka has", "no record at this offset")
			return false, nil
		}
		if d := compareRecords(record, archive.record); len(d.expected) > 0 {
			c.reportDifferences(RecordDiffers, at, row.Facts.Key, d)
			return false, nil
		}
		matched++
		if err := archive.readNext(); err != nil {
			return false, err
		}
	}
	if err := skip(r.End); err != nil {
		return false, err
	}
	c.count(func(s *Summary) { s.ComparedRecords += matched })
	if extra > batch.Missing.Compacted {
		c.reportAt(RecordExtra, bifrost.Range{Start: firstExtra, End: r.End}, row.Facts.Key,
			fmt.Sprintf("at most %d records that Kafka does not have, for compaction", batch.Missing.Compacted),
			fmt.Sprintf("%d", extra))
		return false, nil
	}
	return true, nil
}

// compareRecords compares all that a record is. null and empty differ.
func compareRecords(kafka, archive baldr.Record) differences {
	var d differences
	d.check("timestamp", kafka.Timestamp, archive.Timestamp)
	d.check("timestamp type", kafka.TimestampType, archive.TimestampType)
	d.checkBytes("key", kafka.Key, archive.Key)
	d.checkBytes("value", kafka.Value, archive.Value)
	d.check("headers", len(kafka.Headers), len(archive.Headers))
	for i := range min(len(kafka.Headers), len(archive.Headers)) {
		k, a := kafka.Headers[i], archive.Headers[i]
		d.checkBytes(fmt.Sprintf("key of header %d", i+1), append([]byte{}, k.Key...), append([]byte{}, a.Key...))
		d.checkBytes(fmt.Sprintf("value of header %d", i+1), k.Value, a.Value)
	}
	return d
}

func (d *differences) checkBytes(what string, expected, found []byte) {
	if (expected == nil) != (found == nil) || !bytes.Equal(expected, found) {
		d.add(what, shown(expected), shown(found))
	}
}

// shown is the beginning of what a record carries, for people.
func shown(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case len(b) > 40:
		return fmt.Sprintf("%d bytes, %q and more", len(b), b[:40])
	}
	return fmt.Sprintf("%q", b)
}
