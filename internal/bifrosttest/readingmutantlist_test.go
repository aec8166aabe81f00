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
			"../../cmd/bifrost/flushwait.go", "		sum += n\n", "		sum = n\n",
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
	"many of what is read, and the second time": {
		{mutant{"an object that ends behind its row", "the rows behind it are not read", []edit{{
			"../readback/reader.go", "			if record.Offset >= o.wanted.End {\n				return true",
			"			if record.Offset >= o.wanted.End {\n				return false",
		}}}, "internal/readback", "TestObjectsThatOverlap", ""},
		{mutant{"another partition's object", "its records are taken for this one's", []edit{{
			"../readback/objects.go", " || summary.Partition != o.row.Number", "",
		}}}, "internal/readback", "TestObjectsOfOther", ""},
		{mutant{"a catalogue that fails while it is measured", "the rest counts as nothing", []edit{{
			"../readback/measure.go", "		if err != nil {\n			cancel(err)\n		}\n		if row.State",
			"		if err != nil {\n			break\n		}\n		if row.State",
		}}}, "internal/readback", "TestACatalogueThat", ""},
		{mutant{"an end of the object that is none", "a short answer is taken for it", []edit{{
			"../readback/readahead.go", "} else if c.err == nil || c.err == io.EOF {", "} else if c.err == nil {",
		}}}, "internal/readback", "TestReadingAhead", ""},
		{mutant{"the last item at work", "the others do not count", []edit{{
			"../job/control.go", "			s.AtWork++", "			s.AtWork = 1",
		}}}, "internal/job", "TestStatusOfMany", ""},
		{mutant{"the items of whichever job was asked first", "two jobs in one list", []edit{{
			"../job/control.go", "	if items, known := c.planned[id]; known {", "	for _, items := range c.planned {",
		}}}, "internal/job", "TestStatusOfMany", ""},
		{mutant{"what an execution failed of before its plan", "it has no name", []edit{{
			"../job/control.go", "if !planned {\n					status.ID", "if planned {\n					status.ID",
		}}}, "internal/job", "TestFollowingWhat", ""},
		{mutant{"a batch of another epoch", "it is taken for the one that was written", []edit{{
			"../replay/checktarget.go", "b.epoch == mark.Epoch && b.sequence == mark.Sequence:", "b.sequence == mark.Sequence:",
		}}}, "internal/replay", "TestWhatIsTheBatch", ""},
		{mutant{"a mark whose batch is deleted since", "it does not stand", []edit{{
			"../replay/checktarget.go", "		if found == holds || found == deleted {", "		if found == holds {",
		}}}, "internal/replay", "TestWhatIsTheBatch", ""},
		{mutant{"two times of one broker in a batch", "all get the last", []edit{{
			"../recordbatch/stored.go", "w.kind == baldr.LogAppendTime && r.Timestamp != w.time {",
			"w.kind == baldr.LogAppendTime && r.Timestamp < w.time {",
		}}}, "internal/recordbatch", "TestWhatAStored", ""},
		{mutant{"headers of the record before", "a record without any has them", []edit{{
			"../recordbatch/read.go", "	r.Headers = nil\n", "",
		}}}, "internal/recordbatch", "TestRecordsOf", ""},
		{mutant{"an object that is wanted from its beginning", "a dry run counts all of it", []edit{{
			"../../cmd/bifrost/internal/replays/count.go", "within.Start == row.Start && within.End == row.End && (all",
			"within.Start == row.Start && (all",
		}}}, "cmd/bifrost/internal/replays", "TestCountLeft", ""},
		{mutant{"a row that is gone", "the exit code says that all is well", []edit{{
			"../../cmd/bifrost/internal/app/unhealthy.go", " || errors.Is(err, readback.ErrRowGone)", "",
		}}}, "cmd/bifrost/internal/app", "TestWhatIs", ""},
		{mutant{"violations that are not listed", "the sum leaves them out", []edit{{
			"../../cmd/bifrost/internal/jobs/show.go", "				violations += int(d.Unlisted)", "				violations++",
		}}}, "cmd/bifrost/internal/jobs", "TestViolationsOf", ""},
		{mutant{"offsets of the last cluster", "what is left of the others is not told", []edit{{
			"../../cmd/bifrost/internal/doctor/kafka.go", "			left += p.Lag()", "			left = p.Lag()",
		}}}, "cmd/bifrost/internal/doctor", "TestWhoseThe", ""},
	},
}
