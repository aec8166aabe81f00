package replayplan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/target"
)

// archive is tables and a bucket with a few partitions, and a planner of them.
type archive struct {
	*Planner
	ledger *bifrosttest.Ledger
	store  *bifrosttest.Store
}

func newArchive() *archive {
	a := &archive{ledger: bifrosttest.NewLedger(), store: bifrosttest.NewStore()}
	all := func(life []bifrost.Progress) ([]bifrost.Progress, error) { return life, nil }
	a.Planner = &Planner{Reader: &readback.Reader{Catalogue: a.ledger, Objects: a.store}, SelectPartitions: all}
	return a
}

// settle adds ten records of five bytes that begin at each of the offsets, each of its own
// second since the Unix epoch.
func (a *archive) settle(t *testing.T, name string, number int32, starts ...int64) {
	t.Helper()
	p := bifrost.Partition{Name: name, Number: number}
	progress := bifrost.Progress{Partition: p, ClusterID: "c", TopicID: bifrost.TopicID{1}}
	for _, start := range starts {
		var object bytes.Buffer
		w := baldr.NewWriter(&object, baldr.Options{})
		for offset := start; offset < start+10; offset++ {
			if err := w.WriteRecord(&baldr.Record{Offset: offset, Timestamp: 1000 * offset, Value: []byte("value")}); err != nil {
				t.Fatal(err)
			}
		}
		summary, err := w.Close(baldr.Summary{ClusterID: "c", Topic: p.Topic(), TopicID: progress.TopicID, Partition: number, Start: start, End: start + 10})
		if err != nil {
			t.Fatal(err)
		}
		key := bifrost.ObjectKey("g", p, start, 0)
		a.store.Put(key, object.Bytes())
		a.ledger.Poke(bifrost.Row{Partition: p, TopicID: progress.TopicID, Range: bifrost.Range{Start: start, End: start + 10}, State: bifrost.StateArchived,
			Facts: bifrost.FactsOf(key, summary, bifrost.Stored{Size: int64(object.Len()), Checksum: bifrosttest.Checksum(object.Bytes())})})
		progress.NextOffset = start + 10
	}
	a.ledger.PokeProgress(progress)
}

func (a *archive) plan(t *testing.T, arguments ...string) (*Plan, error) {
	t.Helper()
	all, err := a.ledger.ListProgress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a.Planner.Plan(t.Context(), all, arguments)
}

// tell is a plan in a line for each part, need and row.
func tell(p *Plan) string {
	var b strings.Builder
	for _, part := range p.Parts {
		fmt.Fprintf(&b, "%s [%d, %d) into %s: %d records, %d bytes, %d lost, row of %s\n",
			part.Source, part.Ask.Start, part.Ask.End, part.Target, part.Records, part.Bytes, len(part.Lost), part.Row.Partition)
	}
	for _, n := range p.Needs {
		fmt.Fprintf(&b, "%s needs %d partitions, %d at least, %d bytes in one\n", n.Topic, n.Partitions, n.Fewest, n.MostBytes)
	}
	for _, row := range p.Rows {
		fmt.Fprintf(&b, "row %s\n", row.Partition)
	}
	return b.String()
}

// A plan has each partition that has something to write, what its target topic needs, and
// a row of each that was asked for.
func TestPlan(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.settle(t, "orders", 0, 0, 10)
	a.settle(t, "orders", 1, 0)
	a.settle(t, "orders", 2) // empty
	a.settle(t, "orders@"+bifrost.TopicID{2}.String(), 0, 0)
	a.settle(t, "other", 0, 0)
	lost := bifrost.Partition{Name: "orders", Number: 1}
	a.ledger.Poke(bifrost.Row{Partition: lost, Range: bifrost.Range{Start: 10, End: 15}, State: bifrost.StateLost},
		bifrost.Row{Partition: lost, Range: bifrost.Range{Start: 15, End: 20}, State: bifrost.StatePlanned})
	p, _ := a.ledger.Progress(t.Context(), lost)
	p.NextOffset = 15
	a.ledger.PokeProgress(p)
	later := "orders@" + bifrost.TopicID{2}.String()
	const orders = "orders/0 [0, 20) into orders: 20 records, 260 bytes, 0 lost, row of orders/0\n" +
		"orders/1 [0, 15) into orders: 10 records, 130 bytes, 1 lost, row of orders/1\n"
	const ordersRows = "row orders/0\nrow orders/1\nrow orders/2\n"
	laterLine := later + "/0 [0, 10) into %s: 10 records, 130 bytes, 0 lost, row of " + later + "/0\n"
	for name, c := range map[string]struct {
		change    func(*Planner)
		arguments []string
		want      string
	}{
		"one topic":                {nil, []string{"orders"}, orders + "orders needs 3 partitions, 2 at least, 260 bytes in one\n" + ordersRows},
		"one that is given twice":  {nil, []string{"orders", "orders"}, orders + "orders needs 3 partitions, 2 at least, 260 bytes in one\n" + ordersRows},
		"its own name beside it":   {nil, []string{"orders:orders", "orders"}, orders + "orders needs 3 partitions, 2 at least, 260 bytes in one\n" + ordersRows},
		"by key":                   {func(p *Planner) { p.Rekey = true }, []string{"orders"}, orders + "orders needs 3 partitions, 0 at least, 260 bytes in one\n" + ordersRows},
		"into a topic of its name": {nil, []string{later}, fmt.Sprintf(laterLine, "orders") + "orders needs 1 partitions, 1 at least, 130 bytes in one\nrow " + later + "/0\n"},
		"into a topic of another":  {nil, []string{"other:copy"}, "other/0 [0, 10) into copy: 10 records, 130 bytes, 0 lost, row of other/0\ncopy needs 1 partitions, 1 at least, 130 bytes in one\nrow other/0\n"},
		"two lives into one topic": {nil, []string{later, "orders"}, orders + fmt.Sprintf(laterLine, "orders") + "orders needs 3 partitions, 2 at least, 260 bytes in one\n" + ordersRows + "row " + later + "/0\n"},
		"two topics":               {nil, []string{"other", later + ":copy"}, fmt.Sprintf(laterLine, "copy") + "other/0 [0, 10) into other: 10 records, 130 bytes, 0 lost, row of other/0\ncopy needs 1 partitions, 1 at least, 130 bytes in one\nother needs 1 partitions, 1 at least, 130 bytes in one\nrow " + later + "/0\nrow other/0\n"},
		"from an offset on":        {func(p *Planner) { p.From = 10 }, []string{"other", "orders"}, "orders/0 [10, 20) into orders: 10 records, 130 bytes, 0 lost, row of orders/0\norders/1 [10, 15) into orders: 0 records, 0 bytes, 1 lost, row of orders/1\norders needs 3 partitions, 2 at least, 130 bytes in one\nother needs 1 partitions, 0 at least, 0 bytes in one\n" + ordersRows + "row other/0\n"},
		"of some partitions": {func(p *Planner) {
			p.SelectPartitions = func(life []bifrost.Progress) ([]bifrost.Progress, error) { return life[:1], nil }
		}, []string{"orders"}, "orders/0 [0, 20) into orders: 20 records, 260 bytes, 0 lost, row of orders/0\norders needs 3 partitions, 1 at least, 260 bytes in one\nrow orders/0\n"},
		"of some times":             {func(p *Planner) { p.Times = readback.Times{Since: 10_000} }, []string{"orders"}, "orders/0 [0, 20) into orders: 10 records, 130 bytes, 0 lost, row of orders/0\norders/1 [0, 15) into orders: 0 records, 0 bytes, 1 lost, row of orders/1\norders needs 3 partitions, 2 at least, 130 bytes in one\n" + ordersRows},
		"a glob":                    {nil, []string{"ot*"}, "other/0 [0, 10) into other: 10 records, 130 bytes, 0 lost, row of other/0\nother needs 1 partitions, 1 at least, 130 bytes in one\nrow other/0\n"},
		"a glob of all lives":       {nil, []string{"ord*"}, orders + fmt.Sprintf(laterLine, "orders") + "orders needs 3 partitions, 2 at least, 260 bytes in one\n" + ordersRows + "row " + later + "/0\n"},
		"a glob beside its topic":   {nil, []string{"other", "o[t]her"}, "other/0 [0, 10) into other: 10 records, 130 bytes, 0 lost, row of other/0\nother needs 1 partitions, 1 at least, 130 bytes in one\nrow other/0\n"},
		"no topic and no arguments": {nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with := *a
			planner := *a.Planner
			with.Planner = &planner
			if c.change != nil {
				c.change(&planner)
			}
			plan, err := with.plan(t, c.arguments...)
			if err != nil {
				t.Fatal(err)
			}
			if got := tell(plan); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
			requested := plan.Requested()
			if len(requested) != len(plan.Parts) {
				t.Fatalf("%d of %d parts are requested", len(requested), len(plan.Parts))
			}
			for i, part := range requested {
				if part.Source != plan.Parts[i].Source || part.Target != plan.Parts[i].Target || part.Ask != plan.Parts[i].Ask {
					t.Errorf("part %d is requested as %+v", i, part)
				}
			}
		})
	}
}

// Of a gap that is only partly asked for, that part is told.
func TestGapsOfAPlanEndWithIt(t *testing.T) {
	t.Parallel()
	a := newArchive()
	for number := range int32(2) {
		a.settle(t, "orders", number, 0, 20)
		a.ledger.Poke(bifrost.Row{Partition: bifrost.Partition{Name: "orders", Number: number}, Range: bifrost.Range{Start: 10, End: 20}, State: bifrost.StateLost})
	}
	for _, c := range []struct{ from, to, start, end int64 }{
		{0, 0, 10, 20}, {10, 20, 10, 20}, {12, 0, 12, 20}, {0, 17, 10, 17}, {13, 14, 13, 14}, {20, 0, 0, 0}, {0, 10, 0, 0},
	} {
		a.From, a.To = c.from, c.to
		plan, err := a.plan(t, "orders")
		if err != nil || len(plan.Parts) != 2 {
			t.Fatal(plan, err)
		}
		for _, part := range plan.Parts {
			var told bifrost.Range
			for _, row := range part.Lost {
				told = row.Range
			}
			if told != (bifrost.Range{Start: c.start, End: c.end}) {
				t.Errorf("from %d to %d: %s is told of %s", c.from, c.to, told, part.Source)
			}
		}
	}
}

// What cannot be planned is an error that says of what, and plans nothing.
func TestPlansThatFail(t *testing.T) {
	t.Parallel()
	broken := errors.New("the tables are away")
	for name, c := range map[string]struct {
		change   func(*archive)
		argument string
		says     string
	}{
		"a topic that is not there":   {nil, "ordres", "orders"},
		"a glob that matches nothing": {nil, "x*", "nothing in the archive matches x*"},
		"a glob into one topic":       {nil, "o*:copy", "cannot be replayed into one topic"},
		"a glob that is none":         {nil, "o[", "o["},
		"partitions that are not there": {func(a *archive) {
			a.SelectPartitions = func([]bifrost.Progress) ([]bifrost.Progress, error) { return nil, broken }
		}, "orders", broken.Error()},
		"a row that is gone": {func(a *archive) {
			a.ledger.PokeProgress(bifrost.Progress{Partition: bifrost.Partition{Name: "orders", Number: 2}})
		}, "orders", "nothing is replayed: the progress row of orders/1 is gone"},
		"a catalogue that fails": {func(a *archive) { a.Reader = &readback.Reader{Catalogue: failing{a.ledger, broken}} }, "orders", broken.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newArchive()
			a.settle(t, "orders", 0, 0)
			if c.change != nil {
				c.change(a)
			}
			if plan, err := a.plan(t, c.argument); err == nil || plan != nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v, %v; want an error that says %q", plan, err, c.says)
			}
		})
	}
}

// failing is a catalogue whose rows cannot be read.
type failing struct {
	readback.Catalogue
	err error
}

func (f failing) Rows(context.Context, bifrost.Partition, int64, int) ([]bifrost.Row, error) {
	return nil, f.err
}

// All records that go into a topic are looked at, of whichever source, and an object that
// is gone is found before anything is written.
func TestEverySourceOfATopicIsMeasured(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	for _, gone := range []string{"", "first", "second"} {
		t.Run("without "+gone, func(t *testing.T) {
			t.Parallel()
			a := newArchive()
			a.settle(t, "first", 0, 0)
			a.settle(t, "second", 0, 0, 10)
			if gone != "" {
				a.store.Delete(bifrost.ObjectKey("g", bifrost.Partition{Name: gone}, 0, 0))
			}
			plan, err := a.plan(t, "first:copy", "second:copy")
			if err != nil {
				t.Fatal(err)
			}
			look, err := target.LookInto(t.Context(), []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...)}, target.Request{Needs: plan.Needs, Create: true, Now: time.UnixMilli(1)})
			if err != nil {
				t.Fatal(err)
			}
			if err := look.Measure(t.Context()); err != nil {
				t.Fatal(err)
			}
			missing := look.Topics[0].Unreadable
			if (missing != "") != (gone != "") || !strings.Contains(missing, gone) || len(look.Topics) != 1 {
				t.Errorf("%d topics, cannot be read: %q, and an object of %q is gone", len(look.Topics), missing, gone)
			}
		})
	}
}

// The topic that is archived is not written into, by whatever of its partitions, and never if it
// is the same life of it; one of the same name elsewhere, or of another name, is.
func TestIntoItself(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.settle(t, "orders", 0, 0)
	a.settle(t, "other", 0, 0)
	for _, c := range []struct {
		argument, clusterID, topic string
		want                       bool
	}{
		{"orders", "c", "orders", true}, {"orders", "d", "orders", false}, {"orders:copy", "c", "copy", false},
		{"other:orders", "c", "orders", false}, {"orders", "c", "other", false},
	} {
		plan, err := a.plan(t, c.argument)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []bifrost.TopicID{plan.Parts[0].Row.TopicID, {99}, {}} {
			why, never := plan.IntoItself(c.clusterID, c.topic, id)
			if same := id == plan.Parts[0].Row.TopicID; (why != "") != c.want || never != (c.want && same) {
				t.Errorf("%s into %s of %s with ID %s: %q, never %t", c.argument, c.topic, c.clusterID, id, why, never)
			}
		}
	}
}
