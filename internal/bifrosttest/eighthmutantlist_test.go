package bifrosttest

import "maps"

func init() { maps.Copy(kindMutants, eighthMutants) }

// eighthMutants were planted by an eighth, a ninth and a tenth reader who had not looked at the tests, and
// survived them, or are like those that did.
var eighthMutants = map[string][]kindMutant{
	"the command that has no example yet, and the count of many": {
		{mutant{"a drill that does not stand, as JSON", "a script goes on", []edit{{
			"../../cmd/bifrost/drill.go", "if err == nil && !report.Stands() {", "if err == nil && !d.json && !report.Stands() {",
		}}}, "cmd/bifrost", "TestWhatIsWrongIsWrongAsJSON", ""},
		{mutant{"what waited already", "it is counted twice", []edit{{
			"../bifrost/dispatch.go", "d.slots.nowWaiting(len(taken) - waited)", "d.slots.nowWaiting(len(taken))",
		}}}, "internal/bifrost", "TestWaitingIsCountedOnce", ""},
		{mutant{"the partition behind a full page", "nobody is told of it", []edit{{
			"../gateway/cluster.go", "next.Topic, next.Partition = name, p.name.Number", "next.Topic, next.Partition = name, p.name.Number+1",
		}}}, "internal/gateway", "TestTopicsAreDescribedPageByPage", ""},
		{mutant{"the time that others have to join", "a rebalance is given up", []edit{{
			"../gateway/groups.go", "return max(request.SessionTimeoutMillis, request.RebalanceTimeoutMillis)", "return request.SessionTimeoutMillis",
		}}}, "internal/gateway", "TestTheTimeOfARebalance", ""},
		{mutant{"keys that are decoded unasked", "a job has other columns than its options say", []edit{{
			"../job/export.go", "Keys: asked.DecodeKey", "Keys: asked.Decode",
		}}}, "internal/job", "TestExportsDecodeWhatIsAskedFor", ""},
	},
	"what is rare, and what nobody remembers": {
		{mutant{"an older client's LeaveGroup", "a tool throws somebody's consumer out", []edit{{
			"../gateway/groups.go", "leaving := append(request.Members, kmsg.LeaveGroupRequestMember{MemberID: request.MemberID})",
			"leaving := request.Members",
		}}}, "internal/gateway", "TestAProductionGroupIsRefused", ""},
		{mutant{"a large negative decimal", "it is exported as a positive one", []edit{{
			"../export/shred.go", "	if digits.Sign() < 0 {", "	if digits.Sign() > 1 {",
		}}}, "internal/export", "TestDecimalsKeepTheirSign", ""},
		{mutant{"what a tick saw of a topic that is deleted", "it is closed over its last records", []edit{{
			"../bifrost/deletedtopic.go", "suspicionGone, l.lastSeen.seenBeyond(p))", "suspicionGone, Observation{})",
		}}}, "internal/bifrost", "TestWhatWasSeenOf", ""},
		{mutant{"a birth object that is not asked", "another cluster's object is adopted", []edit{{
			"../bifrost/rebuild.go", "		return r.checkBirth(ctx, i)\n", "		return nil\n",
		}}}, "internal/bifrost", "TestABirthObjectTells", ""},
	},
	"what counts from one point of time on": {
		{mutant{"what is known of a topic whose row was rebuilt", "it is closed with a hole", []edit{{
			"../bifrost/deletedtopic.go", "if p.PlannedOffset < max(p.LastStable, p.KnownUntil) {", "if p.PlannedOffset < p.LastStable {",
		}}}, "internal/bifrost", "TestADeletedTopicIsSettledUpToWhatIsKnown", ""},
		{mutant{"the first stretch of a run that writes again", "it is written twice", []edit{{
			"../replay/remaining.go", "stretch < r.first", "stretch <= r.first",
		}}}, "internal/replay", "TestWhatIsWrittenAgainBeginsOnce", ""},
		{mutant{"the stretch that was committed before", "a replay never gives up", []edit{{
			"../replay/interruption.go", "	a.last = stretch\n", "	_ = a.last\n",
		}}}, "internal/replay", "TestTheTimeToCommitSomething", ""},
		{mutant{"the rows of the slice before", "each further row is a slice", []edit{{
			"../export/slices.go", "stored, rows = 0, 0", "stored = 0",
		}}}, "internal/export", "TestSlicesTogether", ""},
	},
}
