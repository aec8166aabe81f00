package capture

import (
	"slices"
	"strings"
	"testing"
)

// Many differences come in order of parts, names and fields, whatever was compared last; a value
// that is empty is another than none; groups behind one that was not captured are compared.
func TestDiffOfManyThings(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	a, b := s.taken(), s.taken()
	// Of these, the places of replicas, positions and ends are compared last.
	orders, payments := &b.Configuration.Topics[1], &b.Configuration.Topics[2]
	orders.Partitions[0] = []int32{3, 1}
	payments.Partitions = payments.Partitions[:4]
	a.Configuration.Topics[1].Settings = map[string]string{"empty": "", "retention.ms": "1"}
	orders.Settings = map[string]string{"retention.ms": "1", "also": ""}
	b.Configuration.Features[0].Level++
	for _, side := range []*Snapshot{&a, &b} {
		side.Positions.Groups = append([]Group{{Name: "0", Type: "classic"}}, side.Positions.Groups...) // not captured
		side.Positions.Groups[1].Type = "consumer"
	}
	b.Positions.Groups[1].Offsets["orders"][1].Offset = 6
	b.Positions.Offsets[2].Partitions[0][2]--
	b.Configuration.Users[0].Iterations++
	got := said(Diff(a, b))
	var parts []string
	for _, one := range got {
		part, rest, _ := strings.Cut(one, " ")
		name, _, _ := strings.Cut(rest, " ")
		parts = append(parts, part+" "+name)
	}
	want := []string{"features group.version", "groups a", "offsets payments/0", "scram_users archive",
		"topic_settings orders", "topic_settings orders", "topics orders", "topics payments"}
	if !slices.Equal(parts, want) {
		t.Errorf("differences\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, one := range []string{`topic_settings orders also: absent -> ""`, `topic_settings orders empty: "" -> absent`} {
		if !slices.Contains(got, one) {
			t.Errorf("differences\n%s\nwithout %s", strings.Join(got, "\n"), one)
		}
	}
}

// Partitions of one topic may have several numbers of replicas, each of which is named once.
func TestReplicationOfATopic(t *testing.T) {
	t.Parallel()
	one, two, three := []int32{1}, []int32{1, 2}, []int32{1, 2, 3}
	for _, c := range []struct {
		partitions [][]int32
		want       string
	}{
		{nil, ""}, {[][]int32{two, two, two}, "2"}, {[][]int32{three, two, three, two}, "2, 3"},
		{[][]int32{two, three, one}, "1, 2, 3"},
	} {
		if got := replication(Topic{Partitions: c.partitions}); got != c.want {
			t.Errorf("%v: %q, want %q", c.partitions, got, c.want)
		}
	}
}
