// How a sample is restored, then compared.

package restore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// A DrillReport says how a sample came back, and how long everything would take. As JSON
// it is what drill --json prints.
type DrillReport struct {
	Topics     []string `json:"sample"`  // that were restored
	Plan       bool     `json:"plan"`    // nothing was written, and nothing compared
	Refusals   []string `json:"refused"` // why nothing was
	Records    int64    `json:"records"` // that were compared
	Bytes      int64    `json:"bytes"`   // raw, of the sample
	Positions  int      `json:"positions"`
	Wrong      []string `json:"wrong"` // what is not as it was; the first of each partition
	Seconds    float64  `json:"seconds"`
	AllTopics  int      `json:"all_topics"`
	AllRecords int64    `json:"all_records"`
	AllBytes   int64    `json:"all_bytes"`
	AllSeconds float64  `json:"all_seconds"` // by the rate of the sample
	Restore    *Report  `json:"restore"`     // of the sample; null if nothing was restored or planned
}

// Stands reports whether the sample is what it was.
func (d *DrillReport) Stands() bool {
	return d.Restore != nil && len(d.Refusals) == 0 && len(d.Wrong) == 0
}

// Drill restores some topics, up to so many raw bytes, with the positions of all groups
// in them, and compares them with the archive: record by record, and each position with
// the record that is read from there. It uses nothing of what the replay says of itself.
func (r *Restorer) Drill(ctx context.Context, sample int64) (*DrillReport, error) {
	report, plan, err := r.chooseSample(ctx, sample, true)
	if err != nil || len(plan.Refusals) > 0 {
		return report, err
	}
	if report.Restore, err = r.Run(ctx, plan); err != nil {
		return nil, err
	}
	report.Seconds = report.Restore.Seconds
	for _, l := range plan.LeftOut {
		report.Wrong = append(report.Wrong, fmt.Sprintf("%s: it is left out: %s", l.Topic, l.Reason))
	}
	ends, err := r.stableEnds(ctx, names(plan.Topics))
	if err != nil {
		return nil, err
	}
	for _, t := range plan.Topics {
		_, bytes := t.held()
		report.Bytes += bytes
		if err := r.inspect(ctx, t, ends, report); err != nil {
			return nil, err
		}
	}
	if report.Bytes > 0 {
		report.AllSeconds = report.Seconds * float64(report.AllBytes) / float64(report.Bytes)
	}
	return report, nil
}

// PlannedDrill is a sample as a drill would choose it, and what would be restored of it. It writes
// nothing, so nothing is measured or compared. The next drill chooses by chance again.
func (r *Restorer) PlannedDrill(ctx context.Context, sample int64) (*DrillReport, error) {
	report, plan, err := r.chooseSample(ctx, sample, false)
	if err != nil {
		return nil, err
	}
	if report.Plan = true; len(plan.Refusals) > 0 {
		return report, nil
	}
	report.Restore, err = r.Planned(ctx, plan)
	return report, err
}

// chooseSample chooses the topics of a drill, and looks what stands against restoring them.
func (r *Restorer) chooseSample(ctx context.Context, sample int64, probe bool) (*DrillReport, *Plan, error) {
	rows, err := r.Archive.Catalogue.ListProgress(ctx)
	if err != nil {
		return nil, nil, err
	}
	all, err := r.cut(ctx, rows)
	if err != nil {
		return nil, nil, err
	}
	report := &DrillReport{AllTopics: len(all), Topics: []string{}, Refusals: []string{}, Wrong: []string{}}
	for _, t := range all {
		records, bytes := t.held()
		report.AllRecords, report.AllBytes = report.AllRecords+records, report.AllBytes+bytes
	}
	report.Topics = choose(all, sample)
	r.Topics, r.Groups = bifrost.TopicFilter{Include: report.Topics}, true
	chosen := slices.DeleteFunc(all, func(t Topic) bool { return !slices.Contains(report.Topics, t.Name) })
	plan, err := r.lookAt(ctx, chosen, rows, probe)
	if err != nil {
		return nil, nil, err
	}
	if len(plan.Refusals) == 0 && plan.written() > 0 {
		plan.refuseRestored()
	}
	report.Refusals = list(plan.Refusals)
	return report, plan, nil
}

// refuseRestored says that topics of a sample were restored before: nothing would be measured.
func (p *Plan) refuseRestored() {
	var there []string
	for key, part := range p.parts {
		if part.Position.Records > 0 {
			there = append(there, key.target)
		}
	}
	slices.Sort(there)
	p.Refusals = append(p.Refusals, fmt.Sprintf("the target has topics of the sample already, %s, so that nothing would "+
		"be measured: delete them there, or choose others with --topics", nameSome(slices.Compact(there))))
}

// choose takes topics by chance, those with records, as long as they fit; one at least.
func choose(topics []Topic, sample int64) (names []string) {
	left := sample
	topics = slices.Clone(topics)
	rand.Shuffle(len(topics), func(i, j int) { topics[i], topics[j] = topics[j], topics[i] })
	for _, t := range topics {
		if records, bytes := t.held(); records > 0 && (bytes <= left || len(names) == 0) {
			names, left = append(names, t.Name), left-bytes
		}
	}
	slices.Sort(names)
	return names
}

// inspect compares the partitions of a topic with the archive.
func (r *Restorer) inspect(ctx context.Context, t Topic, ends kadm.ListedOffsets, report *DrillReport) error {
	for _, p := range t.Partitions {
		var positions []PositionReport
		for _, g := range report.Restore.Groups {
			for _, position := range g.Positions {
				if position.Topic == t.Name && position.Partition == p.Number && position.Committed != nil {
					positions = append(positions, position)
				}
			}
		}
		slices.SortFunc(positions, func(a, b PositionReport) int { return cmp.Compare(a.Source, b.Source) })
		report.Positions += len(positions)
		end, _ := ends.Lookup(t.Name, p.Number)
		records, wrong, err := r.comparePartition(ctx, t.Name, p, end.Offset, positions)
		report.Records += records
		if err != nil {
			return fmt.Errorf("compare partition %d of topic %s: %w", p.Number, t.Name, err)
		}
		if wrong != "" {
			report.Wrong = append(report.Wrong, fmt.Sprintf("%s/%d: %s", t.Name, p.Number, wrong))
		}
	}
	return nil
}

// comparePartition reads both sides, record by record, the target up to its end. What a
// group stands at is right if it is where the first record at or above its old offset is,
// or the end.
func (r *Restorer) comparePartition(
	ctx context.Context, topic string, p Partition, end int64, positions []PositionReport,
) (n int64, wrong string, err error) {
	there, err := newReading(r.Client, topic, p.Number)
	if err != nil {
		return 0, "", err
	}
	defer there.client.Close()
	for _, b := range p.branches {
		for record, err := range r.Archive.Records(ctx, readback.Query{Partition: b.row.Partition, Offsets: b.Range}) {
			if err != nil {
				return n, "", err
			}
			got, err := there.next(ctx, end)
			if err != nil {
				return n, "", err
			}
			if got == nil || !same(&record, got) {
				return n, fmt.Sprintf("the record at source offset %d of %s is not there, or is another one",
					record.Offset, b.row.Name), nil
			}
			n++
			for len(positions) > 0 && positions[0].Source <= record.Offset {
				if at := *positions[0].Committed; at != got.Offset {
					return n, fmt.Sprintf("a group stood at %d and stands at %d, "+
						"and its next record is at %d", positions[0].Source, at, got.Offset), nil
				}
				positions = positions[1:]
			}
		}
	}
	if more, err := there.next(ctx, end); err != nil || more != nil {
		return n, "it has more records than there were", err
	}
	for _, position := range positions {
		if *position.Committed != end {
			return n, fmt.Sprintf("a group stood at %d, behind all records, and stands at %d instead of the end, %d",
				position.Source, *position.Committed, end), nil
		}
	}
	return n, "", nil
}

// same compares all that a record has but its offset.
func same(a *baldr.Record, b *kgo.Record) bool {
	if a.Timestamp != b.Timestamp.UnixMilli() || !equal(a.Key, b.Key) || !equal(a.Value, b.Value) ||
		len(a.Headers) != len(b.Headers) {
		return false
	}
	for i := range a.Headers {
		if string(a.Headers[i].Key) != b.Headers[i].Key || !equal(a.Headers[i].Value, b.Headers[i].Value) {
			return false
		}
	}
	return true
}

// equal tells null from empty.
func equal(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// reading is a consumer of committed records of one partition.
type reading struct {
	client   *kgo.Client
	records  []*kgo.Record
	position int64
}

func newReading(options []kgo.Opt, topic string, partition int32) (*reading, error) {
	from := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}
	client, err := newClient(append(options[:len(options):len(options)],
		kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords()))
	return &reading{client: client}, err
}

// next is the next record below the end, nil if there is none.
func (r *reading) next(ctx context.Context, end int64) (*kgo.Record, error) {
	for {
		for len(r.records) > 0 {
			record := r.records[0]
			r.records, r.position = r.records[1:], record.Offset+1
			if !record.Attrs.IsControl() && record.Offset < end {
				return record, nil
			}
		}
		if r.position >= end {
			return nil, nil
		}
		limited, cancel := context.WithTimeout(ctx, readPatience)
		fetches := r.client.PollFetches(limited)
		cancel()
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("read the target from offset %d on: %w", r.position, err)
		}
		r.records = fetches.Records()
	}
}

// readPatience is how long the target may take to answer with the next records.
const readPatience = time.Minute
