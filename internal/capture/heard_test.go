package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

// What brokers tell twice counts once, and what none of them tells is named as missing, each
// of its part and with its reason.
func TestWhatBrokersTellTwiceOrNotAtAll(t *testing.T) {
	t.Parallel()
	odd := errors.New("odd")
	for name, c := range map[string]struct {
		change func(*fakeCluster)
		want   []NotCaptured // beside what is missing always
	}{
		"a group on two brokers": {func(f *fakeCluster) { f.groups = append(f.groups, f.groups[0]) }, nil},
		"a broker that lists no groups": {func(f *fakeCluster) {
			f.missing = []Missing{{Name: "broker 3", Err: odd}, {Err: fmt.Errorf("%w: x", ErrDenied), Needs: "more"}}
		}, []NotCaptured{{Part: PartGroups, Reason: "not permitted: x", Needs: "more"}, {Part: PartGroups, Reason: "odd", Names: []string{"broker 3"}}}},
		"a group for which nobody answers":     {func(f *fakeCluster) { f.silent = map[string]bool{"c": true} }, []NotCaptured{{Part: PartGroups, Reason: errNoAnswer.Error(), Names: []string{"c"}}}},
		"a partition for which nobody answers": {func(f *fakeCluster) { f.silent = map[string]bool{"payments/4": true, "orders/0": true} }, []NotCaptured{{Part: PartOffsets, Reason: errNoAnswer.Error(), Names: []string{"orders/0", "payments/4"}}}},
		"positions that are not told": {func(f *fakeCluster) {
			f.positions = []Missing{{Name: "orders/9", Err: odd}, {Name: "orders/10", Err: odd}}
		},
			[]NotCaptured{{Part: PartGroups, Reason: "a position of group a: odd", Names: []string{"orders/10", "orders/9"}}, {Part: PartGroups, Reason: "a position of group c: odd", Names: []string{"orders/10", "orders/9"}}}},
		"topics that are named and not told": {func(f *fakeCluster) { f.overview.Failed = map[string]error{"z": odd, "b": odd} }, []NotCaptured{{Part: PartTopics, Reason: "odd", Names: []string{"b", "z"}}}},
		"a topic deleted meanwhile":          {func(f *fakeCluster) { f.gone = map[string]bool{"orders": true} }, []NotCaptured{{Part: PartOffsets, Reason: errMadeAnew.Error(), Names: []string{"orders"}}}},
		"whether topics are hidden":          {func(f *fakeCluster) { f.fails["HiddenTopics"] = odd }, []NotCaptured{{Part: PartTopics, Reason: "whether topics are hidden: odd"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t)
			c.change(s.cluster)
			made, err := s.capturer().CaptureNow(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if made.Counts != (Counts{Groups: 4, Topics: 3, Partitions: 9}) {
				t.Errorf("counts %+v", made.Counts)
			}
			snapshot := s.open(made.Key)
			if len(snapshot.Positions.Groups) != 4 {
				t.Errorf("groups %+v", snapshot.Positions.Groups)
			}
			missing := slices.DeleteFunc(snapshot.Missing(), func(n NotCaptured) bool {
				return strings.HasPrefix(n.Reason, "share groups: ") || strings.HasPrefix(n.Reason, "streams groups: ")
			})
			if !slices.EqualFunc(missing, c.want, func(a, b NotCaptured) bool { return reflect.DeepEqual(a, b) }) {
				t.Errorf("missing %+v, want %+v", missing, c.want)
			}
			if n := len(snapshot.Missing()); n != len(made.NotCaptured) {
				t.Errorf("%d things are told as missing, and %d are", len(made.NotCaptured), n)
			}
		})
	}
}

// Topics that ACLs name, each by its whole name, may be hidden; those that the list of topics
// has, or has something to say of, are not.
func TestWhichTopicsMayBeHidden(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.cluster.acls = append(s.cluster.acls,
		ACL{ResourceType: "TOPIC", Pattern: "LITERAL", ResourceName: "*"}, ACL{ResourceType: "TOPIC", Pattern: "PREFIXED", ResourceName: "pre"},
		ACL{ResourceType: "GROUP", Pattern: "LITERAL", ResourceName: "group"}, ACL{ResourceType: "TOPIC", Pattern: "LITERAL", ResourceName: "secret"},
	)
	s.cluster.overview.Failed = map[string]error{"failed": errors.New("odd")}
	s.cluster.listed = map[string]bool{"orders": false, "failed": false, "secret": true, "_clusters": false, "a": true}
	s.taken()
	slices.Sort(s.cluster.suspects)
	if !slices.Equal(s.cluster.suspects, []string{"orders", "orders", "secret"}) {
		t.Errorf("suspects %q", s.cluster.suspects)
	}
	if want := (map[string]bool{"orders": true, "failed": true, "secret": false, "_clusters": true, "a": false}); !reflect.DeepEqual(s.cluster.listed, want) {
		t.Errorf("listed are %v, want %v", s.cluster.listed, want)
	}
}

// Offsets are asked for by topic ID, as many partitions at once as there may be, or one topic
// that has more.
func TestOffsetsAreAskedForInPages(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.cluster.overview.Topics = append(s.cluster.overview.Topics, topic("a1", 11, 1), topic("a2", 12, 1))
	s.taken()
	var pages []string
	for _, page := range s.cluster.asked {
		line := ""
		for _, t := range page {
			line += fmt.Sprintf("%s:%d:%d ", t.Name, t.ID[0], len(t.Partitions))
		}
		pages = append(pages, line)
	}
	if want := []string{"_clusters:2:1 a1:11:1 a2:12:1 ", "orders:1:3 ", "payments:3:5 "}; !slices.Equal(pages, want) {
		t.Errorf("asked for %q, want %q", pages, want)
	}
}

// counting is a bucket that counts what is written and may fail.
type counting struct {
	*bifrosttest.Store
	created []string
	fails   string // part of "method key"
}

var errAway = errors.New("the bucket is away")

func (c *counting) failure(call string) error {
	if c.fails != "" && strings.HasPrefix(call, strings.Fields(c.fails)[0]) && strings.Contains(call, strings.Fields(c.fails)[1]) {
		return errAway
	}
	return nil
}

func (c *counting) CreateOnce(ctx context.Context, key string, content []byte) ([]byte, error) {
	if err := c.failure("create " + key); err != nil {
		return nil, err
	}
	c.created = append(c.created, key)
	return c.Store.CreateOnce(ctx, key, content)
}

func (c *counting) Open(ctx context.Context, key string) (bifrost.Object, error) {
	if err := c.failure("open " + key); err != nil {
		return nil, err
	}
	return c.Store.Open(ctx, key)
}

// A process writes a configuration that it knows to be there no second time; one that could
// not be written is not taken to be there, and no positions ever name it.
func TestConfigurationComesFirstAndOnce(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	bucket := &counting{Store: s.bucket}
	c := s.capturer()
	c.Bucket = bucket
	step := func(fails, outcome string, created int) {
		t.Helper()
		bucket.created, bucket.fails = nil, fails
		if r := s.due(c); r.Outcome != outcome || len(bucket.created) != created || fails != "" && !strings.Contains(r.Error, errAway.Error()) {
			t.Errorf("%+v, written %q, want %s and %d objects", r, bucket.created, outcome, created)
		}
		s.now = s.now.Add(15 * time.Minute)
	}
	step("open positions-", bifrost.CaptureFailed, 0)
	step("create configuration-", bifrost.CaptureFailed, 0)
	step("create positions-", bifrost.CaptureFailed, 1)
	step("", bifrost.CaptureWritten, 1)
	step("", bifrost.CaptureWritten, 1)
	s.now = s.now.Add(24 * time.Hour)
	step("", bifrost.CaptureWritten, 2)
}

// Of a tick that ends soon a capture takes no more than is left, and says by which cause it
// was cut off.
func TestCaptureEndsWithItsTick(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	began := time.Now()
	if r := s.capturer().CaptureDue(t.Context(), s.now.Add(leastTime)); r.Outcome != bifrost.CaptureWritten {
		t.Fatalf("%+v", r)
	}
	if most := began.Add(leastTime + time.Minute); s.cluster.deadline.Before(began) || s.cluster.deadline.After(most) {
		t.Errorf("it had until %s, and the tick began at %s", s.cluster.deadline, began)
	}
	s.now = s.now.Add(time.Hour)
	ctx, stop := context.WithCancelCause(t.Context())
	s.cluster.before = func(call string) {
		s.now = s.now.Add(time.Second)
		if call == "Groups" {
			stop(errors.New("the tick ends"))
			s.cluster.fails["Groups"] = ctx.Err()
		}
	}
	if r := s.capturer().CaptureDue(ctx, time.Time{}); r.Outcome != bifrost.CaptureFailed || !strings.Contains(r.Error, "the tick ends") || r.Milliseconds < 1000 {
		t.Errorf("%+v", r)
	}
}

// logged keeps what is logged.
type logged struct {
	slog.Handler
	lines []string
}

func (l *logged) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.lines = append(l.lines, line)
	return nil
}

// What is missing is logged once in the life of a process, by whatever capture.
func TestWhatIsMissingIsLoggedOnce(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	log := &logged{Handler: slog.NewTextHandler(t.Output(), nil)}
	c := s.capturer()
	c.Log = slog.New(log)
	for range 3 {
		s.due(c)
		s.now = s.now.Add(15 * time.Minute)
	}
	if len(log.lines) != 2 || !strings.Contains(log.lines[0], "part=groups") || !strings.Contains(log.lines[0], "count=1") {
		t.Fatalf("logged %q", log.lines)
	}
	s.cluster.fails["Quotas"] = fmt.Errorf("%w: x", ErrDenied)
	s.due(c)
	if len(log.lines) != 3 || !strings.Contains(log.lines[2], "needs=DescribeConfigs on the cluster") {
		t.Errorf("logged %q", log.lines)
	}
}

// A broker may tell neither its version nor its settings, for two reasons with two rights that
// would mend them, or for one: each reason is told once.
func TestABrokerThatTellsNothing(t *testing.T) {
	t.Parallel()
	version, settings := errors.New("the connection was closed"), fmt.Errorf("%w: DESCRIBE_CONFIGS", ErrDenied)
	for name, c := range map[string]struct {
		answer BrokerAnswer
		want   []NotCaptured
	}{
		"two reasons": {BrokerAnswer{VersionErr: version, SettingsErr: settings}, []NotCaptured{
			{Part: PartBrokers, Reason: settings.Error(), Needs: needs[PartBrokers], Names: []string{"7"}},
			{Part: PartBrokers, Reason: version.Error(), Names: []string{"7"}},
		}},
		"one reason": {BrokerAnswer{VersionErr: version, SettingsErr: version}, []NotCaptured{
			{Part: PartBrokers, Reason: version.Error(), Names: []string{"7"}},
		}},
	} {
		r := newReading(saying{newFake(), c.answer})
		if err := r.writeBrokers(t.Context(), []Broker{{ID: 7}}); err != nil {
			t.Fatal(err)
		}
		got, err := r.writeMissing()
		slices.SortFunc(c.want, func(a, b NotCaptured) int { return strings.Compare(a.Reason, b.Reason) })
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

// saying is a cluster whose brokers all say the same of themselves.
type saying struct {
	*fakeCluster
	answer BrokerAnswer
}

func (s saying) DescribeBrokers(_ context.Context, ids []int32) map[int32]BrokerAnswer {
	answers := map[int32]BrokerAnswer{}
	for _, id := range ids {
		answers[id] = s.answer
	}
	return answers
}

// The topics of one page are all asked for again, and a capture ends when its reading did.
func TestSmallTopicsOfOnePage(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.cluster.overview.Topics = nil
	for n := range byte(7) {
		s.cluster.overview.Topics = append(s.cluster.overview.Topics, topic(string('a'+rune(n)), n+1, 1))
	}
	s.cluster.before = func(string) { s.now = s.now.Add(time.Second) }
	made := s.taken()
	for _, o := range made.Positions.Offsets {
		if o.Partitions[0] == nil {
			t.Errorf("the ends of topic %s are missing", o.Topic)
		}
	}
	if len(made.Positions.Offsets) != 7 || len(made.Missing()) != 2 { // groups that are never captured
		t.Errorf("%d topics; missing %+v", len(made.Positions.Offsets), made.Missing())
	}
	if !made.Positions.EndedAt.Equal(s.now) || !made.Positions.At.Before(s.now) {
		t.Errorf("it began at %s and ended at %s, want the end at %s", made.Positions.At, made.Positions.EndedAt, s.now)
	}
}
