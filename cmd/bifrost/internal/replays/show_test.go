package replays

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

func newReplayer() (r *replayer, out, talk *bytes.Buffer) {
	out, talk = &bytes.Buffer{}, &bytes.Buffer{}
	return &replayer{App: app.New(nil, out, talk)}, out, talk
}

// outlookOfThree has three parts, all of whose numbers are different.
func outlookOfThree() *replay.Outlook {
	part := func(number int32, target string, records, bytes, gone int64, busy bool) replay.PartOutlook {
		return replay.PartOutlook{
			Part: replay.Part{
				Source: bifrost.Partition{Name: "s", Number: number}, Target: target,
				Ask: replay.AllTimes(100+int64(number), 200+int64(number)),
			},
			Position: replay.Position{Records: records, Bytes: bytes}, Gone: gone, Busy: busy,
		}
	}
	return &replay.Outlook{Parts: []replay.PartOutlook{
		part(0, "a", 10, 1000, 1, false), part(1, "b", 20, 2000, 2, true), part(2, "c", 40, 4000, 4, true),
	}}
}

func TestReportOfManyParts(t *testing.T) {
	t.Parallel()
	r, out, _ := newReplayer()
	r.id, r.json = "the-id", true
	if err := r.showReport(outlookOfThree(), replayed{records: 5, bytes: 500}, 7*time.Second); err != nil {
		t.Fatal(err)
	}
	var got ReportJSON
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := ReportJSON{
		ID: "the-id", Records: 63, Bytes: 7000, Written: 5, Deleted: 7, Seconds: 7, Partitions: []replayPartitionJSON{
			{"s", 0, 100, 200, "a", 9, 1000, 1}, {"s", 1, 101, 201, "b", 18, 2000, 2}, {"s", 2, 102, 202, "c", 36, 4000, 4},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	r, out, talk := newReplayer()
	if err := r.showReport(outlookOfThree(), replayed{records: 5, bytes: 500}, 0); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"The replay is complete: 63 records, 7.0 kB; 5 of them by this run.", "7 more were written and have been deleted",
	} {
		if !strings.Contains(talk.String(), want) {
			t.Errorf("not told %q: %s", want, talk)
		}
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 4 ||
		strings.Join(strings.Fields(lines[3]), " ") != "s 2 102 202 c 36 4.0 kB" {
		t.Errorf("table: %s", out)
	}
}

func TestWhereAReplayStands(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*replayer, *replay.Outlook){
		"The replay goes on: 63 records are there already.": func(*replayer, *replay.Outlook) {},
		"Replay x begins.":         func(r *replayer, o *replay.Outlook) { r.id, o.Parts = "x", nil },
		"The replay begins again.": func(r *replayer, _ *replay.Outlook) { r.again = true },
		"The replay goes on: 0 records are there already.": func(_ *replayer, o *replay.Outlook) {
			o.Parts = o.Parts[:1]
			o.Parts[0].Gone = o.Parts[0].Position.Records
		},
	} {
		r, _, talk := newReplayer()
		o := outlookOfThree()
		change(r, o)
		r.sayWhereItStands(o)
		if got := strings.TrimSpace(talk.String()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Each warning, each objection, and each part that another run writes is told.
func TestWarningsOfAReplay(t *testing.T) {
	t.Parallel()
	r, _, talk := newReplayer()
	o := outlookOfThree()
	o.Warnings = []replay.Warning{{Topic: "a", Text: "w1"}, {Topic: "b", Text: "w2"}}
	o.Parts[0].Objections = []replay.Objection{{Topic: "a", Text: "o1", Answer: replay.AnswerAgain}}
	o.Parts[2].Objections = []replay.Objection{
		{Topic: "c", Text: "o2", Answer: replay.AnswerForce}, {Topic: "c", Text: "o3", Answer: replay.AnswerAgain},
	}
	r.warnOf(o)
	for _, want := range []string{
		"topic a: w1\n", "topic b: w2\n", "topic a: o1\n", "topic c: o2\n", "topic c: o3\n",
		"topic b: another run writes records of s/1", "topic c: another run writes records of s/2",
	} {
		if strings.Count(talk.String(), want) != 1 {
			t.Errorf("not told once %q: %s", want, talk)
		}
	}
	if n := strings.Count(talk.String(), "\n"); n != 7 {
		t.Errorf("%d lines: %s", n, talk)
	}
	again, force := string(replay.AnswerAgain), string(replay.AnswerForce)
	for _, c := range []struct{ reasons, want []string }{
		{nil, []string{again, force}}, {[]string{"it is compacted", "it is small"}, []string{again, force}},
	} {
		if got := answersTo(c.reasons, o.Objections()); !reflect.DeepEqual(got, c.want) {
			t.Errorf("answers to %q: %q", c.reasons, got)
		}
	}
	if got, want := answersTo([]string{"x"}, o.Parts[0].Objections), []string{again, force}; !reflect.DeepEqual(got, want) {
		t.Errorf("answers to a reason and an objection: %q", got)
	}
	if got := answersTo(nil, nil); len(got) > 0 {
		t.Errorf("answers to nothing: %q", got)
	}
}

func TestLostOffsets(t *testing.T) {
	t.Parallel()
	r, _, _ := newReplayer()
	r.lost = []bifrost.Row{{Range: bifrost.Range{Start: 5, End: 8}}, {Range: bifrost.Range{Start: 10, End: 50}}}
	if n := r.lostOffsets(); n != 43 {
		t.Error(n)
	}
}

// Of what is partly wanted the records are counted, or their share; of the rest the
// catalogue tells them.
func TestCountLeft(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	ledger := bifrosttest.NewLedger()
	for number := range int32(2) {
		row := func(start, end, records, first, last int64) bifrost.Row {
			return bifrost.Row{Partition: bifrost.Partition{Name: "s", Number: number}, Range: bifrost.Range{Start: start, End: end},
				State: bifrost.StateArchived, Facts: bifrost.Facts{Records: records, FirstTimestamp: first, LastTimestamp: last}}
		}
		lost := row(10, 20, 0, -1, -1)
		lost.State = bifrost.StateLost
		ledger.Poke(row(0, 10, 10, 1000, 1009), lost, row(20, 40, 20, 1020, 1039), row(40, 50, 0, -1, -1),
			row(50, 60, 5, 1050, 1059), row(60, 70, 10, 1060, 1069))
	}
	between := func(start, end, since, until int64) replay.Span {
		return replay.Span{Start: start, End: end, Since: since, Until: until}
	}
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		ask          replay.Span
		exact, about int64
		objects      int // that are read
	}{
		"all":                           {replay.AllTimes(0, 70), 45, 45, 0},
		"a start inside":                {replay.AllTimes(3, 40), 27, 27, 1},
		"an end inside":                 {replay.AllTimes(0, 35), 25, 25, 1},
		"both in one object":            {replay.AllTimes(25, 30), 5, 5, 1},
		"an object with holes":          {replay.AllTimes(50, 55), 3, 3, 1},
		"a gap":                         {replay.AllTimes(10, 20), 0, 0, 0},
		"times around all":              {between(0, 70, 1, 5000), 45, 45, 0},
		"times that begin inside":       {between(0, 70, 1030, 5000), 25, 25, 1},
		"times that end inside":         {between(0, 70, 1, 1025), 15, 15, 1},
		"times of one object only":      {between(0, 70, 1020, 1040), 20, 20, 0},
		"times of none":                 {between(0, 70, 2000, 3000), 0, 0, 0},
		"offsets and times":             {between(25, 65, 1030, 1064), 19, 15, 2},
		"times around a part of a part": {between(25, 30, 1, 5000), 5, 5, 1},
	} {
		request := replay.Request{}
		for number := range int32(2) {
			request.Parts = append(request.Parts, replay.Part{
				Source: bifrost.Partition{Name: "s", Number: number}, Life: "s", Target: "t", Ask: c.ask,
			})
		}
		outlook, err := replay.Look(t.Context(), request, nil, replay.Options{
			Client: []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...)},
		})
		if err != nil {
			t.Fatal(err)
		}
		read := 0
		count := counter{catalogue: ledger, exact: true, records: func(
			_ context.Context, _ replay.Part, span replay.Span,
		) iter.Seq2[baldr.Record, error] {
			read++
			return func(yield func(baldr.Record, error) bool) {
				step := int64(1)
				if span.Start >= 50 && span.Start < 60 {
					step = 2
				}
				for offset := span.Start; offset < span.End; offset += step {
					// Those with other times may be among them.
					if !yield(baldr.Record{Offset: offset, Timestamp: 1000 + offset}, nil) {
						return
					}
				}
			}
		}}
		left, err := count.countLeft(t.Context(), outlook)
		if err != nil || len(left) != 2 || left[0] != c.exact || left[1] != c.exact || left.totalRecords() != 2*c.exact ||
			read != 2*c.objects {
			t.Errorf("%s: %v, %v by reading %d objects", name, left, err, read)
		}
		first := &outlook.Parts[0]
		first.Todo = append(first.Todo, first.Todo...) // all of its segments count
		if left, err = count.countLeft(t.Context(), outlook); err != nil || left[0] != 2*c.exact || left[1] != c.exact {
			t.Errorf("%s, twice: %v, %v", name, left, err)
		}
		first.Todo = first.Todo[:1]
		count.exact, read = false, 0
		if left, err = count.countLeft(t.Context(), outlook); err != nil || left[0] != c.about || read != 0 {
			t.Errorf("%s, about: %v, %v by reading %d objects", name, left, err, read)
		}
		count.exact = true
		count.records = func(context.Context, replay.Part, replay.Span) iter.Seq2[baldr.Record, error] {
			return func(yield func(baldr.Record, error) bool) { yield(baldr.Record{}, failed) }
		}
		if _, err = count.countLeft(t.Context(), outlook); errors.Is(err, failed) != (c.objects > 0) {
			t.Errorf("%s: an object that cannot be read: %v", name, err)
		}
	}
}

// A replay by a job refuses each flag that a job has no use for, and not only the first.
func TestFlagsThatAJobRefuses(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--again", "--dry-run", "--parallel=2", "--offset-map=x"} {
		r, _, _ := newReplayer()
		c := New(r.App, "")
		c.SetArgs([]string{"orders", "--as-job", flag})
		c.SilenceErrors, c.SilenceUsage = true, true
		name, _, _ := strings.Cut(flag, "=")
		if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// What --from and --to are of is one topic.
func TestOffsetsAreOfOneTopic(t *testing.T) {
	t.Parallel()
	for _, bounds := range [][2]int64{{1, 0}, {0, 1}, {1, 2}} {
		for _, args := range [][]string{{"a", "b"}, {"b", "a", "a"}, {"*"}, {"a?"}, {"[ab]"}} {
			r, _, _ := newReplayer()
			r.From, r.To = bounds[0], bounds[1]
			if _, err := r.planRequest(t.Context(), args); err == nil || !strings.Contains(err.Error(), "one topic") {
				t.Errorf("%q from %d to %d: %v", args, r.From, r.To, err)
			}
		}
	}
}

// A replay that ends early says how it is gone on with, unless it is not to be gone on with.
func TestHowAReplayGoesOn(t *testing.T) {
	t.Parallel()
	const goesOn, damaged, again = "run the same command again", "bifrost verify --deep", "without --again"
	for name, c := range map[string]struct {
		err         error
		again       bool
		said        []string
		unsaid      []string
		isUnhealthy bool
	}{
		"no answer":         {errors.New("no answer"), false, []string{goesOn}, []string{again, damaged}, false},
		"written once more": {errors.New("no answer"), true, []string{goesOn, again}, []string{damaged}, false},
		"damage":            {baldr.ErrNotBaldr, true, []string{damaged, again}, []string{goesOn}, false},
		"shut out":          {replay.ErrShutOut, true, nil, []string{goesOn, damaged, again}, false},
		"refused":           {replay.ErrRefused, false, nil, []string{goesOn, damaged}, true},
	} {
		r, _, _ := newReplayer()
		r.again = c.again
		err := r.explainEnd(fmt.Errorf("topic a: %w", c.err))
		if !errors.Is(err, c.err) || app.IsUnhealthy(err) != c.isUnhealthy {
			t.Errorf("%s: error %v", name, err)
		}
		for i, words := range slices.Concat(c.said, c.unsaid) {
			if strings.Contains(err.Error(), words) != (i < len(c.said)) {
				t.Errorf("%s: %q in %q", name, words, err)
			}
		}
	}
}
