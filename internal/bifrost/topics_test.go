package bifrost

import (
	"slices"
	"testing"
)

func TestTopicFilter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		include, exclude []string
		topic            string
		want             bool
	}{
		{nil, nil, "_schemas", true},
		{[]string{"*"}, nil, "orders", true},
		{[]string{"orders*", "users"}, nil, "orders.eu", true},
		{[]string{"orders*"}, nil, "users", false},
		{[]string{"*"}, []string{"*-tmp"}, "orders-tmp", false},
		{[]string{"orders-tmp"}, []string{"*-tmp"}, "orders-tmp", false},
		{[]string{"order?"}, nil, "orders", true},
		{[]string{"order[a-c]"}, nil, "orders", false},
	}
	for _, test := range tests {
		filter, err := NewTopicFilter(test.include, test.exclude)
		if err != nil {
			t.Fatal(err)
		}
		if got := filter.Selects(test.topic); got != test.want {
			t.Errorf("include %v exclude %v topic %s: %v, want %v", test.include, test.exclude, test.topic, got, test.want)
		}
	}
	if _, err := NewTopicFilter([]string{"["}, nil); err == nil {
		t.Error("a broken pattern was taken")
	}
}

// What replays keep in the cluster is not archived with it, unless somebody asks for it
// by its whole name; what was archived once is still verified and built anew.
func TestTopicsOfReplaysAreLeftOut(t *testing.T) {
	t.Parallel()
	for _, topic := range []string{ReplayStateTopic, EarlierReplayStateTopic} {
		for _, c := range []struct {
			filter            TopicFilter
			archives, selects bool
		}{
			{TopicFilter{}, false, true},
			{TopicFilter{Include: []string{"*"}}, false, true},
			{TopicFilter{Include: []string{"bifrost-*", topic}}, true, true},
			{TopicFilter{Include: []string{topic}, Exclude: []string{"bifrost-*"}}, false, false},
		} {
			if archives, selects := c.filter.Archives(topic), c.filter.Selects(topic); archives != c.archives || selects != c.selects {
				t.Errorf("%+v: %s is archived: %v, selected: %v; want %v, %v", c.filter, topic, archives, selects, c.archives, c.selects)
			}
		}
	}
	if !(TopicFilter{}).Archives("bifrost-replay-positions-of-mine") {
		t.Error("a topic of somebody else's is left out")
	}
}

// A filter is of Kafka's names, wherever a partition is known from: each life of a topic is
// selected with it, once and in order.
func TestKnownPartitionsOfATopic(t *testing.T) {
	t.Parallel()
	of := func(name string, number int32) Partition { return Partition{Name: name, Number: number} }
	const later = "orders@AAAAAAAAAAAAAAAAAAAABg"
	inBucket := []Partition{of(later, 10), of("orders", 2), of("payments", 0)}
	progress := []Progress{{Partition: of("orders", 2)}, {Partition: of(later, 9)}, {Partition: of("orders_eu", 0)}}
	planned := []Row{{Partition: of(later, 2)}, {Partition: of(later, 2)}, {Partition: of("orders", 10)}}
	whole := []Partition{of("orders", 2), of("orders", 10), of(later, 2), of(later, 9), of(later, 10)}
	for _, c := range []struct {
		filter TopicFilter
		want   []Partition
	}{
		{TopicFilter{}, append(slices.Clone(whole), of("orders_eu", 0), of("payments", 0))},
		{TopicFilter{Include: []string{"orders"}}, whole},
		{TopicFilter{Include: []string{"order?"}}, whole},
		{TopicFilter{Exclude: []string{"payments", "orders_eu"}}, whole},
		{TopicFilter{Exclude: []string{"orders"}}, []Partition{of("orders_eu", 0), of("payments", 0)}},
		{TopicFilter{Include: []string{"*@*"}}, nil},
		{TopicFilter{Exclude: []string{"*@*"}}, append(slices.Clone(whole), of("orders_eu", 0), of("payments", 0))},
	} {
		if got := KnownPartitions(c.filter, inBucket, progress, planned); !slices.Equal(got, c.want) {
			t.Errorf("include %q exclude %q: %v, want %v", c.filter.Include, c.filter.Exclude, got, c.want)
		}
	}
}
