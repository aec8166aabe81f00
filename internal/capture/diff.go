// In what two captures differ.

package capture

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Difference is one thing in which two captures differ.
type Difference struct {
	Part  Part    `json:"part"`
	Name  string  `json:"name"`            // of the topic, group, broker, ...
	Field string  `json:"field,omitempty"` // what of it; empty when one of the captures has no such thing
	A     *string `json:"a"`               // null: not there
	B     *string `json:"b"`
}

// An Unknown is something that cannot be compared.
type Unknown struct {
	In string `json:"in"` // a or b: the capture that lacks it
	NotCaptured
}

// Drift is in what two captures differ, in order of parts and names.
type Drift struct {
	Differences []Difference `json:"differences"`
	Unknown     []Unknown    `json:"unknown"`
}

// Diff compares two captures. What moves on by itself is no difference: groups that
// read on, logs that grow, the states of groups, and log starts. A position or an
// end that went back is one. Of two different clusters topic IDs, brokers, the
// places of replicas and all positions are not compared.
func Diff(a, b Snapshot) Drift {
	d := &differ{
		a: newSide("a", a), b: newSide("b", b), same: a.Configuration.ClusterID == b.Configuration.ClusterID,
		drift: Drift{[]Difference{}, []Unknown{}},
	}
	for _, s := range []side{d.a, d.b} {
		for _, n := range s.all.Missing() {
			d.drift.Unknown = append(d.drift.Unknown, Unknown{s.letter, n})
		}
	}
	if d.same {
		d.comparePart(PartBrokers, brokersOf(a), brokersOf(b))
	}
	d.comparePart(PartFeatures, featuresOf(a), featuresOf(b))
	d.comparePart(PartTopics, d.topicsOf(a), d.topicsOf(b))
	d.comparePart(PartTopicSettings, settingsOf(a, d.b), settingsOf(b, d.a))
	d.comparePart(PartACLs, aclsOf(a), aclsOf(b))
	d.comparePart(PartQuotas, quotasOf(a), quotasOf(b))
	d.comparePart(PartScramUsers, usersOf(a), usersOf(b))
	d.comparePart(PartGroups, groupsOf(a), groupsOf(b))
	if d.same {
		d.compareAssignments()
		d.comparePositions()
		d.compareEnds()
	}
	slices.SortStableFunc(d.drift.Differences, func(x, y Difference) int {
		return cmp.Or(cmp.Compare(x.Part, y.Part), strings.Compare(x.Name, y.Name), strings.Compare(x.Field, y.Field))
	})
	return d.drift
}

// A side is one of the captures, with what it lacks.
type side struct {
	letter  string
	all     Snapshot
	unknown map[Part]bool            // of nobody can be said that it is not there
	names   map[Part]map[string]bool // of these nothing is known
	topics  map[string]bool          // that it has
}

func newSide(letter string, s Snapshot) side {
	all := side{letter, s, map[Part]bool{}, map[Part]map[string]bool{}, map[string]bool{}}
	for _, n := range s.Missing() {
		if len(n.Names) == 0 {
			all.unknown[n.Part] = true
		}
		for _, name := range n.Names {
			if all.names[n.Part] == nil {
				all.names[n.Part] = map[string]bool{}
			}
			all.names[n.Part][name] = true
		}
	}
	for _, t := range s.Configuration.Topics {
		all.topics[t.Name] = true
	}
	return all
}

// knows reports whether the absence of a name means that it is not there.
func (s side) knows(part Part, name string) bool { return !s.unknown[part] && !s.names[part][name] }

// differ gathers differences. same: both captures are of one cluster.
type differ struct {
	a, b  side
	same  bool
	drift Drift
}

// fields are the properties of a thing, as text.
type fields map[string]string

// comparePart compares the things of a part by name and field.
func (d *differ) comparePart(part Part, a, b map[string]fields) {
	for _, name := range slices.Sorted(maps.Keys(a)) {
		other, there := b[name]
		switch {
		case there:
			d.compareFields(part, name, a[name], other)
		case d.b.knows(part, name):
			d.addDifference(part, name, "", new(brief(a[name])), nil)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if _, there := a[name]; !there && d.a.knows(part, name) {
			d.addDifference(part, name, "", nil, new(brief(b[name])))
		}
	}
}

func (d *differ) compareFields(part Part, name string, a, b fields) {
	if d.a.names[part][name] || d.b.names[part][name] {
		return
	}
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, field := range slices.Sorted(maps.Keys(all)) {
		before, inA := a[field]
		after, inB := b[field]
		if before != after || inA != inB {
			d.addDifference(part, name, field, optional(before, inA), optional(after, inB))
		}
	}
}

func (d *differ) addDifference(part Part, name, field string, a, b *string) {
	d.drift.Differences = append(d.drift.Differences, Difference{part, name, field, a, b})
}

func optional(value string, there bool) *string {
	if !there {
		return nil
	}
	return &value
}

// brief says what a thing is that only one of the captures has.
func brief(f fields) string {
	var all []string
	for _, field := range slices.Sorted(maps.Keys(f)) {
		all = append(all, field+"="+f[field])
	}
	return strings.Join(all, " ")
}

func brokersOf(s Snapshot) map[string]fields {
	all := map[string]fields{}
	for _, b := range s.Configuration.Brokers {
		f := fields{"address": fmt.Sprintf("%s:%d", b.Host, b.Port), "rack": b.Rack, "version": b.Version}
		for name, value := range b.Settings {
			f["setting "+name] = value
		}
		all[strconv.Itoa(int(b.ID))] = f
	}
	return all
}

func featuresOf(s Snapshot) map[string]fields {
	all := map[string]fields{}
	for _, f := range s.Configuration.Features {
		all[f.Name] = fields{"level": strconv.Itoa(int(f.Level))}
	}
	return all
}

func (d *differ) topicsOf(s Snapshot) map[string]fields {
	all := map[string]fields{}
	for _, t := range s.Configuration.Topics {
		f := fields{"partitions": strconv.Itoa(len(t.Partitions)), "replication factor": replication(t)}
		if d.same {
			f["topic ID"] = t.ID.String()
		}
		all[t.Name] = f
	}
	return all
}

// replication is how many replicas the partitions have: "3", or "2, 3" while they
// differ.
func replication(t Topic) string {
	var all []int
	for _, replicas := range t.Partitions {
		if !slices.Contains(all, len(replicas)) {
			all = append(all, len(replicas))
		}
	}
	slices.Sort(all)
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(all), " ", ", "), "[]")
}

// settingsOf are the own settings of the topics that the other side has too: those
// of a topic that is new or gone are no difference beside that.
func settingsOf(s Snapshot, other side) map[string]fields {
	all := map[string]fields{}
	for _, t := range s.Configuration.Topics {
		if other.topics[t.Name] {
			all[t.Name] = t.Settings
		}
	}
	return all
}

func aclsOf(s Snapshot) map[string]fields {
	all := map[string]fields{}
	for _, a := range s.Configuration.ACLs {
		all[a.String()] = fields{}
	}
	return all
}

// String says an ACL in one line.
func (a ACL) String() string {
	return fmt.Sprintf("%s %s %s on %s %s %s from %s",
		a.Principal, a.Permission, a.Operation, a.Pattern, a.ResourceType, a.ResourceName, a.Host)
}

func quotasOf(s Snapshot) map[string]fields {
	all := map[string]fields{}
	for _, q := range s.Configuration.Quotas {
		f := fields{}
		for name, value := range q.Values {
			f[name] = strconv.FormatFloat(value, 'f', -1, 64)
		}
		all[q.Name()] = f
	}
	return all
}

func usersOf(s Snapshot) map[string]fields {
	all := map[string]fields{}
	for _, u := range s.Configuration.Users {
		all[u.User+" "+u.Mechanism] = fields{"iterations": strconv.Itoa(int(u.Iterations))}
	}
	return all
}

func groupsOf(s Snapshot) map[string]fields {
	all := map[string]fields{}
	for _, g := range s.Positions.Groups {
		all[g.Name] = fields{"type": g.Type, "protocol type": g.ProtocolType}
	}
	return all
}

// compareAssignments compares where the replicas are, a difference a topic.
func (d *differ) compareAssignments() {
	before := map[string]Topic{}
	for _, t := range d.a.all.Configuration.Topics {
		before[t.Name] = t
	}
	for _, t := range d.b.all.Configuration.Topics {
		old := before[t.Name]
		if len(old.Partitions) != len(t.Partitions) {
			continue
		}
		first, more := -1, 0
		for number := range t.Partitions {
			switch {
			case slices.Equal(old.Partitions[number], t.Partitions[number]):
			case first < 0:
				first = number
			default:
				more++
			}
		}
		if first >= 0 {
			field := fmt.Sprintf("replicas of partition %d", first)
			if more > 0 {
				field += fmt.Sprintf(" and %d more", more)
			}
			d.addDifference(PartTopics, t.Name, field, new(fmt.Sprint(old.Partitions[first])),
				new(fmt.Sprint(t.Partitions[first])))
		}
	}
}

// comparePositions finds committed offsets that went back, or are gone though group and
// topic are there.
func (d *differ) comparePositions() {
	now := map[string]Group{}
	for _, g := range d.b.all.Positions.Groups {
		now[g.Name] = g
	}
	for _, g := range d.a.all.Positions.Groups {
		later := now[g.Name]
		if g.Offsets == nil || later.Offsets == nil {
			continue
		}
		for _, topic := range slices.Sorted(maps.Keys(g.Offsets)) {
			d.positionsIn(g.Name, topic, g.Offsets[topic], later.Offsets[topic])
		}
	}
}

func (d *differ) positionsIn(group, topic string, before, after []Committed) {
	now := map[int32]int64{}
	for _, c := range after {
		now[c.Partition] = c.Offset
	}
	for _, c := range before {
		offset, there := now[c.Partition]
		field := fmt.Sprintf("position in %s/%d", topic, c.Partition)
		switch {
		case there && offset < c.Offset:
			d.addDifference(PartGroups, group, field, new(fmt.Sprint(c.Offset)), new(fmt.Sprint(offset)))
		case !there && d.b.topics[topic]:
			d.addDifference(PartGroups, group, field, new(fmt.Sprint(c.Offset)), nil)
		}
	}
}

// compareEnds finds logs of one topic that end before where they did.
func (d *differ) compareEnds() {
	before := map[string]Offsets{}
	for _, o := range d.a.all.Positions.Offsets {
		before[o.Topic] = o
	}
	for _, o := range d.b.all.Positions.Offsets {
		old := before[o.Topic]
		for number := range min(len(old.Partitions), len(o.Partitions)) {
			a, b := old.Partitions[number], o.Partitions[number]
			if old.ID == o.ID && a != nil && b != nil && b[2] < a[2] {
				name := fmt.Sprintf("%s/%d", o.Topic, number)
				d.addDifference(PartOffsets, name, "high watermark", new(fmt.Sprint(a[2])), new(fmt.Sprint(b[2])))
			}
		}
	}
}
