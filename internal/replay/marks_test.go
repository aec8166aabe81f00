package replay

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// lookerAt is one that has asked for the ends of the target.
func lookerAt(t *testing.T, request Request, source Source, options Options) (*looker, topicFacts) {
	t.Helper()
	client, err := kgo.NewClient(options.Client...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	l := &looker{cluster: cluster{client}, request: request, source: source, out: &Outlook{},
		tails: map[tailKey]tail{}, known: map[string]replays{}, foreign: map[string]map[int32]int64{}}
	if err := l.askAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l, l.topics["target"]
}

// A mark stands if the log has that very batch, or has deleted it; anything else that is there
// was written after a cut.
func TestWhatIsTheBatchOfAMark(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	source, request, options := archived(20, 10), requestOf(20, 1), optionsOf(cluster)
	mark := replayAll(t, request, source, options).Parts[0].Position.Marks[0]
	end := mark.nextOffset()
	for name, c := range map[string]struct {
		change     func(*Mark)
		start, end int64
		want       verdict
	}{
		"as it was written":             {func(*Mark) {}, 0, end + 1, holds},
		"its marker is not seen":        {func(*Mark) {}, 0, end, holds},
		"only its last record is there": {func(*Mark) {}, end - 1, end + 1, holds},
		"the last record is cut":        {func(*Mark) {}, 0, end - 1, cut},
		"it is deleted up to its end":   {func(*Mark) {}, end, end + 1, deleted},
		"it is deleted, and the marker": {func(*Mark) {}, end + 1, end + 1, deleted},
		"another base":                  {func(m *Mark) { m.Base, m.Count = m.Base+1, m.Count-1 }, 0, end + 1, cut},
		"another count":                 {func(m *Mark) { m.Count-- }, 0, end + 1, cut},
		"of another producer":           {func(m *Mark) { m.ProducerID++ }, 0, end + 1, cut},
		"of another epoch":              {func(m *Mark) { m.Epoch++ }, 0, end + 1, cut},
		"of another sequence":           {func(m *Mark) { m.Sequence++ }, 0, end + 1, cut},
		"of a partition that is gone":   {func(m *Mark) { m.Partition++ }, 0, end + 1, cut},
	} {
		l, topic := lookerAt(t, request, source, options)
		l.ends["target"][0] = logEnds{start: c.start, end: c.end}
		changed := mark
		c.change(&changed)
		if got, err := l.judgeMark(t.Context(), topic, changed); err != nil || got != c.want {
			t.Errorf("%s: %d, want %d; %v", name, got, c.want, err)
		}
		// Among others, in any order, it counts as itself.
		stands := map[verdict]int{holds: 1, deleted: 1}[c.want]
		gone := Mark{Partition: 9, Base: 1, Count: 1}
		for _, marks := range [][]Mark{{changed}, {gone, changed}, {changed, gone}} {
			if n, err := l.countStanding(t.Context(), topic, marks); err != nil || n != stands {
				t.Errorf("%s: %d of %d stand, want %d; %v", name, n, len(marks), stands, err)
			}
		}
	}
}

// What is deleted of any partition of the target is counted, whichever it is.
func TestDeletedInSomePartitions(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 3)
	options := optionsOf(cluster)
	request, source := requestOf(100, 1), archived(100, 10)
	request.Rekey = true
	replayAll(t, request, source, options)
	admin := kadm.NewClient(clientOf(t, cluster))
	gone := int64(0)
	for _, partition := range []int32{1, 0, 2} {
		offsets := kadm.Offsets{}
		offsets.AddOffset("target", partition, 2+int64(partition), -1)
		if _, err := admin.DeleteRecords(t.Context(), offsets); err != nil {
			t.Fatal(err)
		}
		gone += 2 + int64(partition)
		if p := lookOf(t, request, source, options).Parts[0]; p.Gone != gone || len(p.Position.Marks) != 3 {
			t.Errorf("%d are gone of %d partitions, want %d", p.Gone, len(p.Position.Marks), gone)
		}
	}
}

// Of stretches that were cut no partition may have kept anything, whichever it is, deleted
// since or not.
func TestACutThatLeavesAnyPart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bad    []int // of the marks
		delete bool  // what stands
	}{
		"the first":                          {[]int{0}, false},
		"the second":                         {[]int{1}, false},
		"the last":                           {[]int{2}, false},
		"all but the first":                  {[]int{1, 2}, false},
		"all but the last, which is deleted": {[]int{0, 1}, true},
	} {
		cluster := startCluster(t, 3)
		options := optionsOf(cluster)
		request, source := requestOf(100, 1), archived(100, 10)
		request.Rekey = true
		replayAll(t, request, source, options)
		part := lookOf(t, request, source, options).Parts[0]
		stretches := stretchesOf(t, &Outlook{Parts: []PartOutlook{part}}, options)
		if len(stretches) != 1 || len(part.Position.Marks) != 3 {
			t.Fatalf("%d stretches to %d partitions, want one to three", len(stretches), len(part.Position.Marks))
		}
		for _, i := range c.bad {
			stretches[0].Marks[i].Base += 1000
		}
		if c.delete {
			offsets := kadm.Offsets{}
			for _, mark := range part.Position.Marks {
				offsets.AddOffset("target", mark.Partition, mark.nextOffset()+1, -1)
			}
			if _, err := kadm.NewClient(clientOf(t, cluster)).DeleteRecords(t.Context(), offsets); err != nil {
				t.Fatal(err)
			}
		}
		forge(t, cluster, part.pair, fold(stretches), stretches...)
		t.Log(name)
		mustRefuse(t, request, source, options, AnswerAgain, "a part of what was written of source/0 is left")
	}
}
