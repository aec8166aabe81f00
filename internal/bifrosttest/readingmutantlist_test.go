package bifrosttest

import "maps"

func init() { maps.Copy(kindMutants, readingMutants) }

// readingMutants were planted by somebody who had read the side that reads the archive and not its
// tests, and survived them.
var readingMutants = map[string][]kindMutant{
	"two reasons, and the second of many": {
		{mutant{"the error hidden by why the time was over", "the cluster's own word is lost", []edit{{
			"../capture/capturer.go", "err = errors.Join(err, cause)", "err = cause",
		}}}, "internal/capture", "TestAFailureAtTheEnd", ""},
		{mutant{"one of two reasons of a broker", "its right is not named", []edit{{
			"../capture/configuration.go", "[]error{answer.VersionErr, answer.SettingsErr}", "[]error{answer.VersionErr}",
		}}}, "internal/capture", "TestABrokerThatTells", ""},
		{mutant{"groups behind one that was not captured", "a position that went back is not told", []edit{{
			"../capture/diff.go", "		if g.Offsets == nil || later.Offsets == nil {\n			continue\n",
			"		if g.Offsets == nil || later.Offsets == nil {\n			break\n",
		}}}, "internal/capture", "TestDiffOfMany", ""},
		{mutant{"the first topic of a page asked for again", "the others have no ends", []edit{{
			"../capture/positions.go", "r.cluster.TopicIDs(ctx, names)", "r.cluster.TopicIDs(ctx, names[:1])",
		}}}, "internal/capture", "TestSmallTopics", ""},
		{mutant{"the error of a new leader's batch before its codec", "an old client cannot read zstd", []edit{{
			"../gateway/splice.go", "	if span.zstd && request.Version < 10 {",
			"	if span.zstd && request.Version < 10 && span.firstEpoch == state.epoch {",
		}}}, "internal/gateway", "TestAnOldClient", ""},
		{mutant{"what waits of the last partition", "a flush says how much is left of all", []edit{{
			"../../cmd/bifrost/flush.go", "			offsets += n\n", "			offsets = n\n",
		}}}, "cmd/bifrost", "TestAFlushThat", ""},
		{mutant{"the record of the last partition", "where an archive ends is said of all", []edit{{
			"../../cmd/bifrost/cat.go", "		if p.LastRecordAt.After(newest) {\n			newest = p.LastRecordAt\n		}\n",
			"		newest = p.LastRecordAt\n",
		}}}, "cmd/bifrost", "TestWhereAnArchive", ""},
		{mutant{"the last gap of a topic", "all its partitions have some", []edit{{
			"../../cmd/bifrost/restoreshow.go", "				missing += gap.End - gap.Start",
			"				missing = gap.End - gap.Start",
		}}}, "cmd/bifrost", "TestATableOf", ""},
		{mutant{"what was seen of the last partition", "the oldest look counts", []edit{{
			"../../cmd/bifrost/internal/condition/condition.go", "			sum.SeenAt = earlier(sum.SeenAt, p.SeenAt)",
			"			sum.SeenAt = p.SeenAt",
		}}}, "cmd/bifrost/internal/condition", "TestASumOfMany", ""},
	},
	"bounds and moments of what is read": {
		{mutant{"all the time of a long tick", "a capture must not take it", []edit{{
			"../capture/capturer.go", "		limit = min(limit, deadline.Sub(began))", "		limit = deadline.Sub(began)",
		}}}, "internal/capture", "TestACaptureInATick", ""},
		{mutant{"a pause since the beginning", "a slow failure would be tried at once", []edit{{
			"../capture/capturer.go", "c.again = c.Now().Add(", "c.again = began.Add(",
		}}}, "internal/capture", "TestThePauseBegins", ""},
		{mutant{"all the time that is left for transactions", "the ends of the logs take some", []edit{{
			"../capture/transactions.go", "min(patience, time.Until(deadline)/2)", "min(patience, time.Until(deadline))",
		}}}, "internal/capture", "TestTransactionsInTheTime", ""},
		{mutant{"as many slots as fit are too many", "nothing is left out", []edit{{
			"../../cmd/bifrost/run.go", "	if slots > fit {", "	if slots >= fit {",
		}}}, "cmd/bifrost", "TestSlotsThatFit", ""},
	},
}
