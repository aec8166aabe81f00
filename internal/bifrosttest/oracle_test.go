package bifrosttest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// truth is what the judge knows that tables, bucket and Kafka do not tell.
type truth struct {
	foreign     map[string]bool // keys of objects that somebody else put there
	rowsDamaged bool            // rows were lost or restored under a progress row that stayed
	restored    bool            // a backup was restored: a person has to rebuild
	lied        bool            // brokers said for a moment what was not so
	tablesLost  bool            // progress rows were lost, and with them the epochs under which they were planned

	// A worker was at work while a backup was restored: it may advance the restored
	// row by what it read before (docs/decisions/0017). The range below next_offset is
	// settled again, or the rebuild plans it, before the simulation is at rest.
	workerOutlivesTables bool
}

func newTruth() *truth { return &truth{foreign: map[string]bool{}} }

// observeCall checks after a write what holds at every moment.
func (w *world) observeCall(ledger *Ledger, name string) {
	if w.truth.rowsDamaged || !strings.HasPrefix(name, "ledger: ") {
		return
	}
	rows := rowsByPartition(w.ledger.AllRows())
	progress, _ := w.ledger.ListProgress(context.Background())
	for _, p := range progress {
		w.checkTiling(p, rows[p.Partition])
		for _, r := range rows[p.Partition] {
			if r.State.Done() && len(w.store.Versions(r.Facts.Key)) == 0 {
				w.breaks("I3: %v %v is %s without its object", r.Partition, r.Range, r.State)
			}
		}
	}
}

func rowsByPartition(rows []bifrost.Row) map[bifrost.Partition][]bifrost.Row {
	grouped := map[bifrost.Partition][]bifrost.Row{}
	for _, r := range rows {
		grouped[r.Partition] = append(grouped[r.Partition], r)
	}
	return grouped
}

// checkTiling is I1, and the half of I2 that always holds: rows tile
// [0, planned_offset), and all below next_offset is settled.
func (w *world) checkTiling(p bifrost.Progress, rows []bifrost.Row) {
	at := int64(0)
	for _, r := range rows {
		if r.Start >= p.PlannedOffset {
			break
		}
		if r.Start != at || !r.Valid() {
			w.breaks("I1: %v: a row %v where %d is next", p.Partition, r.Range, at)
		}
		if r.Start < p.NextOffset && !(r.State.Done() && r.End <= p.NextOffset) && !w.truth.workerOutlivesTables {
			w.breaks("I2: %v: next_offset %d, and %v is %s", p.Partition, p.NextOffset, r.Range, r.State)
		}
		at = r.End
	}
	if at != p.PlannedOffset {
		w.breaks("I1: %v: rows end at %d, planned_offset is %d", p.Partition, at, p.PlannedOffset)
	}
}

// judge checks everything once nothing moves any more: of the tables of the stack
// that goes on, where another has stopped for it.
func (w *world) judge() {
	if i := slices.IndexFunc(w.stacks, func(s *stack) bool { return !s.older }); i >= 0 {
		w.stack = w.stacks[i]
	}
	w.truth.workerOutlivesTables = false
	progress, _ := w.ledger.ListProgress(context.Background())
	rows := rowsByPartition(w.ledger.AllRows())
	objects := w.checkObjects()
	for _, p := range progress {
		w.reached["partition "+string(p.Status)]++
		topic := w.topicOf(p.TopicID)
		if topic == nil || topic.Name != p.Topic() {
			w.breaks("progress row %v names no topic that ever was", p.Partition)
			continue
		}
		if p.Status == bifrost.StatusForked && (w.truth.rowsDamaged || w.truth.tablesLost) {
			continue // until bifrost rebuild: ticks build only the branch anew that goes on
		}
		w.checkTiling(p, rows[p.Partition])
		w.checkTotals(p, rows[p.Partition])
		for _, r := range rows[p.Partition] {
			w.checkRow(p, r, objects)
		}
		w.checkRebuildable(p, rows[p.Partition], objects)
		w.checkFork(p, topic, objects)
	}
}

func (w *world) topicOf(id bifrost.TopicID) *KafkaTopic {
	for _, t := range w.kafka.Ever() {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// stored is an object of ours in the bucket.
type storedObject struct {
	key      string
	size     int
	checksum string
	summary  baldr.Summary
	records  []baldr.Record
}

// partitionOf is the identity of an object by its own words.
type partitionOf struct {
	id     bifrost.TopicID
	number int32
}

// branchOf is a partition and which of its forks.
type branchOf struct {
	partitionOf
	fork int
}

func (o storedObject) branch() branchOf {
	parsed, _ := bifrost.ParseKey(o.key)
	return branchOf{partitionOf{bifrost.TopicID(o.summary.TopicID), o.summary.Partition}, parsed.Partition.Fork()}
}

func branchOfRow(p bifrost.Progress) branchOf {
	return branchOf{partitionOf{p.TopicID, p.Number}, p.Fork()}
}

// checkObjects is I4, I5 and what of exactly once can be seen in the bucket
// alone: no version but one, no two objects with one offset, every offset
// accounted for by what the log held.
func (w *world) checkObjects() map[string]storedObject {
	objects := map[string]storedObject{}
	byBranch := map[branchOf][]storedObject{}
	for _, key := range w.store.Keys() {
		versions := w.store.Versions(key)
		if len(versions) != 1 {
			w.breaks("I4: %s was written %d times", key, len(versions))
		}
		if w.truth.foreign[key] || !strings.HasSuffix(key, bifrost.ObjectSuffix) {
			continue
		}
		o, ok := w.decode(key, versions[len(versions)-1])
		if !ok {
			continue
		}
		objects[key] = o
		byBranch[o.branch()] = append(byBranch[o.branch()], o)
		w.checkContent(o)
	}
	for _, same := range byBranch {
		w.checkOverlap(same)
	}
	return objects
}

// decoded holds what objects said that were read before: executions make the
// same few objects over and over.
var decoded sync.Map // content → storedObject or error

func (w *world) decode(key string, content []byte) (storedObject, bool) {
	read, known := decoded.Load(string(content))
	if !known {
		read = decode(content)
		decoded.Store(string(content), read)
	}
	if err, failed := read.(error); failed {
		w.breaks("%s cannot be read: %v", key, err)
		return storedObject{}, false
	}
	o := read.(storedObject)
	o.key = key
	parsed, err := bifrost.ParseKey(key)
	s := o.summary
	if err != nil || parsed.Start != s.Start || parsed.Partition.Topic() != s.Topic || parsed.Partition.Number != s.Partition {
		w.breaks("%s holds %s/%d from %d", key, s.Topic, s.Partition, s.Start)
	}
	return o, true
}

func decode(content []byte) any {
	file, err := baldr.Open(bytes.NewReader(content), int64(len(content)), baldr.ReaderOptions{})
	if err != nil {
		return err
	}
	o := storedObject{size: len(content), summary: file.Summary(), checksum: Checksum(content)}
	for record, err := range file.All() {
		if err != nil {
			return err
		}
		o.records = append(o.records, record.Clone())
	}
	return o
}

// checkOverlap: objects of one branch of a partition, wherever they lie, share no offset,
// unless two stacks with tables of their own have cut it in their own ways.
func (w *world) checkOverlap(objects []storedObject) {
	slices.SortFunc(objects, func(a, b storedObject) int { return cmp.Compare(a.summary.Start, b.summary.Start) })
	for i, o := range objects {
		if o.summary.Start >= o.summary.End {
			w.breaks("I4: %s holds the empty range [%d, %d)", o.key, o.summary.Start, o.summary.End)
		}
		if i > 0 && objects[i-1].summary.End > o.summary.Start && len(w.stacks) == 1 {
			w.breaks("twice: %s ends at %d, %s starts at %d", objects[i-1].key, objects[i-1].summary.End, o.key, o.summary.Start)
		}
	}
}

// checkContent is I5: each offset is a record that stood there, or missing for a
// reason that is true.
func (w *world) checkContent(o storedObject) {
	topic := w.topicOf(bifrost.TopicID(o.summary.TopicID))
	if topic == nil || topic.Name != o.summary.Topic || int(o.summary.Partition) >= len(topic.Logs) {
		w.breaks("%s is of a partition that never was", o.key)
		return
	}
	log := topic.Logs[o.summary.Partition]
	if o.summary.Kind == baldr.KindGap {
		w.reached["gap "+o.summary.Reason]++
		w.checkGap(o, topic, log)
		return
	}
	held := map[int64]baldr.Record{}
	for _, record := range o.records {
		held[record.Offset] = record
	}
	control, aborted, compacted := int64(0), int64(0), int64(0)
	for offset := o.summary.Start; offset < o.summary.End; offset++ {
		record, ok := held[offset]
		delete(held, offset)
		switch {
		case ok && !log.stood(record):
			w.breaks("I5: %s: the record at %d, %q, never stood there", o.key, offset, record.Value)
		case ok:
		case log.was(offset, func(e Entry) bool { return e.Control }):
			control++
		case log.was(offset, func(e Entry) bool { return log.aborted[e.Transaction] }):
			aborted++
		case log.compacted[offset]:
			compacted++
		default:
			w.breaks("I5: %s: offset %d held a record, and it is not in the object", o.key, offset)
		}
	}
	if len(held) > 0 {
		w.breaks("I5: %s holds %d records outside its range", o.key, len(held))
	}
	w.reached["object"]++
	if compacted > 0 {
		w.reached["object with compacted offsets"]++
	}
	w.checkMissing(o, log, baldr.Missing{Control: control, Aborted: aborted, Compacted: compacted})
}

// checkMissing compares the object's counts of missing offsets with what they
// are. Compaction may have removed a marker before it was read, so where it has
// run only the sum is certain.
func (w *world) checkMissing(o storedObject, log *Log, found baldr.Missing) {
	says := o.summary.Missing
	sum := func(m baldr.Missing) int64 { return m.Control + m.Aborted + m.Compacted }
	certain := len(log.compacted) == 0 && log.cut < 0
	if sum(says) != sum(found) || (certain && says != found) {
		w.breaks("I5: %s counts %+v missing, and it is %+v", o.key, says, found)
	}
	if o.summary.Records != int64(len(o.records)) {
		w.breaks("I5: %s says %d records and holds %d", o.key, o.summary.Records, len(o.records))
	}
}

// checkGap: nobody may call a record lost that could be read all the time. One
// that a broker had deleted, and shows again, was lost.
func (w *world) checkGap(o storedObject, topic *KafkaTopic, log *Log) {
	s := o.summary
	ok := false
	switch s.Reason {
	case bifrost.ReasonRetention, bifrost.ReasonRequest, bifrost.ReasonBeforeFirstSight:
		ok = s.End <= log.began
	case bifrost.ReasonTopicDeleted:
		// Offsets are asked for by name: while metadata are stale, the log of the
		// topic made anew may lend the old one an end that it never had.
		ok = topic.Deleted && (s.End <= log.top || w.truth.lied)
	case bifrost.ReasonForked:
		ok = o.branch().fork > 0 && log.cut >= 0
	case bifrost.ReasonDiverged:
		ok = log.cut >= 0
	case bifrost.ReasonSkipped:
		ok = w.setup.settings.Start != bifrost.StartPosition{}
	}
	if !ok || len(o.records) > 0 {
		w.breaks("gap %s [%d, %d) says %s, the log is [%d, %d) and never began above %d, deleted %v", o.key, s.Start, s.End, s.Reason, log.start, log.end, log.began, topic.Deleted)
	}
}

// stood reports whether the record once stood in the log for consumers to see.
func (l *Log) stood(r baldr.Record) bool {
	return l.was(r.Offset, func(e Entry) bool {
		return !e.Control && !l.aborted[e.Transaction] && bytes.Equal(e.Record.Value, r.Value) && e.Record.Timestamp == r.Timestamp
	})
}

func (l *Log) was(offset int64, is func(Entry) bool) bool {
	return slices.ContainsFunc(l.history[offset], is)
}

// checkTotals is I2 and the sums of a progress row.
func (w *world) checkTotals(p bifrost.Progress, rows []bifrost.Row) {
	want, next := bifrost.Totals{}, int64(0)
	for _, r := range rows {
		if r.Start != next || !r.State.Done() || r.Start >= p.PlannedOffset {
			break
		}
		next = r.End
		want.Records += r.Facts.Records
		want.RawBytes += r.Facts.RawBytes
		want.StoredBytes += r.Facts.StoredBytes
		want.Missing += r.Facts.Missing.Control + r.Facts.Missing.Aborted + r.Facts.Missing.Compacted
		if r.State == bifrost.StateLost {
			want.Lost += r.Len()
		}
	}
	if p.NextOffset != next {
		w.breaks("I2: %v: next_offset %d, settled up to %d", p.Partition, p.NextOffset, next)
	}
	if p.Totals != want {
		w.breaks("totals of %v are %+v, of its rows %+v", p.Partition, p.Totals, want)
	}
	if n := len(rows); n > 0 && rows[n-1].End > p.PlannedOffset {
		w.breaks("I1: %v: a row %v beyond planned_offset %d", p.Partition, rows[n-1].Range, p.PlannedOffset)
	}
}

// checkRow compares a settled row with its object.
func (w *world) checkRow(p bifrost.Progress, r bifrost.Row, objects map[string]storedObject) {
	if r.TopicID != p.TopicID {
		w.breaks("row %v %v is of topic ID %v, its partition of %v", r.Partition, r.Range, r.TopicID, p.TopicID)
	}
	if !r.State.Done() {
		return
	}
	o, ok := objects[r.Facts.Key]
	if !ok {
		w.breaks("I3: %v %v is %s, its object %q is not there or not ours", r.Partition, r.Range, r.State, r.Facts.Key)
		return
	}
	s, f := o.summary, r.Facts
	if s.End > r.End && len(w.stacks) > 1 {
		s = o.within(r.Range)
	}
	if (r.State == bifrost.StateLost) != (s.Kind == baldr.KindGap) || s.Reason != r.GapReason || bifrost.TopicID(s.TopicID) != r.TopicID ||
		s.Partition != r.Number || s.Start != r.Start || s.End != r.End || f.Range != r.Range {
		w.breaks("row %v %v is %s %q for [%d, %d), its object %s %q [%d, %d) of %v/%d",
			r.Partition, r.Range, r.State, r.GapReason, f.Start, f.End, s.Kind, s.Reason, s.Start, s.End, bifrost.TopicID(s.TopicID), s.Partition)
	}
	if f.Records != s.Records || f.Missing != s.Missing || f.RawBytes != s.RawBytes || f.StoredBytes != int64(o.size) ||
		f.FirstTimestamp != s.FirstTimestamp || f.LastTimestamp != s.LastTimestamp || f.Checksum != o.checksum {
		w.breaks("row %v %v has the facts %+v, its object the summary %+v in %d bytes", r.Partition, r.Range, f, s, o.size)
	}
}

// checkFork: an archive of records that the log holds no more, and others in
// their place, must be known as DIVERGED. Lost tables take that knowledge along.
func (w *world) checkFork(p bifrost.Progress, topic *KafkaTopic, objects map[string]storedObject) {
	log := topic.Logs[p.Number]
	if log.cut < 0 || topic.Deleted || w.truth.tablesLost || p.Status == bifrost.StatusDiverged || p.Status == bifrost.StatusForked {
		return
	}
	for key, o := range objects {
		if o.branch() != branchOfRow(p) {
			continue
		}
		for _, r := range o.records {
			stand := log.history[r.Offset]
			last := stand[len(stand)-1].Record
			if !bytes.Equal(last.Value, r.Value) || last.Timestamp != r.Timestamp {
				w.breaks("fork: %s holds another branch's record at %d, and %v is %s", key, r.Offset, p.Partition, p.Status)
			}
		}
	}
}

// checkSuspicion: a log that never went backwards must never look like one that did.
func (w *world) checkSuspicion(s bifrost.StatusWrite) {
	topic := w.topicOf(s.Progress.TopicID)
	if topic == nil || topic.Deleted || s.Suspicion == "" || w.truth.lied {
		return
	}
	if log := topic.Logs[s.Progress.Number]; log.cut < 0 {
		w.breaks("%v is suspected without a cause: %s", s.Progress.Partition, s.Suspicion)
	}
}

// within is what of an object that another stack made lies in the range.
func (o storedObject) within(r bifrost.Range) baldr.Summary {
	s := o.summary
	s.End, s.Records, s.RawBytes, s.FirstTimestamp, s.LastTimestamp = r.End, 0, 0, -1, -1
	for _, record := range o.records {
		if !r.Contains(record.Offset) {
			continue
		}
		s.Records++
		s.RawBytes += 8 + int64(len(record.Value))
		if s.FirstTimestamp < 0 {
			s.FirstTimestamp = record.Timestamp
		}
		s.LastTimestamp = record.Timestamp // the simulated clock never goes back
	}
	if s.Kind == baldr.KindRecords && s.Records == r.Len() {
		s.Missing = baldr.Missing{}
	}
	return s
}

// checkRebuildable is I6: the bucket alone gives the rows below next_offset.
func (w *world) checkRebuildable(p bifrost.Progress, rows []bifrost.Row, objects map[string]storedObject) {
	used := map[string]bool{}
	for _, r := range rows {
		used[r.Facts.Key] = true
		if p.Status == bifrost.StatusDiverged && r.State == bifrost.StatePlanned {
			used[bifrost.ObjectKey(group, r.Partition, r.Start, 0)] = true // nobody is sent to adopt it
		}
	}
	if w.truth.tablesLost && w.wasLeft(p) {
		return // until bifrost rebuild: ticks look at the branch that goes on
	}
	if len(w.stacks) > 1 {
		return // another stack's objects overlap those that this one knows
	}
	for key, o := range objects {
		if o.branch() == branchOfRow(p) && !used[key] {
			w.breaks("I6: %s [%d, %d) is in the bucket, and no row of %v knows it", key, o.summary.Start, o.summary.End, p.Partition)
		}
	}
}

// wasLeft reports whether a person has decided that the partition goes on elsewhere.
func (w *world) wasLeft(p bifrost.Progress) bool {
	next := bifrost.Incarnation{ClusterID: p.ClusterID, Topic: p.Topic(), TopicID: p.TopicID}.LaterName() + fmt.Sprintf(".%d", p.Fork()+1)
	return len(w.store.Versions(bifrost.ForkKey(group, bifrost.Partition{Name: next, Number: p.Number}))) > 0
}
