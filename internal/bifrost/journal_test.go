package bifrost_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/health"
)

// noted is a stack whose ticks leave records, and count what they write.
type noted struct {
	*stack
	cluster  bifrost.Cluster
	journal  bifrost.Journal
	filter   bifrost.TopicFilter
	troubles []bifrost.Trouble // as they were written
}

func newNoted(t *testing.T) *noted {
	s := newStack(t)
	return &noted{stack: s, cluster: s.kafka, journal: s.ledger}
}

// NoteTick implements bifrost.Journal.
func (n *noted) NoteTick(ctx context.Context, r bifrost.TickRecord) error {
	return n.journal.NoteTick(ctx, r)
}

// NoteTrouble implements bifrost.Journal.
func (n *noted) NoteTrouble(ctx context.Context, p bifrost.Progress, trouble bifrost.Trouble) error {
	n.troubles = append(n.troubles, trouble)
	return n.journal.NoteTrouble(ctx, p, trouble)
}

func (n *noted) tick(deadline time.Time) (bifrost.TickSummary, error) {
	n.clock.Advance(2 * time.Minute)
	d := n.discoverer()
	d.Cluster, d.Journal, d.Settings.Topics, d.By = n.cluster, n, n.filter, "somebody"
	return d.Tick(context.Background(), deadline)
}

func (n *noted) run(ticks int) {
	n.Helper()
	for range ticks {
		if _, err := n.tick(time.Time{}); err != nil {
			n.Fatalf("tick: %v", err)
		}
		n.work()
	}
}

// sight judges a partition by what is on record.
func (n *noted) sight(name string, number int32) (bifrost.Progress, health.Sight) {
	n.Helper()
	ticks, err := n.ledger.Ticks(context.Background())
	if err != nil {
		n.Fatalf("%v", err)
	}
	p := n.progress(name, number)
	return p, health.Sights{Ticks: ticks, Patience: 45 * time.Minute, Now: n.clock.Now()}.Of(p)
}

// notLooking is a reason for which ticks cannot look at orders/1, and at nothing else.
type notLooking struct {
	name       string
	begin, end func(n *noted)
	word       string
}

var notLookings = []notLooking{
	{"no leader", func(n *noted) { n.kafka.Topic("orders").Logs[1].Lead(false) }, func(n *noted) { n.kafka.Topic("orders").Logs[1].Lead(true) }, "LEADER_NOT_AVAILABLE"},
	{"hidden by an ACL", func(n *noted) { n.kafka.Hide("orders", true) }, func(n *noted) { n.kafka.Hide("orders", false) }, "TOPIC_AUTHORIZATION_FAILED"},
	{"the topic not listed whole", func(n *noted) { n.cluster = partial{n.kafka} }, func(n *noted) { n.cluster = n.kafka }, "not this partition"},
}

// partial lists one partition of each topic.
type partial struct{ bifrost.Cluster }

func (p partial) Topics(ctx context.Context) (string, []bifrost.Topic, error) {
	id, topics, err := p.Cluster.Topics(ctx)
	for i := range topics {
		topics[i].Partitions = topics[i].Partitions[:1]
	}
	return id, topics, err
}

// What keeps ticks from a partition stands in its row from the first of them on,
// in one write however long it lasts, and is taken away by the first tick that
// looks again. Idle partitions are never written.
func TestWhatKeepsTicksFromAPartition(t *testing.T) {
	t.Parallel()
	for _, c := range notLookings {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := newNoted(t)
			n.produce(n.kafka.CreateTopic("orders", 2).Logs[1], 0)
			n.produce(n.kafka.CreateTopic("payments", 1).Logs[0], 1)
			n.run(30)
			before, sight := n.sight("orders", 1)
			if sight.Unseen != "" || before.Lag() > 0 || len(n.troubles) > 0 || n.clock.Now().Sub(sight.SeenAt) > time.Minute || n.clock.Now().Sub(before.At) < 10*time.Minute {
				t.Fatalf("an idle partition is %+v, %+v; written %v", before, sight, n.troubles)
			}
			since := n.clock.Now().Add(2 * time.Minute)
			c.begin(n)
			n.run(40)
			p, _ := n.sight("orders", 1)
			if !strings.Contains(p.Trouble.Error, c.word) || !p.Trouble.Since.Equal(since) || p.Status != bifrost.StatusOpen {
				t.Errorf("the row is %s and says %+v, want %s since %v", p.Status, p.Trouble, c.word, since)
			}
			if other := n.progress("payments", 0); other.Trouble.Error != "" {
				t.Errorf("another topic says %+v", other.Trouble)
			}
			if writes := len(n.troubles); writes > 2 { // hidden by an ACL is both partitions
				t.Errorf("%d writes about something that does not change", writes)
			}
			c.end(n)
			n.run(2)
			p, sight = n.sight("orders", 1)
			if p.Trouble.Error != "" || sight.Unseen != "" || n.clock.Now().Sub(sight.SeenAt) > time.Minute {
				t.Errorf("seen again, the row says %+v, %+v", p.Trouble, sight)
			}
		})
	}
}

// Words that change with every tick are written now and then; since when it is so
// stays.
func TestTroubleThatChangesItsWords(t *testing.T) {
	t.Parallel()
	n := newNoted(t)
	n.produce(n.kafka.CreateTopic("orders", 1).Logs[0], 0)
	n.run(20)
	refused := &refusing{Cluster: n.kafka}
	n.cluster = refused
	since := n.clock.Now().Add(2 * time.Minute)
	n.run(30) // an hour
	p, _ := n.sight("orders", 0)
	if len(n.troubles) < 3 || len(n.troubles) > 5 || !p.Trouble.Since.Equal(since) {
		t.Errorf("%d writes in an hour, the last %+v, want one in 15 minutes, since %v", len(n.troubles), p.Trouble, since)
	}
}

// refusing answers for every partition with an error that is never the same.
type refusing struct {
	bifrost.Cluster
	port int
}

func (r *refusing) Offsets(ctx context.Context, topics []bifrost.Topic) (map[bifrost.TopicPartition]bifrost.OffsetAnswer, error) {
	answers, err := r.Cluster.Offsets(ctx, topics)
	r.port++
	for tp := range answers {
		answers[tp] = bifrost.OffsetAnswer{Err: errors.New("refused from port " + strings.Repeat("1", r.port))}
	}
	return answers, err
}

// A row that says by its status or suspicion what is wrong says it once.
func TestTroubleIsNotToldTwice(t *testing.T) {
	t.Parallel()
	n := newNoted(t)
	log := n.kafka.CreateTopic("orders", 1).Logs[0]
	n.produce(log, 0)
	n.run(10)
	log.Truncate(5)
	n.run(3)
	if p := n.progress("orders", 0); p.Status != bifrost.StatusDiverged || len(n.troubles) > 0 {
		t.Errorf("the row is %s, and %v was written beside that", p.Status, n.troubles)
	}
}

// A cluster that took the place of another is noticed with the first tick, is said
// in every tick's summary, and its predecessor's rows are not written.
func TestAClusterThatWasReplaced(t *testing.T) {
	t.Parallel()
	n := newNoted(t)
	log := n.kafka.CreateTopic("orders", 1).Logs[0]
	n.produce(log, 0)
	n.run(10)
	log.Produce("never archived")
	if _, err := n.tick(time.Time{}); err != nil {
		t.Fatal(err)
	}
	before := n.progress("orders", 0)
	old := n.stack.kafka
	n.cluster = another{old}
	summary, err := n.tick(time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(summary.Failed, func(f bifrost.TickFailure) bool {
		return strings.Contains(f.Error, "cluster cluster, and the brokers are those of cluster another")
	}) {
		t.Errorf("the summary says %+v", summary.Failed)
	}
	p, sight := n.sight("orders", 0)
	if p != before || !strings.Contains(sight.Unseen, "the brokers are those of cluster another") || !strings.Contains(sight.Unseen, "[12, 13) at least were never archived") {
		t.Errorf("the row is %+v\nand says %q", p, sight.Unseen)
	}
}

// another is a cluster without topics at the same address.
type another struct{ bifrost.Cluster }

func (another) Topics(context.Context) (string, []bifrost.Topic, error) { return "another", nil, nil }

func (another) Find(context.Context, []string) (map[string]bifrost.TopicAnswer, error) {
	return map[string]bifrost.TopicAnswer{}, nil
}

func (another) Offsets(context.Context, []bifrost.Topic) (map[bifrost.TopicPartition]bifrost.OffsetAnswer, error) {
	return map[bifrost.TopicPartition]bifrost.OffsetAnswer{}, nil
}

// A tick that fails as a whole, runs out of time or cannot write down what it met
// is on record, and none of them counts as a look.
func TestTicksThatDoNotLook(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begin    func(n *noted)
		deadline time.Duration // after the tick begins, zero: none
		word     string
	}{
		"no broker":              {begin: func(n *noted) { n.cluster = unreachable{n.kafka} }, word: "the last tick, of somebody, failed: discover: list topics: no broker"},
		"no time":                {deadline: time.Nanosecond, word: "ran out of time with 1 partitions left"},
		"what is not written":    {begin: func(n *noted) { n.kafka.Topic("orders").Logs[0].Lead(false); n.journal = unwritable{n.journal} }},
		"the schedule has ended": {word: "no tick has ended since"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNoted(t)
			n.produce(n.kafka.CreateTopic("orders", 1).Logs[0], 0)
			n.run(10)
			looked := n.clock.Now()
			if c.begin != nil {
				c.begin(n)
			}
			for range 30 { // an hour
				if name == "the schedule has ended" {
					n.clock.Advance(2 * time.Minute)
					continue
				}
				deadline := time.Time{}
				if c.deadline > 0 {
					deadline = n.clock.Now().Add(2 * time.Minute) // when the tick begins
				}
				_, _ = n.tick(deadline)
			}
			_, sight := n.sight("orders", 0)
			if sight.SeenAt.After(looked) || !strings.Contains(sight.Unseen, c.word) || sight.Unseen == "" {
				t.Errorf("seen %v, the last look was at %v; it says %q, want %q", sight.SeenAt, looked, sight.Unseen, c.word)
			}
		})
	}
}

type unreachable struct{ bifrost.Cluster }

func (unreachable) Topics(context.Context) (string, []bifrost.Topic, error) {
	return "", nil, errors.New("no broker")
}

// unwritable cannot write into progress rows.
type unwritable struct{ bifrost.Journal }

func (unwritable) NoteTrouble(context.Context, bifrost.Progress, bifrost.Trouble) error {
	return errors.New("throttled")
}

// A person who interrupts a tick says nothing about the archive.
func TestAnInterruptedTickIsNotOnRecord(t *testing.T) {
	t.Parallel()
	n := newNoted(t)
	n.run(1)
	before, _ := n.ledger.Ticks(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := n.discoverer()
	d.Journal, d.Cluster = n, unreachable{n.kafka}
	if _, err := d.Tick(ctx, time.Time{}); err == nil {
		t.Fatal("the tick has not failed")
	}
	if after, _ := n.ledger.Ticks(t.Context()); len(before) != 1 || len(after) != 1 {
		t.Errorf("records before %+v, after %+v", before, after)
	}
}

// Who asks how the archive is goes by the record: a tick that looked at nothing is no tick
// after which all is well.
func TestATickOverOlderTablesIsOnRecord(t *testing.T) {
	t.Parallel()
	n := newNoted(t)
	n.produce(n.kafka.CreateTopic("orders", 1).Logs[0], 1)
	n.run(2)
	before, err := n.ledger.Ticks(t.Context())
	if err != nil || len(before) != 1 || before[0].Error != "" {
		t.Fatalf("%v: records %+v", err, before)
	}
	n.ledger.LoseMark()
	if summary, err := n.tick(time.Time{}); err != nil || !summary.Older {
		t.Fatalf("%v: summary %+v", err, summary)
	}
	after, err := n.ledger.Ticks(t.Context())
	if err != nil || len(after) != 1 || !strings.Contains(after[0].Error, "run bifrost rebuild") {
		t.Fatalf("%v: records %+v", err, after)
	}
	if !after[0].CompleteAt.Equal(before[0].CompleteAt) {
		t.Errorf("complete at %v, before at %v", after[0].CompleteAt, before[0].CompleteAt)
	}
	sights := health.Sights{Ticks: after, Patience: 45 * time.Minute, Now: n.clock.Now()}
	if problem := sights.Problem(); !strings.Contains(problem, "run bifrost rebuild") {
		t.Errorf("the problem is %q", problem)
	}
}
