// How the part of a capture is written that seldom changes.

package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// settingsAtOnce is for how many topics settings are asked at once. Tests make it
// tiny.
var settingsAtOnce = 500

// A reading goes through what a cluster tells, and keeps what it does not tell.
type reading struct {
	cluster Cluster
	out     *writer
	missing map[missingKey]*NotCaptured
}

// missingKey tells the lines of what is missing apart.
type missingKey struct {
	part          Part
	reason, needs string
}

func newReading(cluster Cluster) *reading {
	return &reading{cluster: cluster, out: newWriter(), missing: map[missingKey]*NotCaptured{}}
}

// needs is the right that each part asks for, as Kafka's ACLs call it.
var needs = map[Part]string{
	PartBrokers:       "DescribeConfigs on the cluster",
	PartTopics:        "Describe on the topics",
	PartTopicSettings: "DescribeConfigs on the topics",
	PartACLs:          "Describe on the cluster",
	PartQuotas:        "DescribeConfigs on the cluster",
	PartScramUsers:    "Describe on the cluster",
	PartGroups:        "Describe on the groups",
	PartOffsets:       "Describe on the topics",
	PartTransactions:  "Describe on the transactional IDs",
}

// lacks keeps what is missing: of all of the part, or of what is named.
func (r *reading) lacks(part Part, err error, name string) {
	r.misses(part, Missing{Name: name, Err: err})
}

func (r *reading) misses(part Part, m Missing) {
	name, key := m.Name, missingKey{part: part, reason: m.Err.Error()}
	if errors.Is(m.Err, ErrDenied) {
		key.needs = cmp.Or(m.Needs, needs[part])
	}
	n := r.missing[key]
	if n == nil {
		n = &NotCaptured{Part: part, Reason: key.reason, Needs: key.needs}
		r.missing[key] = n
	}
	if name != "" {
		n.Names = append(n.Names, name)
	}
}

// writeMissing writes what is missing, in an order that does not depend on the
// order of answers, and returns it.
func (r *reading) writeMissing() ([]NotCaptured, error) {
	all := []NotCaptured{}
	for _, n := range r.missing {
		slices.Sort(n.Names)
		n.Names = slices.Compact(n.Names) // two answers of a broker may lack the same
		all = append(all, *n)
	}
	slices.SortFunc(all, func(a, b NotCaptured) int {
		return cmp.Or(cmp.Compare(a.Part, b.Part), strings.Compare(a.Reason, b.Reason),
			strings.Compare(a.Needs, b.Needs))
	})
	return all, writeAll(r.out, typeNotCaptured, all)
}

func writeAll[T any](out *writer, kind string, all []T) error {
	for i := range all {
		if err := out.writeLine(kind, &all[i]); err != nil {
			return err
		}
	}
	return nil
}

// readConfiguration writes all that changes rarely. It fails only with the
// overview, or with the context.
func (r *reading) readConfiguration(ctx context.Context) (Overview, error) {
	overview, err := r.cluster.Overview(ctx)
	if err != nil {
		return overview, fmt.Errorf("list brokers and topics: %w", err)
	}
	slices.SortFunc(overview.Brokers, func(a, b Broker) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(overview.Topics, func(a, b Topic) int { return strings.Compare(a.Name, b.Name) })
	for name, err := range overview.Failed {
		r.lacks(PartTopics, err, name)
	}
	header := ConfigurationHeader{Version: Version, ClusterID: overview.ClusterID}
	if err := r.out.writeLine(typeConfiguration, header); err != nil {
		return overview, err
	}
	var acls []ACL
	askACLs := func(ctx context.Context) (_ []ACL, err error) {
		acls, err = r.cluster.ACLs(ctx)
		return acls, err
	}
	steps := []func() error{
		func() error { return r.writeBrokers(ctx, overview.Brokers) },
		func() error { return part(ctx, r, PartFeatures, typeFeature, r.cluster.Features, compareFeatures) },
		func() error { return r.writeTopics(ctx, overview.Topics) },
		func() error { return part(ctx, r, PartACLs, typeACL, askACLs, CompareACLs) },
		func() error { return r.hiddenTopics(ctx, overview, acls) },
		func() error { return part(ctx, r, PartQuotas, typeQuota, r.cluster.Quotas, compareQuotas) },
		func() error { return part(ctx, r, PartScramUsers, typeScramUser, r.cluster.ScramUsers, compareUsers) },
	}
	for _, step := range steps {
		// An answer that our own time cut off says nothing about Kafka.
		if err := errors.Join(step(), ctx.Err()); err != nil {
			return overview, err
		}
	}
	return overview, nil
}

// part writes a part that is one answer, or that it is missing.
func part[T any](
	ctx context.Context, r *reading, name Part, kind string,
	ask func(context.Context) ([]T, error), compare func(a, b T) int,
) error {
	all, err := ask(ctx)
	if err != nil {
		r.lacks(name, err, "")
		return nil
	}
	slices.SortFunc(all, compare)
	return writeAll(r.out, kind, all)
}

// hiddenTopics names topics that the credentials may not describe. ACLs tell of
// some that the list of topics leaves out.
func (r *reading) hiddenTopics(ctx context.Context, overview Overview, acls []ACL) error {
	var suspects []string
	for _, a := range acls {
		if a.ResourceType == "TOPIC" && a.Pattern == "LITERAL" && a.ResourceName != "*" {
			suspects = append(suspects, a.ResourceName)
		}
	}
	byName := func(t Topic, name string) int { return strings.Compare(t.Name, name) }
	hidden, err := r.cluster.HiddenTopics(ctx, suspects, func(name string) bool {
		_, listed := slices.BinarySearchFunc(overview.Topics, name, byName)
		return listed || overview.Failed[name] != nil
	})
	if err != nil {
		r.lacks(PartTopics, fmt.Errorf("whether topics are hidden: %w", err), "")
	}
	for name, err := range hidden {
		r.lacks(PartTopics, err, name)
	}
	return nil
}

func (r *reading) writeBrokers(ctx context.Context, brokers []Broker) error {
	ids := make([]int32, len(brokers))
	for i, b := range brokers {
		ids[i] = b.ID
	}
	answers := r.cluster.DescribeBrokers(ctx, ids)
	for i := range brokers {
		b := &brokers[i]
		answer := answers[b.ID]
		b.Version, b.Settings = answer.Version, answer.Settings
		for _, err := range []error{answer.VersionErr, answer.SettingsErr} { // with different rights, perhaps
			if err != nil {
				r.lacks(PartBrokers, err, strconv.Itoa(int(b.ID)))
			}
		}
	}
	return writeAll(r.out, typeBroker, brokers)
}

func (r *reading) writeTopics(ctx context.Context, topics []Topic) error {
	for some := range slices.Chunk(topics, settingsAtOnce) {
		names := make([]string, len(some))
		for i, t := range some {
			names[i] = t.Name
		}
		answers, err := r.cluster.TopicSettings(ctx, names)
		for i, t := range some { // a copy: the settings of all topics are never in memory at once
			answer := answers[t.Name]
			t.Settings, t.Inherited = answer.Settings, answer.Inherited
			if err := cmp.Or(err, answer.Err); err != nil {
				r.lacks(PartTopicSettings, err, names[i])
			}
			if err := r.out.writeLine(typeTopic, t); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func compareFeatures(a, b Feature) int { return strings.Compare(a.Name, b.Name) }

// CompareACLs orders ACLs by what they are about, then by whom.
func CompareACLs(a, b ACL) int {
	return cmp.Or(
		strings.Compare(a.ResourceType, b.ResourceType), strings.Compare(a.ResourceName, b.ResourceName),
		strings.Compare(a.Pattern, b.Pattern), strings.Compare(a.Principal, b.Principal),
		strings.Compare(a.Host, b.Host),
		strings.Compare(a.Operation, b.Operation), strings.Compare(a.Permission, b.Permission))
}

func compareUsers(a, b ScramUser) int {
	return cmp.Or(strings.Compare(a.User, b.User), strings.Compare(a.Mechanism, b.Mechanism))
}

func compareQuotas(a, b Quota) int { return strings.Compare(a.Name(), b.Name()) }

// Name says whom a quota is about, as kafka-configs.sh does: "user=a, client-id=<default>".
func (q Quota) Name() string {
	parts := make([]string, len(q.Entity))
	for i, e := range q.Entity {
		name := "<default>"
		if e.Name != nil {
			name = *e.Name
		}
		parts[i] = e.Type + "=" + name
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
