// How consumer groups are positioned.

package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/parallel"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

// A standing is where one group stood in one partition, and where it goes on.
type standing struct {
	report    *PositionReport
	partition *Partition
	metadata  string
}

// groupsOf says of each group of the capture where it stood in the topics that are
// restored, and what is known to be wrong with that before anything is written.
func (r *Restorer) groupsOf(ctx context.Context, plan *Plan) ([]GroupReport, [][]standing, error) {
	partitions := map[bifrost.TopicPartition]*Partition{}
	for i := range plan.Topics {
		t := &plan.Topics[i]
		for n := range t.Partitions {
			partitions[bifrost.TopicPartition{Topic: t.Name, Partition: int32(n)}] = &t.Partitions[n]
		}
	}
	var reports []GroupReport
	var standings [][]standing
	for _, g := range r.Snapshot.Positions.Groups {
		report := GroupReport{Group: g.Name, Type: g.Type, State: g.State, Positions: []PositionReport{}}
		if g.Offsets == nil {
			report.Reason = "not captured: " + r.whyNoOffsets(g.Name)
			reports, standings = append(reports, report), append(standings, nil)
			continue
		}
		var of []standing
		for _, topic := range slices.Sorted(maps.Keys(g.Offsets)) {
			if !r.Topics.Selects(topic) {
				continue
			}
			for _, c := range g.Offsets[topic] {
				s, err := r.standingOf(ctx, topic, c, partitions)
				if err != nil {
					return nil, nil, err
				}
				if why := plan.whyLeftOut(topic); why != "" {
					s.report.Reason = why
				}
				of = append(of, s)
			}
		}
		if len(of) == 0 && len(g.Offsets) > 0 {
			continue // in other topics alone
		}
		for _, s := range of {
			report.Positions = append(report.Positions, *s.report)
		}
		for n := range of {
			of[n].report = &report.Positions[n]
		}
		reports, standings = append(reports, report), append(standings, of)
	}
	return reports, standings, nil
}

// whyNoOffsets is what the capture says of a group without offsets.
func (r *Restorer) whyNoOffsets(group string) string {
	for _, n := range r.Snapshot.Positions.NotCaptured {
		if n.Part == capture.PartGroups && (len(n.Names) == 0 || slices.Contains(n.Names, group)) {
			return n.Reason
		}
	}
	return "the capture does not say why"
}

func (r *Restorer) standingOf(
	ctx context.Context, topic string, c capture.Committed, partitions map[bifrost.TopicPartition]*Partition,
) (standing, error) {
	s := standing{report: &PositionReport{Topic: topic, Partition: c.Partition, Source: c.Offset, Target: -1, Next: -1}}
	if c.Metadata != nil {
		s.metadata = *c.Metadata
	}
	s.partition = partitions[bifrost.TopicPartition{Topic: topic, Partition: c.Partition}]
	if s.partition == nil {
		s.report.Reason = "the capture has no such partition: the topic was deleted, " +
			"is Kafka's own, or was not captured"
		return s, nil
	}
	var err error
	s.report.Reason, err = r.beyond(ctx, *s.partition, c.Offset)
	return s, err
}

// beyond says what a group has read that is not restored; nothing if it has read no such
// record. By default consumers read uncommitted records, up to the high watermark.
func (r *Restorer) beyond(ctx context.Context, p Partition, offset int64) (string, error) {
	end := p.End()
	if offset <= end {
		return "", nil
	}
	if len(p.branches) == 0 {
		return fmt.Sprintf("it had read up to offset %d, and nothing of the partition is in the archive", offset), nil
	}
	last := p.branches[len(p.branches)-1].row
	var records int64
	asked := bifrost.Range{Start: end, End: min(offset, last.NextOffset)}
	if asked.Start < asked.End {
		for _, err := range r.Archive.Records(ctx, readback.Query{Partition: last.Partition, Offsets: asked}) {
			if bifrost.IsDamage(err) {
				return fmt.Sprintf("it was ahead of what is restored: it had read [%d, %d), which are not there, and "+
					"what is archived of them cannot be read: %v", end, offset, err), nil
			}
			if err != nil {
				return "", fmt.Errorf("count what is behind the cut of %s: %w", last.Partition, err)
			}
			records++
		}
	}
	known := fmt.Sprintf("%d records", records)
	if asked.End < offset { // a transaction was open there, or it was never archived
		known = fmt.Sprintf("%d offsets", offset-end)
	}
	return fmt.Sprintf("it was ahead of what is restored: it had read [%d, %d), %s, which are not there",
		end, offset, known), nil
}

// images finds where each standing goes on.
func (r *Restorer) images(ctx context.Context, plan *Plan, standings [][]standing) error {
	of := map[bifrost.TopicPartition][]*standing{}
	for _, group := range standings {
		for i := range group {
			if s := &group[i]; s.partition != nil {
				at := bifrost.TopicPartition{Topic: s.report.Topic, Partition: s.report.Partition}
				of[at] = append(of[at], s)
			}
		}
	}
	// Each branch of a partition has a map of its own. The first that has something at
	// or above an offset, in order, has its image.
	var lookups []replay.Lookup
	var asked [][]*standing
	var empty []*standing
	for _, all := range of {
		if len(all[0].partition.branches) == 0 {
			empty = append(empty, all...)
			continue
		}
		offsets := make([]int64, len(all))
		for i, s := range all {
			offsets[i] = s.report.Source
		}
		for _, b := range all[0].partition.branches {
			part := plan.parts[partKey{b.row.Partition, all[0].report.Topic}]
			lookups, asked = append(lookups, replay.Lookup{Part: *part, Offsets: offsets}), append(asked, all)
		}
	}
	images, err := replay.Images(ctx, lookups, replay.Options{Client: r.Client})
	if err != nil {
		return fmt.Errorf("find where groups go on: %w", err)
	}
	for i, all := range asked {
		for n, s := range all {
			if s.report.Next < 0 {
				s.report.Target, s.report.Next = images[i][n].Target, images[i][n].Source
			}
		}
	}
	return r.ends(ctx, empty)
}

// ends puts what stood in partitions of which nothing is restored at their ends.
func (r *Restorer) ends(ctx context.Context, standings []*standing) error {
	topics := map[string]bool{}
	for _, s := range standings {
		topics[s.report.Topic] = true
	}
	ends, err := r.stableEnds(ctx, slices.Sorted(maps.Keys(topics)))
	if err != nil {
		return err
	}
	for _, s := range standings {
		end, _ := ends.Lookup(s.report.Topic, s.report.Partition)
		s.report.Target = end.Offset
	}
	return nil
}

// stableEnds are the last stable offsets of topics in the target.
func (r *Restorer) stableEnds(ctx context.Context, topics []string) (kadm.ListedOffsets, error) {
	if len(topics) == 0 {
		return nil, nil // of no topic, the request would be for all
	}
	admin, done, err := r.admin()
	if err != nil {
		return nil, err
	}
	defer done()
	ends, err := admin.ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("ask the target where its logs end: %w", err)
	}
	return ends, nil
}

// tellLost says which standings had gaps before the record that they read next.
func tellLost(s *standing) {
	p := s.report
	if s.partition == nil || p.Reason != "" {
		return
	}
	next := p.Next
	if next < 0 {
		next = s.partition.Held.End
	}
	for _, gap := range s.partition.Missing {
		if from, to := max(gap.Start, p.Source), min(gap.End, next); from < to {
			p.Reason = fmt.Sprintf("what it would read next is not in the archive: offsets [%d, %d), %s", from, to, gap.Reason)
			return
		}
	}
}

// groupsAtOnce is how many groups are asked and set side by side: each is a round trip
// or two to its coordinator.
const groupsAtOnce = 8

// setGroups puts every group where it stood. A position that the target has already is
// never moved: whoever committed it may have read on since.
func (r *Restorer) setGroups(ctx context.Context, plan *Plan) ([]GroupReport, error) {
	reports, standings, err := r.groupsOf(ctx, plan)
	if err != nil {
		return nil, err
	}
	if err := r.images(ctx, plan, standings); err != nil {
		return nil, err
	}
	admin, done, err := r.admin()
	if err != nil {
		return nil, err
	}
	defer done()
	states, err := admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the groups of the target: %w", err)
	}
	set := func(ctx context.Context, i int) error {
		return setGroup(ctx, admin, &reports[i], standings[i], states[reports[i].Group].State)
	}
	return reports, parallel.Try(ctx, groupsAtOnce, parallel.NumbersBelow(len(reports)), set)
}

func setGroup(ctx context.Context, admin *kadm.Client, report *GroupReport, standings []standing, state string) error {
	for i := range standings {
		tellLost(&standings[i])
	}
	if report.Reason != "" || len(standings) == 0 {
		report.Stands = report.Reason == ""
		return nil
	}
	there, err := committed(ctx, admin, report.Group)
	if report.Reason = refusalOf(err); report.Reason != "" {
		return nil
	}
	if err != nil {
		return err
	}
	if wrong := live(state); wrong != "" {
		report.Reason = wrong
	} else {
		missing := kadm.Offsets{}
		for _, s := range standings {
			if _, some := there.Lookup(s.report.Topic, s.report.Partition); !some && s.partition != nil {
				const unknownEpoch = -1 // that of the source means nothing here
				missing.Add(kadm.Offset{
					Topic: s.report.Topic, Partition: s.report.Partition, At: s.report.Target,
					LeaderEpoch: unknownEpoch, Metadata: s.metadata,
				})
			}
		}
		if report.Reason, err = commit(ctx, admin, report.Group, missing); err != nil {
			return err
		}
		if len(missing) > 0 {
			if there, err = committed(ctx, admin, report.Group); err != nil {
				return err
			}
		}
	}
	report.Stands = report.Reason == ""
	for _, s := range standings {
		s.judge(there)
		report.Stands = report.Stands && s.report.Stands
	}
	return nil
}

// live says why a group of the target is left alone.
func live(state string) string {
	if slices.Contains([]string{"", "Empty", "Dead"}, state) {
		return ""
	}
	return fmt.Sprintf("it has live members in the target (%s): stop them, and run the restore again", state)
}

// commit puts positions into a group without members, for which generation -1 stands. A
// member that comes meanwhile makes Kafka refuse.
func commit(ctx context.Context, admin *kadm.Client, group string, offsets kadm.Offsets) (refusal string, err error) {
	if len(offsets) == 0 {
		return "", nil
	}
	err = insist(ctx, func() error {
		answers, err := admin.CommitOffsets(ctx, group, offsets)
		return cmp.Or(err, answers.Error())
	})
	switch {
	case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.RebalanceInProgress),
		errors.Is(err, kerr.IllegalGeneration):
		return "it has got live members in the target: stop them, and run the restore again", nil
	case refusalOf(err) != "":
		return refusalOf(err), nil
	case err != nil:
		return "", fmt.Errorf("commit the positions of group %s: %w", group, err)
	}
	return "", nil
}

// refusalOf is what the brokers have against one group, which stops no other: no right to
// it, metadata that are too large here, or a group of another kind that has the name. It
// is empty where asking again may help.
func refusalOf(err error) string {
	var of *kerr.Error
	if !errors.As(err, &of) || of.Retriable {
		return ""
	}
	return fmt.Sprintf("the target refuses it: %v", of)
}

// committed is where a group stands in the target. A new cluster makes the topic of its
// groups when it is first asked, and answers once that is there.
func committed(ctx context.Context, admin *kadm.Client, group string) (there kadm.OffsetResponses, err error) {
	err = insist(ctx, func() error {
		there, err = admin.FetchOffsets(ctx, group)
		if errors.Is(err, kerr.GroupIDNotFound) {
			there, err = kadm.OffsetResponses{}, nil
		}
		return cmp.Or(err, there.Error())
	})
	if err != nil {
		return nil, fmt.Errorf("ask for the positions of group %s in the target: %w", group, err)
	}
	return there, nil
}

// judge compares a standing with what the target has.
func (s *standing) judge(there kadm.OffsetResponses) {
	p := s.report
	have, some := there.Lookup(p.Topic, p.Partition)
	if some {
		p.Committed = &have.At
	}
	switch {
	case p.Reason != "" || s.partition == nil:
	case !some:
		p.Reason = "the target has no position of it"
	case have.At != p.Target:
		p.Reason = fmt.Sprintf("the target had a position of its own, %d, which was left: delete the group there, "+
			"and run the restore again", have.At)
	case have.Metadata != s.metadata:
		p.Reason = "the target has other metadata"
	}
	p.Stands = p.Reason == ""
}

// plannedGroups is what groups would be, as far as that is known before records are.
func (r *Restorer) plannedGroups(ctx context.Context, plan *Plan) ([]GroupReport, error) {
	reports, standings, err := r.groupsOf(ctx, plan)
	if err != nil {
		return nil, err
	}
	admin, done, err := r.admin()
	if err != nil {
		return nil, err
	}
	defer done()
	states, err := admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the groups of the target: %w", err)
	}
	for i := range reports {
		report := &reports[i]
		report.Reason = cmp.Or(report.Reason, live(states[report.Group].State))
		for _, s := range standings[i] {
			if s.partition != nil && s.report.Reason == "" {
				s.tellLostAt()
			}
		}
	}
	return reports, nil
}

// tellLostAt is tellLost before the record that is read next is known.
func (s *standing) tellLostAt() {
	for _, gap := range s.partition.Missing {
		if gap.Start <= s.report.Source && s.report.Source < gap.End {
			s.report.Reason = fmt.Sprintf("what it would read next is not in the archive: offsets [%d, %d), %s",
				s.report.Source, gap.End, gap.Reason)
		}
	}
}
