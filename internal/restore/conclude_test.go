package restore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/replay"
	"github.com/bifrost-archive/bifrost/internal/target"
)

// What a capture lacks is told if it was asked for, of all of a part or of each name, and not
// where another line tells of it already.
func TestWhatACaptureLacksIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		scope Scope
		lacks capture.NotCaptured
		want  string
	}{
		"all topics":                   {Scope{}, capture.NotCaptured{Part: capture.PartTopics}, "topics"},
		"topics":                       {Scope{}, capture.NotCaptured{Part: capture.PartTopics, Names: []string{"a", "b"}}, "topics a, topics b"},
		"topics that are left out":     {Scope{Topics: bifrost.TopicFilter{Exclude: []string{"a"}}}, capture.NotCaptured{Part: capture.PartTopics, Names: []string{"a", "b"}}, "topics b"},
		"settings":                     {Scope{}, capture.NotCaptured{Part: capture.PartTopicSettings, Names: []string{"a"}}, "topic_settings a"},
		"settings of what is left out": {Scope{Topics: bifrost.TopicFilter{Exclude: []string{"a"}}}, capture.NotCaptured{Part: capture.PartTopicSettings, Names: []string{"a"}}, ""},
		"offsets":                      {Scope{}, capture.NotCaptured{Part: capture.PartOffsets, Names: []string{"a/3", "b"}}, "offsets a/3, offsets b"},
		"offsets of what is left out":  {Scope{Topics: bifrost.TopicFilter{Exclude: []string{"a"}}}, capture.NotCaptured{Part: capture.PartOffsets, Names: []string{"a/3"}}, ""},
		"all groups":                   {Scope{Groups: true}, capture.NotCaptured{Part: capture.PartGroups}, "groups"},
		"a group that is told of":      {Scope{Groups: true}, capture.NotCaptured{Part: capture.PartGroups, Names: []string{"known"}}, ""},
		"a group that is not listed":   {Scope{Groups: true}, capture.NotCaptured{Part: capture.PartGroups, Names: []string{"known", "other"}}, "groups other"},
		"groups, not asked for":        {Scope{}, capture.NotCaptured{Part: capture.PartGroups}, ""},
		"transactions":                 {Scope{Groups: true}, capture.NotCaptured{Part: capture.PartTransactions, Names: []string{"known"}}, "transactions known"},
		"transactions, without groups": {Scope{ACLs: true}, capture.NotCaptured{Part: capture.PartTransactions}, ""},
		"ACLs":                         {Scope{ACLs: true}, capture.NotCaptured{Part: capture.PartACLs}, "acls"},
		"ACLs, not asked for":          {Scope{Groups: true}, capture.NotCaptured{Part: capture.PartACLs}, ""},
		"quotas, which no restore has": {Scope{Groups: true, ACLs: true}, capture.NotCaptured{Part: capture.PartQuotas}, ""},
		"brokers":                      {Scope{Groups: true, ACLs: true}, capture.NotCaptured{Part: capture.PartBrokers, Names: []string{"1"}}, ""},
	} {
		r := &Restorer{Scope: c.scope}
		c.lacks.Reason = "odd"
		r.Snapshot.Positions.NotCaptured = []capture.NotCaptured{c.lacks}
		r.Snapshot.Positions.Groups = []capture.Group{{Name: "known"}}
		var report Report
		r.conclude(&report)
		var told []string
		for _, d := range report.Differences {
			told = append(told, d.Name)
			if d.Kind != "capture" || d.Reason != "not captured: odd" {
				t.Errorf("%s: %+v", name, d)
			}
		}
		if got := strings.Join(told, ", "); got != c.want {
			t.Errorf("%s: told of %q, want %q", name, got, c.want)
		}
		if report.Stands() != (c.want == "") {
			t.Errorf("%s: stands %v", name, report.Stands())
		}
	}
}

// What no restore puts back is told with how much of it there is, and nothing else is.
func TestWhatIsNotRestored(t *testing.T) {
	t.Parallel()
	always := "positions outside of groups"
	in := func(topics ...string) (groups []capture.Group) {
		for _, topic := range topics {
			groups = append(groups, capture.Group{Offsets: map[string][]capture.Committed{topic: {{}}}})
		}
		return groups
	}
	for name, c := range map[string]struct {
		change func(*Restorer)
		want   []string
	}{
		"nothing":                  {func(*Restorer) {}, nil},
		"users":                    {func(r *Restorer) { r.Snapshot.Configuration.Users = make([]capture.ScramUser, 2) }, []string{"2 SCRAM credentials"}},
		"quotas":                   {func(r *Restorer) { r.Snapshot.Configuration.Quotas = make([]capture.Quota, 3) }, []string{"3 quotas"}},
		"brokers without settings": {func(r *Restorer) { r.Snapshot.Configuration.Brokers = make([]capture.Broker, 3) }, nil},
		"brokers with settings": {func(r *Restorer) {
			r.Snapshot.Configuration.Brokers = []capture.Broker{{}, {Settings: map[string]string{"a": "b"}}}
		}, []string{"settings of brokers"}},
		"ACLs":                      {func(r *Restorer) { r.Snapshot.Configuration.ACLs = make([]capture.ACL, 4) }, []string{"4 ACLs, which --acls restores"}},
		"ACLs that are asked for":   {func(r *Restorer) { r.Snapshot.Configuration.ACLs, r.ACLs = make([]capture.ACL, 4), true }, nil},
		"groups":                    {func(r *Restorer) { r.Snapshot.Positions.Groups = in("a", "a", "b") }, []string{"the positions of 3 groups, which --groups restores"}},
		"groups that are asked for": {func(r *Restorer) { r.Snapshot.Positions.Groups, r.Groups = in("a", "b"), true }, nil},
		"groups without positions":  {func(r *Restorer) { r.Snapshot.Positions.Groups = make([]capture.Group, 5) }, nil},
		"groups in other topics": {func(r *Restorer) {
			r.Snapshot.Positions.Groups, r.Topics = in("a", "b", "b"), bifrost.TopicFilter{Include: []string{"a"}}
		}, []string{"the positions of 1 groups, which --groups restores"}},
		"groups in other topics alone": {func(r *Restorer) {
			r.Snapshot.Positions.Groups, r.Topics = in("a", "b"), bifrost.TopicFilter{Include: []string{"c"}}
		}, nil},
	} {
		var r Restorer
		c.change(&r)
		got := r.notRestored(false)
		finished := slices.DeleteFunc(slices.Clone(got), func(text string) bool { return strings.Contains(text, "which --") })
		if told := r.notRestored(true); !slices.Equal(told, finished) {
			t.Errorf("%s: to finish is told %q, want %q", name, told, finished)
		}
		if want := append(c.want, always); !slices.EqualFunc(got, want, strings.HasPrefix) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A drill stands only if something was restored, nothing stood against it, and nothing is
// wrong.
func TestWhenADrillStands(t *testing.T) {
	t.Parallel()
	for want, drills := range map[bool][]DrillReport{
		true:  {{Restore: &Report{}}},
		false: {{}, {Restore: &Report{}, Refusals: []string{"x"}}, {Restore: &Report{}, Wrong: []string{"x"}}, {Refusals: []string{"x"}}},
	} {
		for _, d := range drills {
			if d.Stands() != want {
				t.Errorf("%+v stands: %v", d, !want)
			}
		}
	}
}

// The report of a gap says whether it is the tail of a quiet partition, and counts it.
func TestQuietTailsAreCounted(t *testing.T) {
	t.Parallel()
	var report Report
	report.add(TopicReport{Topic: "t", Records: 2, Bytes: 3, Ranges: []PartitionReport{
		{Partition: 0, Missing: []GapReport{{Start: 5, End: 9, Reason: "tail", Quiet: true}}},
		{Partition: 1, Missing: []GapReport{{Start: 0, End: 1, Reason: "gap"}, {Start: 7, End: 9, Reason: "tail", Quiet: true}}},
	}})
	report.add(TopicReport{Topic: "u", Records: 20, Bytes: 30})
	if got, want := fmt.Sprint(report.QuietTails, report.MissingOffsets, report.Records, report.Bytes, len(report.Topics), len(report.Differences)), "2 7 22 33 2 3"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := report.Differences[1].Reason, "offsets [0, 1) cannot be restored: gap"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Each thing that does not stand is told, whatever else of its kind does or does not, and a
// plan does not call an ACL different that it is going to make.
func TestEachThingThatDoesNotStandIsTold(t *testing.T) {
	t.Parallel()
	for _, plan := range []bool{false, true} {
		report := Report{
			Plan: plan,
			Groups: []GroupReport{
				{Group: "a", Reason: "live"},
				{Group: "b", Stands: true},
				{Group: "c", Reason: "refused"},
				{Group: "d", Positions: []PositionReport{
					{Topic: "t", Partition: 0, Source: 7, Reason: "gone"},
					{Topic: "t", Partition: 1, Source: 8, Stands: true},
					{Topic: "u", Partition: 2, Source: 9, Reason: "gap"},
				}},
			},
			ACLs: []ACLReport{{"w", false, lacksACL}, {"x", false, "odd"}, {"y", true, ""}, {"z", false, "old"}},
		}
		r := &Restorer{Scope: Scope{Groups: true, ACLs: true}}
		r.Snapshot.Positions.NotCaptured = []capture.NotCaptured{
			{Part: capture.PartQuotas, Reason: "never"},
			{Part: capture.PartGroups, Reason: "busy"},
			{Part: capture.PartACLs, Names: []string{"m", "n"}, Reason: "hidden"},
		}
		r.conclude(&report)
		var told []string
		for _, d := range report.Differences {
			told = append(told, d.Kind+" "+d.Name+": "+d.Reason)
		}
		want := []string{"group a: live", "group c: refused", "group d: t/0, offset 7: gone", "group d: u/2, offset 9: gap",
			"acl w: " + lacksACL, "acl x: odd", "acl z: old",
			"capture groups: not captured: busy", "capture acls m: not captured: hidden", "capture acls n: not captured: hidden"}
		if plan {
			want = slices.Delete(want, 4, 5)
		}
		if !slices.Equal(told, want) {
			t.Errorf("plan %v: told of\n%s\nwant\n%s", plan, strings.Join(told, "\n"), strings.Join(want, "\n"))
		}
	}
}

// A cluster without an authorizer had no ACLs, so that none differ. ACLs that could not be asked for, and
// other parts that the cluster lacks, are still told.
func TestAClusterWithoutAnAuthorizerHadNoACLs(t *testing.T) {
	t.Parallel()
	none := fmt.Sprintf("%v: %v", capture.ErrNone, kerr.SecurityDisabled)
	for _, c := range []struct {
		part   capture.Part
		reason string
		stands bool
	}{
		{capture.PartACLs, none, true},
		{capture.PartACLs, fmt.Sprintf("%v: %v", capture.ErrNone, kerr.UnsupportedVersion), false},
		{capture.PartACLs, fmt.Sprintf("%v: %v", capture.ErrDenied, kerr.SecurityDisabled), false},
		{capture.PartGroups, none, false},
	} {
		r := &Restorer{Scope: Scope{Groups: true, ACLs: true}}
		r.Snapshot.Configuration.NotCaptured = []capture.NotCaptured{{Part: c.part, Reason: c.reason}}
		var report Report
		if r.conclude(&report); report.Stands() != c.stands {
			t.Errorf("%s: %s: %+v, want that it stands: %v", c.part, c.reason, report.Differences, c.stands)
		}
	}
}

// A plan says of settings that the capture does not have that they are not known, and tells no
// difference of each.
func TestSettingsThatWereNotCaptured(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lacks capture.NotCaptured
		known bool
	}{
		"of all topics":       {capture.NotCaptured{Part: capture.PartTopicSettings}, false},
		"of this topic":       {capture.NotCaptured{Part: capture.PartTopicSettings, Names: []string{"other", "t"}}, false},
		"of another topic":    {capture.NotCaptured{Part: capture.PartTopicSettings, Names: []string{"other"}}, true},
		"offsets of all":      {capture.NotCaptured{Part: capture.PartOffsets}, true},
		"offsets of this one": {capture.NotCaptured{Part: capture.PartOffsets, Names: []string{"t"}}, true},
	} {
		var r Restorer
		r.Snapshot.Configuration.NotCaptured = []capture.NotCaptured{c.lacks}
		if known := r.settingsKnown("t"); known != c.known {
			t.Errorf("%s: known %v", name, known)
		}
		var report Report
		tellDifferent(&report, Topic{Topic: capture.Topic{Name: "t"}}, actual{}, []Setting{{Name: "a", Reason: "odd"}}, c.known)
		if told := len(report.Differences) > 0; told != c.known {
			t.Errorf("%s: told %+v", name, report.Differences)
		}
	}
}

// Why a group has no offsets is what the capture says of it, or of all groups.
func TestWhyAGroupHasNoOffsets(t *testing.T) {
	t.Parallel()
	var r Restorer
	r.Snapshot.Positions.NotCaptured = []capture.NotCaptured{
		{Part: capture.PartOffsets, Reason: "offsets", Names: []string{"g"}}, {Part: capture.PartTopics, Reason: "topics"},
		{Part: capture.PartGroups, Reason: "another", Names: []string{"h"}}, {Part: capture.PartGroups, Reason: "this one", Names: []string{"x", "g"}}, {Part: capture.PartGroups, Reason: "all"},
	}
	for group, want := range map[string]string{"g": "this one", "h": "another", "i": "all"} {
		if got := r.whyNoOffsets(group); got != want {
			t.Errorf("%s: %q, want %q", group, got, want)
		}
	}
	r.Snapshot.Positions.NotCaptured = r.Snapshot.Positions.NotCaptured[:4]
	if got := r.whyNoOffsets("i"); got != "the capture does not say why" {
		t.Errorf("%q", got)
	}
}

// Where a group stands is right only if it stands there with the metadata that it had; a
// reason that is known before stays.
func TestWherePositionsStand(t *testing.T) {
	t.Parallel()
	at := func(offset int64, metadata string) kadm.OffsetResponses {
		return kadm.OffsetResponses{"t": {3: {Offset: kadm.Offset{Topic: "t", Partition: 3, At: offset, Metadata: metadata}}}}
	}
	for name, c := range map[string]struct {
		there  kadm.OffsetResponses
		reason string
		nobody bool
		want   string
	}{
		"right":                     {at(7, "m"), "", false, ""},
		"nowhere":                   {kadm.OffsetResponses{}, "", false, "the target has no position of it"},
		"elsewhere":                 {at(8, "m"), "", false, "the target had a position of its own, 8, which was left: delete the group there, and run the restore again"},
		"with other metadata":       {at(7, ""), "", false, "the target has other metadata"},
		"with a reason before":      {at(8, "m"), "ahead", false, "ahead"},
		"in no partition":           {kadm.OffsetResponses{}, "deleted", true, "deleted"},
		"right in number, and lost": {at(7, "m"), "lost", false, "lost"},
	} {
		s := &standing{report: &PositionReport{Topic: "t", Partition: 3, Target: 7, Reason: c.reason}, partition: &Partition{}, metadata: "m"}
		if c.nobody {
			s.partition = nil
		}
		s.judge(c.there)
		if s.report.Reason != c.want || s.report.Stands != (c.want == "") || (s.report.Committed == nil) != (len(c.there) == 0) {
			t.Errorf("%s: %+v, want %q", name, s.report, c.want)
		}
	}
}

// Before records are there, a group is told to miss what it stands in, from the first offset
// of a gap to the last.
func TestWhatAGroupWouldMiss(t *testing.T) {
	t.Parallel()
	p := &Partition{Missing: []Gap{{Range: bifrost.Range{Start: 100, End: 150}, Reason: "retention"}}}
	for offset, want := range map[int64]string{
		99: "", 100: "what it would read next is not in the archive: offsets [100, 150), retention", 149: "what it would read next is not in the archive: offsets [149, 150), retention", 150: "",
	} {
		s := &standing{report: &PositionReport{Source: offset}, partition: p}
		if s.tellLostAt(); s.report.Reason != want {
			t.Errorf("offset %d: %q, want %q", offset, s.report.Reason, want)
		}
	}
	for next, want := range map[int64]string{-1: "what it would read next is not in the archive: offsets [120, 150), retention", 150: "what it would read next is not in the archive: offsets [120, 150), retention", 120: "", 130: "what it would read next is not in the archive: offsets [120, 130), retention"} {
		p.Held.End = 200
		s := &standing{report: &PositionReport{Source: 120, Next: next}, partition: p}
		if tellLost(s); s.report.Reason != want {
			t.Errorf("next %d: %q, want %q", next, s.report.Reason, want)
		}
	}
	known := &standing{report: &PositionReport{Source: 120, Next: -1, Reason: "ahead"}, partition: p}
	if tellLost(known); known.report.Reason != "ahead" {
		t.Errorf("%q in place of what was known", known.report.Reason)
	}
}

// The topic that was captured is refused by its cluster and its ID: one of the same name in
// another cluster, or made anew, is not it.
func TestWhichTopicWasCaptured(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cluster string
		id      bifrost.TopicID
		exists  bool
		todo    bool
		want    bool
	}{
		"it":                           {"c", lifeA, true, false, true},
		"in another cluster":           {"d", lifeA, true, true, false},
		"made anew":                    {"c", lifeB, true, true, false},
		"deleted":                      {"c", lifeA, false, true, false},
		"before IDs, to be written":    {"c", bifrost.TopicID{}, true, true, true},
		"before IDs, nothing to write": {"c", bifrost.TopicID{}, true, false, false},
	} {
		var r Restorer
		r.Snapshot.Positions.ClusterID = "c"
		id := lifeA
		if c.id.IsZero() {
			id = bifrost.TopicID{}
		}
		plan := &Plan{
			Topics: []Topic{{Topic: capture.Topic{Name: "t", ID: id}}}, todo: map[string]bool{"t": c.todo},
			look: &target.Look{ClusterID: c.cluster, Topics: []target.Topic{{Need: target.Need{Topic: "t"}, Exists: c.exists, ID: c.id, Notes: []string{"a note"}}}},
		}
		r.judge(plan)
		plan.refuseCaptured()
		if refused := len(plan.Refusals) > 0; refused != c.want {
			t.Errorf("%s: refused %q", name, plan.Refusals)
		}
		if len(plan.Made) == 1 != !c.exists || !slices.Equal(plan.Warnings, []string{"topic t: a note"}) {
			t.Errorf("%s: made %v, warnings %q", name, plan.Made, plan.Warnings)
		}
	}
}

// What would lose records stands against a restore as long as some are to be written.
func TestProblemsMatterWhileRecordsAreLeft(t *testing.T) {
	t.Parallel()
	for _, todo := range []bool{true, false} {
		plan := &Plan{
			Topics: []Topic{{Topic: capture.Topic{Name: "t"}}}, todo: map[string]bool{"t": todo}, parts: map[partKey]*replay.PartOutlook{},
			look: &target.Look{ClusterID: "d", Topics: []target.Topic{{Need: target.Need{Topic: "t"}, Exists: true, ID: lifeA, Problems: []string{"it deletes"}}}},
		}
		new(Restorer).judge(plan)
		if refused := slices.Equal(plan.Refusals, []string{"topic t: it deletes"}); refused != todo {
			t.Errorf("with records left %v: refused %q", todo, plan.Refusals)
		}
	}
}
