// What the target has in the end, beside what was captured.

package restore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/bifrost-archive/bifrost/internal/capture"
)

// plannedBytes is how many raw bytes a second a plan reckons with: about half of what a
// replay writes on two cores (docs/cli.md). bifrost drill measures it.
const plannedBytes = 100_000_000

// newReport looks at the topics as they are in the target.
func (r *Restorer) newReport(ctx context.Context, plan *Plan) (*Report, error) {
	report := r.begin(plan)
	admin, done, err := r.admin()
	if err != nil {
		return nil, err
	}
	defer done()
	now, err := ask(ctx, admin, names(plan.Topics))
	if err != nil {
		return nil, err
	}
	losses, err := r.losses(ctx, plan.Topics)
	if err != nil {
		return nil, err
	}
	report.Finished = true
	for i, t := range plan.Topics {
		of := r.topicReport(plan, t)
		tellBeside(report, plan, t)
		of.FinishLoses, of.FinishDoes = losses[i].records, losses[i].why
		there, exists := now[t.Name]
		if !exists {
			report.differs("topic", t.Name, "it is not in the target")
		} else {
			of.Replicas = there.replicas
			var different []Setting
			of.Lifted, different = compare(t.Topic, there, plan.look.Topics[i].Refused)
			tellDifferent(report, t, there, different, r.settingsKnown(t.Name))
		}
		of.Lifted = list(of.Lifted)
		if len(of.Lifted) == 0 {
			of.FinishLoses, of.FinishDoes = 0, ""
		}
		report.Finished = report.Finished && len(of.Lifted) == 0
		if of.Deleted > 0 {
			report.differs("topic", t.Name, "the target has deleted %d of its records since they were written",
				of.Deleted)
		}
		report.add(of)
	}
	return report, nil
}

// settingsKnown reports whether the capture has the settings of a topic.
func (r *Restorer) settingsKnown(topic string) bool {
	return !slices.ContainsFunc(r.Snapshot.Configuration.NotCaptured, func(n capture.NotCaptured) bool {
		return n.Part == capture.PartTopicSettings && (len(n.Names) == 0 || slices.Contains(n.Names, topic))
	})
}

func tellDifferent(report *Report, t Topic, there actual, different []Setting, known bool) {
	if there.partitions != len(t.Partitions) {
		report.differs("topic", t.Name, "it has %d partitions, and had %d", there.partitions, len(t.Partitions))
	}
	if had := replicasOf(t); there.replicas != had {
		report.differs("topic", t.Name, "it has %d replicas, and had %d", there.replicas, had)
	}
	if !known {
		return // the capture says why, and so does the report
	}
	for _, s := range different {
		report.differs("topic", t.Name, "%s is %s, and was %s: %s",
			s.Name, valueText(s.Target), valueText(s.Captured), s.Reason)
	}
}

// tellBeside says that a topic has records of another of its lives, whether or not there is anything
// left to restore.
func tellBeside(report *Report, plan *Plan, t Topic) {
	for _, p := range t.Partitions {
		for _, b := range p.branches {
			part := plan.parts[partKey{b.row.Partition, t.Name}]
			if part != nil && part.Beside() != "" {
				report.differs("topic", t.Name, "it has records of %s too, another life of the topic", part.Beside())
				return
			}
		}
	}
}

func replicasOf(t Topic) int {
	if len(t.Topic.Partitions) == 0 {
		return 0
	}
	return len(t.Topic.Partitions[0])
}

func valueText(value *string) string {
	if value == nil {
		return "what the brokers say"
	}
	return fmt.Sprintf("%q", *value)
}

// Planned is the report of what the restore would do.
func (r *Restorer) Planned(ctx context.Context, plan *Plan) (*Report, error) {
	report := r.begin(plan)
	report.Plan = true
	losses, err := r.losses(ctx, plan.Topics)
	if err != nil {
		return nil, err
	}
	for i, t := range plan.Topics {
		of := r.topicReport(plan, t)
		tellBeside(report, plan, t)
		of.Records, of.Bytes = t.held()
		of.LeftRecords, of.LeftBytes = plan.leftToWrite(t)
		if plan.todo[t.Name] {
			of.Compression = plan.look.Topics[i].Batches.Codec.String()
		}
		of.Lifted = []Setting{}
		of.FinishLoses, of.FinishDoes = losses[i].records, losses[i].why
		look := plan.look.Topics[i]
		if !look.Exists && look.Replicas > 0 && look.Replicas != of.Replicas {
			report.differs("topic", t.Name, "it gets %d replicas, and had %d", look.Replicas, of.Replicas)
		}
		for _, name := range ofOldBrokers {
			if _, some := t.Settings[name]; some {
				report.differs("topic", t.Name, "%s is left out: it names brokers of the cluster that was captured",
					name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(look.Refused)) {
			report.differs("topic", t.Name, "%s is left out: the brokers refuse it: %s", name, look.Refused[name])
		}
		report.add(of)
	}
	report.Seconds = float64(report.LeftBytes) / plannedBytes
	if r.Groups {
		if report.Groups, err = r.plannedGroups(ctx, plan); err != nil {
			return nil, err
		}
	}
	if r.ACLs {
		if report.ACLs, err = r.plannedACLs(ctx); err != nil {
			return nil, err
		}
	}
	r.conclude(report)
	return report, nil
}

func (r *Restorer) begin(plan *Plan) *Report {
	report := &Report{
		Cluster:     r.Snapshot.Positions.ClusterID,
		At:          r.Snapshot.Positions.At.UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		Capture:     r.Snapshot.Key,
		Target:      plan.look.ClusterID,
		Topics:      []TopicReport{},
		Groups:      []GroupReport{},
		ACLs:        []ACLReport{},
		Differences: []Difference{},
		NotRestored: r.notRestored(false),
	}
	for _, l := range plan.LeftOut {
		report.differs("topic", l.Topic, "it is left out: %s", l.Reason)
	}
	return report
}

// notRestored is what a capture has and no restore puts back. To finish is not asked for groups and ACLs,
// which the restore before it may have put back.
func (r *Restorer) notRestored(finish bool) []string {
	all := []string{}
	c := r.Snapshot.Configuration
	if n := len(c.Users); n > 0 {
		all = append(all, fmt.Sprintf("%d SCRAM credentials: Kafka gives away no passwords", n))
	}
	if n := len(c.Quotas); n > 0 {
		all = append(all, fmt.Sprintf("%d quotas", n))
	}
	if slices.ContainsFunc(c.Brokers, func(b capture.Broker) bool { return len(b.Settings) > 0 }) {
		all = append(all, "settings of brokers")
	}
	if n := len(c.ACLs); n > 0 && !r.ACLs && !finish {
		all = append(all, fmt.Sprintf("%d ACLs, which --acls restores", n))
	}
	if n := r.groupsHere(); n > 0 && !r.Groups && !finish {
		all = append(all, fmt.Sprintf("the positions of %d groups, which --groups restores", n))
	}
	return append(all,
		"positions outside of groups: those of Flink and Spark, "+
			"and local state of Kafka Streams (bifrost map translates offsets)")
}

// groupsHere is how many groups have a position in a topic that was asked for.
func (r *Restorer) groupsHere() (n int) {
	for _, g := range r.Snapshot.Positions.Groups {
		if slices.ContainsFunc(slices.Collect(maps.Keys(g.Offsets)), r.Topics.Selects) {
			n++
		}
	}
	return n
}

func (r *Restorer) topicReport(plan *Plan, t Topic) TopicReport {
	of := TopicReport{
		Topic:      t.Name,
		Partitions: len(t.Partitions),
		Replicas:   replicasOf(t),
		Ranges:     []PartitionReport{},
	}
	for _, p := range t.Partitions {
		line := PartitionReport{
			Partition: p.Number,
			Start:     p.Held.Start,
			End:       p.Held.End,
			Restored:  p.End(),
			Branches:  []string{},
			Missing:   []GapReport{},
		}
		for _, b := range p.branches {
			line.Branches = append(line.Branches, b.row.Name)
			if part := plan.parts[partKey{b.row.Partition, t.Name}]; part != nil {
				of.Records += part.Position.Records - part.Gone
				of.Deleted += part.Gone
				of.Bytes += part.Position.Bytes
			}
		}
		for _, gap := range p.Missing {
			line.Missing = append(line.Missing, GapReport{gap.Start, gap.End, gap.Reason, gap.Quiet})
		}
		of.Ranges = append(of.Ranges, line)
	}
	return of
}

func (r *Report) add(of TopicReport) {
	r.Topics = append(r.Topics, of)
	r.Records += of.Records
	r.Bytes += of.Bytes
	r.LeftRecords += of.LeftRecords
	r.LeftBytes += of.LeftBytes
	for _, p := range of.Ranges {
		for _, gap := range p.Missing {
			r.MissingOffsets += gap.End - gap.Start
			if gap.Quiet {
				r.QuietTails++
			}
			r.differs("partition", fmt.Sprintf("%s/%d", of.Topic, p.Partition),
				"offsets [%d, %d) cannot be restored: %s", gap.Start, gap.End, gap.Reason)
		}
	}
}

// conclude lists what does not stand of groups and ACLs, and what the capture lacks.
func (r *Restorer) conclude(report *Report) {
	for _, g := range report.Groups {
		if g.Reason != "" {
			report.differs("group", g.Group, "%s", g.Reason)
		}
		for _, p := range g.Positions {
			if p.Reason != "" {
				report.differs("group", g.Group, "%s/%d, offset %d: %s", p.Topic, p.Partition, p.Source, p.Reason)
			}
		}
	}
	for _, a := range report.ACLs {
		if !a.Stands && (!report.Plan || a.Reason != lacksACL) {
			report.differs("acl", a.ACL, "%s", a.Reason)
		}
	}
	asked := map[capture.Part]bool{
		capture.PartTopics: true, capture.PartTopicSettings: true, capture.PartOffsets: true,
		capture.PartGroups: r.Groups, capture.PartACLs: r.ACLs, capture.PartTransactions: r.Groups,
	}
	for _, n := range r.Snapshot.Missing() {
		of := slices.DeleteFunc(slices.Clone(n.Names), func(name string) bool { return r.leftOut(n.Part, name) })
		if !asked[n.Part] || hadNoACLs(n) || len(of) == 0 && len(n.Names) > 0 {
			continue
		}
		if len(of) == 0 {
			report.differs("capture", string(n.Part), "not captured: %s", n.Reason)
		}
		for _, name := range of {
			report.differs("capture", fmt.Sprintf("%s %s", n.Part, name), "not captured: %s", n.Reason)
		}
	}
}

// hadNoACLs reports whether the captured cluster had no authorizer, and so no ACLs: nothing of them is
// missing. A capture keeps this as text alone.
func hadNoACLs(n capture.NotCaptured) bool {
	return n.Part == capture.PartACLs && strings.HasPrefix(n.Reason, capture.ErrNone.Error()) &&
		strings.Contains(n.Reason, kerr.SecurityDisabled.Message)
}

// leftOut reports what a part of a capture names and the restore was not asked for, or
// tells of already.
func (r *Restorer) leftOut(part capture.Part, name string) bool {
	switch part {
	case capture.PartTopics, capture.PartTopicSettings:
		return !r.Topics.Selects(name)
	case capture.PartOffsets:
		return !r.Topics.Selects(topicOf(name))
	}
	return part == capture.PartGroups &&
		slices.ContainsFunc(r.Snapshot.Positions.Groups, func(g capture.Group) bool { return g.Name == name })
}

// topicOf is the topic of a partition, topic/number, or of a topic.
func topicOf(name string) string {
	topic, _, _ := strings.Cut(name, "/") // which no topic has in its name
	return topic
}

// list is never null in JSON.
func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
