// What a tick reads, in an order that is safe.

package bifrost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// view is what one pass of a tick sees.
type view struct {
	at         time.Time // before Kafka was asked
	clusterID  string
	progress   []Progress          // the whole table
	partitions []*sighting         // of the selected topics, in order of name and number
	gone       []Progress          // of this cluster, whose incarnation is not there any more
	left       []Progress          // of this cluster, branches that were left, or that another goes on from
	planned    map[Partition][]Row // PLANNED rows by the index: a hint
	atWork     atWork              // functions
	topics     int
	failures   []TickFailure
	troubles   map[Partition]troubled // rows that could not be looked at
}

// splitKnown parts the partitions that have their row from those that are new or whose
// row was not opened yet.
func (v *view) splitKnown() (known, newcomers []*sighting) {
	for _, s := range v.partitions {
		if s.progress == nil || s.progress.Status == StatusFencing {
			newcomers = append(newcomers, s)
		} else {
			known = append(known, s)
		}
	}
	return known, newcomers
}

// sighting is one partition as a pass sees it.
type sighting struct {
	incarnation Incarnation
	number      int32
	seen        Observation
	progress    *Progress  // nil when the tables have no row for it
	kept        *Retention // nil when nobody has asked, or could
}

// place is where a tick works.
type place struct {
	topic  string
	number int32
	row    *Progress // nil when the tables have none
}

func (s *sighting) place() place { return place{s.incarnation.Topic, s.number, s.progress} }

// newFailure is one at the place. Which life of its topic it is about is not known where the
// tables have no row.
func (at place) newFailure(err error) TickFailure {
	f := TickFailure{Topic: at.topic, KafkaTopic: at.topic, Partition: &at.number, Error: err.Error()}
	if at.row != nil {
		f.Name = at.row.Name
	}
	return f
}

func placeOf(p *Progress) place { return place{p.Topic(), p.Number, p} }

func (s *sighting) kafkaPartition() TopicPartition {
	return TopicPartition{s.incarnation.Topic, s.number}
}

// observer reads what one pass of a tick sees. It writes nothing.
type observer struct {
	cluster Cluster
	ledger  Overview
	topics  TopicFilter
	now     func() time.Time
}

// readView reads the tables first and Kafka second. The other way round, an old
// reading of Kafka next to a new reading of the tables looks like a log that went
// backwards.
func (o observer) readView(ctx context.Context) (*view, error) {
	progress, err := o.ledger.ListProgress(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the progress table: %w", err)
	}
	rows, err := o.ledger.ListPlanned(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the planned ranges: %w", err)
	}
	// After the ranges: whoever gives ranges to a function writes its row first.
	invocations, err := o.ledger.ListInvocations(ctx)
	if err != nil {
		return nil, fmt.Errorf("read which functions are at work: %w", err)
	}
	at := o.now()
	clusterID, all, err := o.cluster.Topics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	v := &view{at: at, clusterID: clusterID, progress: progress, planned: byPartition(rows),
		atWork: newAtWork(invocations), troubles: map[Partition]troubled{}}
	selected := slices.DeleteFunc(slices.Clone(all), func(t Topic) bool { return !o.topics.Archives(t.Name) })
	slices.SortFunc(selected, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	v.topics = len(selected)
	last := lastBranches(progress)
	if err := o.readOffsets(ctx, v, selected, last); err != nil {
		return nil, err
	}
	v.tellOtherClusters(progress)
	v.findLeft(progress, last)
	return v, o.findGone(ctx, v, all, progress, last)
}

// lastBranches are the rows of the branches that go on, by the tables.
func lastBranches(progress []Progress) map[rowKey]*Progress {
	rows := make(map[rowKey]*Progress, len(progress))
	for i := range progress {
		p := &progress[i]
		if other := rows[p.rowKey()]; other == nil || other.Fork() < p.Fork() {
			rows[p.rowKey()] = p
		}
	}
	return rows
}

// findLeft finds the branches that were left: by their status, or because a later
// one has its row. One that lost its row after the fork has another status until it
// was settled.
func (v *view) findLeft(progress []Progress, rows map[rowKey]*Progress) {
	for _, p := range progress {
		last := rows[p.rowKey()].Partition == p.Partition
		if p.ClusterID == v.clusterID && p.Status != StatusClosed && (p.Status == StatusForked || !last) {
			v.left = append(v.left, p)
		}
	}
}

// readOffsets asks for offsets, which Kafka gives by name only, and then for
// the topic IDs once more: a topic recreated in between is left to the next tick.
func (o observer) readOffsets(ctx context.Context, v *view, topics []Topic, rows map[rowKey]*Progress) error {
	offsets, err := o.cluster.Offsets(ctx, topics)
	if err != nil {
		return fmt.Errorf("list offsets: %w", err)
	}
	_, again, err := o.cluster.Topics(ctx)
	if err != nil {
		return fmt.Errorf("list topics again: %w", err)
	}
	ids := make(map[string]TopicID, len(again))
	for _, t := range again {
		ids[t.Name] = t.ID
	}
	listed := make(map[Incarnation][]int32, len(topics))
	for _, t := range topics {
		listed[Incarnation{v.clusterID, t.Name, t.ID}] = t.Partitions
		if id, ok := ids[t.Name]; !ok || id != t.ID {
			listed[Incarnation{v.clusterID, t.Name, t.ID}] = nil
			v.failures = append(v.failures, TickFailure{Topic: t.Name, KafkaTopic: t.Name, Error: errMadeAnew.Error()})
			continue
		}
		for _, number := range t.Partitions {
			v.addSighting(Incarnation{v.clusterID, t.Name, t.ID}, number, offsets[TopicPartition{t.Name, number}], rows,
				o.now())
		}
	}
	v.missUnlisted(rows, listed)
	return nil
}

var errMadeAnew = errors.New("the topic was made anew while it was read; the next tick sees it whole")

// missUnlisted finds rows whose partition is none of those that the brokers list
// for its topic: Kafka takes no partition away, so a broker is behind. Of a topic
// that was recreated meanwhile none is listed.
func (v *view) missUnlisted(rows map[rowKey]*Progress, listed map[Incarnation][]int32) {
	for key, p := range rows {
		numbers, selected := listed[key.Incarnation]
		if _, ok := slices.BinarySearch(numbers, key.number); !selected || ok || p.Status == StatusClosed ||
			p.Status == StatusForked {
			continue
		}
		if numbers == nil {
			v.noteMissed(p, errMadeAnew)
			continue
		}
		v.addFailure(placeOf(p), errors.New("the brokers list the topic and not this partition"))
	}
}

type rowKey struct {
	Incarnation
	number int32
}

// Incarnation is the life of the topic that the row is of.
func (p *Progress) Incarnation() Incarnation {
	return Incarnation{p.ClusterID, p.Topic(), p.TopicID}
}

func (p *Progress) rowKey() rowKey {
	return rowKey{p.Incarnation(), p.Number}
}

func (v *view) addSighting(i Incarnation, number int32, answer OffsetAnswer, rows map[rowKey]*Progress, now time.Time) {
	if answer.Err == nil && answer.At.IsZero() {
		answer.At = now
	}
	if answer.Err != nil {
		v.addFailure(place{i.Topic, number, rows[rowKey{i, number}]}, fmt.Errorf("list offsets: %w", answer.Err))
		return
	}
	v.partitions = append(v.partitions, &sighting{incarnation: i, number: number, seen: answer.Observation,
		progress: rows[rowKey{i, number}]})
}

func (v *view) addFailure(at place, err error) {
	v.failures = append(v.failures, at.newFailure(err))
	v.noteMissed(at.row, err)
}

// failTopic is one failure of the topic, which keeps the tick from all of its rows.
func (v *view) failTopic(topic string, err error, rows []Progress) {
	v.failures = append(v.failures, TickFailure{Topic: topic, KafkaTopic: topic, Error: err.Error()})
	for i := range rows {
		v.noteMissed(&rows[i], err)
	}
}

func (v *view) noteMissed(row *Progress, err error) {
	if row != nil {
		v.troubles[row.Partition] = troubled{*row, err.Error()}
	}
}

// tellOtherClusters says that rows tell of a cluster that the brokers are not of:
// it was replaced, or these are the wrong brokers. Nothing is written into the rows:
// readers compare the cluster of the last tick with theirs.
func (v *view) tellOtherClusters(progress []Progress) {
	rows, left := map[string]int{}, map[string]int64{}
	for _, p := range progress {
		if p.ClusterID != v.clusterID && p.Status != StatusClosed && p.Status != StatusForked {
			rows[p.ClusterID]++
			left[p.ClusterID] += p.Lag()
		}
	}
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		v.failures = append(v.failures, TickFailure{Error: fmt.Sprintf(
			"%d partitions in the tables are of cluster %s, and the brokers are those of cluster %s: "+
				"are these the brokers of this archive? %d offsets that were seen there are not archived and in no gap",
			rows[id], id, v.clusterID, left[id])})
	}
}

func byPartition(rows []Row) map[Partition][]Row {
	grouped := map[Partition][]Row{}
	for _, r := range rows {
		grouped[r.Partition] = append(grouped[r.Partition], r)
	}
	return grouped
}
