package repair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

var now = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// TestWhereADivergedLogMayGoOn: from the first offset up to the end of what is archived or planned, that included.
func TestWhereADivergedLogMayGoOn(t *testing.T) {
	t.Parallel()
	for from, taken := range map[int64]bool{-1: false, 0: true, 5: true, 10: true, 11: false} {
		p := bifrost.Partition{Name: "orders"}
		progress := bifrost.Progress{Partition: p, ClusterID: "c", TopicID: bifrost.TopicID{1}, Status: bifrost.StatusDiverged, NextOffset: 10, PlannedOffset: 10}
		a := Accepter{Group: "g", Bucket: bifrosttest.NewStore(), Now: func() time.Time { return now }}
		next := progress.Incarnation().Forked(0, 1)
		record, err := a.recordFork(t.Context(), progress, next, from)
		if (err == nil) != taken || err != nil && !strings.Contains(err.Error(), "up to offset 10") {
			t.Errorf("from %d: %v", from, err)
		}
		if taken && (record.From != from || record.Parent != "orders" || record.Incarnation() != progress.Incarnation() || !record.AcceptedAt.Equal(now)) {
			t.Errorf("from %d: record %+v", from, record)
		}
		progress.Status = bifrost.StatusOpen
		if _, err := a.recordFork(t.Context(), progress, next, 5); err == nil || !strings.Contains(err.Error(), "the partition is OPEN, not DIVERGED") {
			t.Errorf("of a partition that has not diverged: %v", err)
		}
	}
}

// TestWhatIsAGapAlready: an object that is a gap of the very row with the very reason, and nothing else.
func TestWhatIsAGapAlready(t *testing.T) {
	t.Parallel()
	p := bifrost.Partition{Name: "orders"}
	progress := bifrost.Progress{Partition: p, ClusterID: "c", TopicID: bifrost.TopicID{1}, Status: bifrost.StatusOpen, NextOffset: 10, PlannedOffset: 10}
	for name, x := range map[string]struct {
		summary baldr.Summary
		gap     bool
	}{
		"the gap":        {baldr.Summary{Kind: baldr.KindGap, Reason: bifrost.ReasonErased, Start: 0, End: 10}, true},
		"a shorter one":  {baldr.Summary{Kind: baldr.KindGap, Reason: bifrost.ReasonErased, Start: 0, End: 9}, false},
		"a longer one":   {baldr.Summary{Kind: baldr.KindGap, Reason: bifrost.ReasonErased, Start: 0, End: 11}, false},
		"another reason": {baldr.Summary{Kind: baldr.KindGap, Reason: bifrost.ReasonRetention, Start: 0, End: 10}, false},
		"no gap":         {baldr.Summary{Start: 0, End: 10, Missing: baldr.Missing{Compacted: 10}}, false},
	} {
		ledger, store := bifrosttest.NewLedger(), bifrosttest.NewStore()
		key := bifrost.ObjectKey("g", p, 0, 0)
		x.summary.ClusterID, x.summary.Topic, x.summary.TopicID = "c", "orders", progress.TopicID
		var content bytes.Buffer
		if _, err := baldr.NewWriter(&content, baldr.Options{}).Close(x.summary); err != nil {
			t.Fatal(err)
		}
		store.Put(key, content.Bytes())
		ledger.PokeProgress(progress)
		ledger.Poke(bifrost.Row{Partition: p, Range: bifrost.Range{End: 10}, TopicID: progress.TopicID, State: bifrost.StateArchived,
			Facts: bifrost.Facts{Key: key, Range: bifrost.Range{End: 10}, Records: 10}})
		a := Accepter{Group: "g", Ledger: ledger, Store: store, Bucket: store, Now: func() time.Time { return now }}
		facts, _, err := a.gapInPlace(t.Context(), progress, 0)
		if (err == nil) != x.gap || x.gap && facts.Reason != bifrost.ReasonErased || err != nil && !strings.Contains(err.Error(), "nothing is to be accepted; run bifrost verify") {
			t.Errorf("%s: %+v, %v", name, facts, err)
		}
	}
}

// TestWhichPartitionsARebuildLooksAt: all that the bucket, the progress rows or the planned rows tell of, less what is
// not selected; and only one that looks at all lets ticks plan again.
func TestWhichPartitionsARebuildLooksAt(t *testing.T) {
	t.Parallel()
	ledger, store := bifrosttest.NewLedger(), bifrosttest.NewStore()
	named := func(name string) bifrost.Partition { return bifrost.Partition{Name: name} }
	store.Put(bifrost.ObjectKey("g", named("bucket"), 0, 0), nil)
	ledger.PokeProgress(bifrost.Progress{Partition: named("progress")})
	ledger.Poke(bifrost.Row{Partition: named("planned"), Range: bifrost.Range{End: 1}, State: bifrost.StatePlanned})
	for name, x := range map[string]struct {
		topics     bifrost.TopicFilter
		partitions []bifrost.Partition
		want       string
		all        bool
	}{
		"all":           {want: "bucket planned progress", all: true},
		"included":      {topics: bifrost.TopicFilter{Include: []string{"p*"}}, want: "planned progress"},
		"excluded":      {topics: bifrost.TopicFilter{Exclude: []string{"p*"}}, want: "bucket"},
		"one":           {partitions: []bifrost.Partition{named("progress"), named("nobody")}, want: "progress"},
		"none of these": {partitions: []bifrost.Partition{}, want: ""},
	} {
		r := &rebuild{Rebuilder: &Rebuilder{Group: "g", Ledger: ledger, Store: store, Bucket: store, Topics: x.topics, Partitions: x.partitions}}
		list, err := r.listPartitions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range list {
			names = append(names, p.Name)
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != x.want || r.selectsAll() != x.all {
			t.Errorf("%s: looks at %q, want %q; at all: %v", name, got, x.want, r.selectsAll())
		}
	}
}

// failing is a ledger that cannot be written.
type failing struct{ *bifrosttest.Ledger }

func (failing) Rows(context.Context, bifrost.Partition, int64, int) ([]bifrost.Row, error) {
	return nil, errors.New("no rows today")
}

// TestWhatFailedInARebuild: each partition is named as it is in the bucket and as it is in Kafka, and counted.
func TestWhatFailedInARebuild(t *testing.T) {
	t.Parallel()
	ledger, store := failing{bifrosttest.NewLedger()}, bifrosttest.NewStore()
	var want []string
	for number := range int32(2) {
		i := bifrost.Incarnation{ClusterID: "c", Topic: "orders", TopicID: bifrost.TopicID{1}}
		p := bifrost.Partition{Name: i.LaterName(), Number: number}
		ledger.PokeProgress(bifrost.Progress{Partition: p, ClusterID: "c", TopicID: i.TopicID, Status: bifrost.StatusOpen, Generation: "a"})
		store.Put(bifrost.ObjectKey("g", p, 0, 0), nil)
		want = append(want, fmt.Sprintf("%s %s orders %d", p.Name, p.Name, number))
	}
	generations := 0
	r := &Rebuilder{Group: "g", Ledger: ledger, Store: store, Bucket: store, Anew: true, Now: func() time.Time { return now },
		NewGeneration: func() string { generations++; return fmt.Sprint(generations) }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Wait: func(context.Context, time.Time, int) error { return nil }}
	done, err := r.Rebuild(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range done.Failed {
		got = append(got, fmt.Sprintf("%s %s %s %d", f.Topic, f.Name, f.KafkaTopic, *f.Partition))
	}
	slices.Sort(got)
	if done.Failures != 2 || done.Partitions != 2 || !slices.Equal(got, want) || !done.Older {
		t.Errorf("failed %q, want %q; %+v", got, want, done)
	}
}
