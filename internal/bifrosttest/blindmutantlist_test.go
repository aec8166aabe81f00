package bifrosttest

import "maps"

func init() { maps.Copy(kindMutants, blindMutants) }

// blindMutants were planted by a reader of the product who had not looked at the tests,
// survived them, and have a test since; with them stands what is like them.
var blindMutants = map[string][]kindMutant{
	"similar, and another": {
		{mutant{"aborted offsets by the count of control records", "what is missing below a row's end is split by the object's own counts", []edit{{
			"../bifrost/object.go", "min(left, whole.Missing.Aborted)", "min(left, whole.Missing.Control)",
		}}}, "internal/bifrost", "TestMissingOffsetsOfAPart", ""},
		{mutant{"compacted offsets below the row's end", "each is accounted for once", []edit{{
			"../bifrost/object.go", "f.Missing.Compacted = left - f.Missing.Aborted", "f.Missing.Compacted = min(left, whole.Missing.Compacted)",
		}}}, "internal/bifrost", "TestMissingOffsetsOfAPart", ""},
		{mutant{"the end of a tick for its last complete look", "ticks that run out of time are told", []edit{{
			"../health/sight.go", "s.Now.Sub(last.CompleteAt) > s.Patience:", "s.Now.Sub(last.EndedAt) > s.Patience:",
		}}}, "internal/health", "TestProblemsOfTicks", ""},
		{mutant{"the beginning of a tick for its end", "a schedule that stopped is told with its time", []edit{{
			"../health/sight.go", "return fmt.Sprintf(\"no tick has ended since %s\", last.EndedAt", "return fmt.Sprintf(\"no tick has ended since %s\", last.StartedAt",
		}}}, "internal/health", "TestProblemsOfTicks", ""},
		{mutant{"the oldest record of a segment for its newest", "Kafka deletes a segment when all of it is too old", []edit{{
			"../restore/finish.go", "row.Facts.LastTimestamp < oldest", "row.Facts.FirstTimestamp < oldest",
		}}}, "internal/restore", "TestWhatRetentionWould", ""},
		{mutant{"a quiet tail's age for the alarm's", "each parameter feeds its own rule", []edit{{
			"../wiring/wiring.go", "NearLoss:    p.Config.TimeToLoss,", "NearLoss:    p.Config.QuietMaxAge,",
		}}}, "internal/wiring", "TestEachParameter", ""},
		{mutant{"the stored bytes of a row for the raw ones", "each fact has its own attribute", []edit{{
			"../dynamoledger/rows.go", "set(\"raw_bytes\", number(f.RawBytes))", "set(\"raw_bytes\", number(f.StoredBytes))",
		}}}, "internal/dynamoledger", "TestSettledRowRoundTrip", ""},
	},
	"at the bound": {
		{mutant{"an erased row that ends at next_offset", "its facts are in the totals", []edit{{
			"../dynamoledger/erase.go", "if r.End <= p.NextOffset {", "if r.End < p.NextOffset {",
		}}}, "internal/dynamoledger", "TestErasureCounts", ""},
		{mutant{"a fact that is 0", "0 is a timestamp", []edit{{
			"../dynamoledger/rows.go", "	if n < 0 {\n		return e\n	}", "	if n <= 0 {\n		return e\n	}",
		}}}, "internal/dynamoledger", "TestSettledRowRoundTrip", ""},
		{mutant{"the first millisecond of a day", "1970 has a first one", []edit{{
			"../export/days.go", "timestamp >= 0 && timestamp < endOfTime", "timestamp > 0 && timestamp < endOfTime",
		}}}, "internal/export", "TestDaysBegin", ""},
		{mutant{"the first millisecond of the year 10000", "no engine reads it", []edit{{
			"../export/days.go", "timestamp >= 0 && timestamp < endOfTime", "timestamp >= 0 && timestamp <= endOfTime",
		}}}, "internal/export", "TestDaysBegin", ""},
		{mutant{"an index that reaches one beyond its object", "ranges are half-open", []edit{{
			"../../baldr/index.go", "m.lastOffset >= c.summary.End", "m.lastOffset > c.summary.End",
		}}}, "baldr", "TestIndexIsBound", ""},
		{mutant{"members that share an offset", "each offset is in one", []edit{{
			"../../baldr/index.go", "m.firstOffset <= previous ||", "m.firstOffset < previous ||",
		}}}, "baldr", "TestIndexIsBound", ""},
		{mutant{"spans that touch", "what is written in order is one span", []edit{{
			"../replay/span.go", "other.Start <= s.End && s.Start <= other.End", "other.Start < s.End && s.Start < other.End",
		}}}, "internal/replay", "TestSpansThatTouch", ""},
		{mutant{"records as old as retention", "they are kept for one more moment", []edit{{
			"../restore/finish.go", "row.Facts.LastTimestamp < oldest", "row.Facts.LastTimestamp <= oldest",
		}}}, "internal/restore", "TestWhatRetentionWould", ""},
		{mutant{"the last moment of patience", "it is over behind it", []edit{{
			"../health/sight.go", "case s.Now.Sub(last.EndedAt) > s.Patience:\n		return fmt", "case s.Now.Sub(last.EndedAt) >= s.Patience:\n		return fmt",
		}}}, "internal/health", "TestProblemsOfTicks", ""},
		{mutant{"the last of 2^31 sequences", "it is one of them", []edit{{
			"../replay/producer.go", "% (1 << 31))", "% (1<<31 - 1))",
		}}}, "internal/replay", "TestSequencesBegin", ""},
	},
	"forgotten, or never": {
		{mutant{"a page of what a backup had planned", "all of it is dropped", []edit{{
			"../bifrost/rebuildrows.go", "	if more = len(rows) == ListPage; more {\n			from = rows[ListPage-1].Start + 1\n		}\n		for _, row := range rows {", "	if more = len(rows) > ListPage; more {\n			from = rows[ListPage-1].Start + 1\n		}\n		for _, row := range rows {",
		}}}, "internal/bifrost", "TestPlannedRowsOfABackup", ""},
		{mutant{"failures of before a success", "the pauses begin anew", []edit{{
			"../capture/capturer.go", "c.done, c.failures = slot, 0", "c.done = slot",
		}}}, "internal/capture", "TestASuccessEnds", ""},
		{mutant{"records of a transaction that has ended", "nobody is busy with them", []edit{{
			"../replay/statetopic.go", "			delete(pending, b.producer)\n", "",
		}}}, "internal/replay", "TestAnotherRunIsSeen", ""},
		{mutant{"a transaction that is open", "somebody is busy with it", []edit{{
			"../replay/statetopic.go", "			read.open[e.key] = true", "			read.open[e.key] = false",
		}}}, "internal/replay", "TestAnotherRunIsSeen", ""},
		{mutant{"the first record of all stretches", "what the target has deleted is counted from it", []edit{{
			"../replay/position.go", "		mark.First = p.Marks[i].First\n", "",
		}}}, "internal/replay", "TestPositionOfMany", ""},
		{mutant{"the first foreign record of all stretches", "readers are warned of it", []edit{{
			"../replay/position.go", "			mark.Foreign = p.Marks[i].Foreign\n", "",
		}}}, "internal/replay", "TestPositionOfMany", ""},
		{mutant{"when a record may be lost, asked live", "only a tick works it out", []edit{{
			"../../cmd/bifrost/internal/condition/observe.go", "		answer.LossAt = p.Threat() // which a tick works out\n", "",
		}}}, "cmd/bifrost/internal/condition", "TestAskingKafkaNow", ""},
		{mutant{"since when there is trouble, asked live", "it began before anybody asked", []edit{{
			"../../cmd/bifrost/internal/condition/observe.go", "Since: cmp.Or(p.Trouble.Since, now)", "Since: cmp.Or(now, p.Trouble.Since)",
		}}}, "cmd/bifrost/internal/condition", "TestAskingKafkaNow", ""},
		{mutant{"what was there before this run", "it says nothing of the rate", []edit{{
			"../../cmd/bifrost/internal/console/progress.go", "speedOf(l.done-l.first, l.bytes", "speedOf(l.done, l.bytes",
		}}}, "cmd/bifrost/internal/console", "TestRatesAre", ""},
	},
	"many answers, and numbers": {
		{mutant{"brokers that the last answer lists", "one that any broker lists is asked", []edit{{
			"../kafka/topics.go", "listed = append(listed, m.metadata.Brokers...)", "listed = m.metadata.Brokers",
		}}}, "internal/kafka", "TestFindAsksWhom", ""},
		{mutant{"a throttle in microseconds", "the protocol has milliseconds", []edit{{
			"../kafka/fetch.go", "time.Duration(fetched.ThrottleMillis) * time.Millisecond", "time.Duration(fetched.ThrottleMillis) * time.Microsecond",
		}}}, "internal/kafka", "TestTimesOfFetches", ""},
		{mutant{"an answer held back for microseconds", "the protocol has milliseconds", []edit{{
			"../kafka/fetch.go", "int32(f.client.maxWait.Milliseconds())", "int32(f.client.maxWait.Microseconds())",
		}}}, "internal/kafka", "TestTimesOfFetches", ""},
		{mutant{"partitions in the order of their digits", "10 is behind 9", []edit{{
			"../capture/positions.go", "return int(a.Partition) - int(b.Partition) })", "return strings.Compare(strconv.Itoa(int(a.Partition)), strconv.Itoa(int(b.Partition))) })",
		}}}, "internal/capture", "TestPositionsStand", ""},
	},
	"identity by each part": {
		{mutant{"the partition does not count", "an object is a range's own only if all of it fits", []edit{{
			"../bifrost/object.go", "s.TopicID}, s.Partition, s.Start}); found", "s.TopicID}, owner.Partition, s.Start}); found",
		}}}, "internal/bifrost", "TestAnObjectOfAnother", ""},
		{mutant{"the start does not count", "an object is a range's own only if all of it fits", []edit{{
			"../bifrost/object.go", "s.TopicID}, s.Partition, s.Start}); found", "s.TopicID}, s.Partition, owner.Start}); found",
		}}}, "internal/bifrost", "TestAnObjectOfAnother", ""},
		{mutant{"the topic does not count", "an object is a range's own only if all of it fits", []edit{{
			"../bifrost/object.go", "Incarnation{s.ClusterID, s.Topic, s.TopicID}, s.Partition, s.Start}", "Incarnation{s.ClusterID, owner.Topic, s.TopicID}, s.Partition, s.Start}",
		}}}, "internal/bifrost", "TestAnObjectOfAnother", ""},
	},
	"written down, and counted": {
		{mutant{"a row group that ends too early", "it holds as much as it may", []edit{{
			"../export/objectfiles.go", "o.pending += f.pending - before", "o.pending += f.pending - before + before",
		}}}, "internal/export", "TestRowGroups", ""},
		{mutant{"a newest record of 1970", "it is newer than none", []edit{{
			"../dynamoledger/advance.go", "w.Row.Facts.LastTimestamp >= 0", "w.Row.Facts.LastTimestamp > 0",
		}}}, "internal/dynamoledger", "TestNewestRecordOf", ""},
		{mutant{"a remainder that nothing threatens", "it is planned as its row was", []edit{{
			"../dynamoledger/rowwrites.go", "GapReason: r.GapReason, LossAt: r.LossAt,", "GapReason: r.GapReason,",
		}}}, "internal/dynamoledger", "TestRemainder", ""},
		{mutant{"a function alive at its last moment", "its slot is free then", []edit{{
			"../dynamoledger/invocations.go", "alive + \" <= \"", "alive + \" < \"",
		}}}, "internal/dynamoledger", "TestASlot", ""},
		{mutant{"gaps of two reasons as one", "a report says why", []edit{{
			"../restore/cut.go", "p.Missing[n-1].End == offsets.Start && p.Missing[n-1].Reason == reason", "p.Missing[n-1].End == offsets.Start",
		}}}, "internal/restore", "TestGapsOfOne", ""},
		{mutant{"offsets where the records are known", "a group is told what it had read", []edit{{
			"../restore/groups.go", "if asked.End < offset {", "if asked.End <= offset {",
		}}}, "internal/restore", "TestWhatAGroupHad", ""},
		{mutant{"deleted records as if they were there", "a report counts what is there", []edit{{
			"../restore/conclude.go", "part.Position.Records - part.Gone", "part.Position.Records",
		}}}, "internal/restore", "TestReportCounts", ""},
		{mutant{"a whole day as a time of it", "it begins the next one", []edit{{
			"../schema/avrojson.go", "d >= 24*time.Hour", "d > 24*time.Hour",
		}}}, "internal/schema", "TestTimesOfADay", ""},
	},
	"of many, and one by one": {
		{mutant{"offsets that Kafka has no more counted twice", "each is counted once", []edit{{
			"../verify/kafka.go", "c.notCompared(row.Len() - max(0, r.Len()))", "c.notCompared(row.Len() - r.Len())",
		}}}, "internal/bifrost", "TestOffsetsThatKafkaHas", ""},
		{mutant{"an answer that was cut", "it is asked for again", []edit{{
			"../s3store/store.go", "errors.Is(err, io.ErrUnexpectedEOF) {\n		return aws.TrueTernary", "errors.Is(err, io.EOF) {\n		return aws.TrueTernary",
		}}}, "internal/s3store", "TestCutAnswers", ""},
		{mutant{"the farthest loss for the nearest", "an alarm rests on it", []edit{{
			"../bifrost/report.go", "s.seen.LossAt.Before(first.seen.LossAt)", "s.seen.LossAt.After(first.seen.LossAt)",
		}}}, "internal/bifrost", "TestSummaryOf", ""},
		{mutant{"a partition that is ahead pays for others", "lag is a sum of what each lacks", []edit{{
			"../bifrost/report.go", "s.Lag += max(0, p.seen.LastStable-next)", "s.Lag += p.seen.LastStable - next",
		}}}, "internal/bifrost", "TestSummaryOf", ""},
		{mutant{"half of the ranges together again", "each time a quarter of them", []edit{{
			"../bifrost/dispatch.go", "together>>min(2*tries, 30)", "together>>min(tries, 30)",
		}}}, "internal/bifrost", "TestRangesTried", ""},
		{mutant{"left ranges counted twice", "a late tick leaves each once", []edit{{
			"../bifrost/dispatch.go", "if free && toPlan == 0 {", "if free {",
		}}}, "internal/bifrost", "TestLateTicks", ""},
		{mutant{"a position of 0", "it is one", []edit{{
			"../kafka/capturegroups.go", "if p.Offset < 0 {", "if p.Offset <= 0 {",
		}}}, "internal/kafka", "TestPositionsOfAn", ""},
		{mutant{"a partition that no answer has", "answers name partitions in any order", []edit{{
			"../kafka/capture.go", "replicas[p.Partition] = p.Replicas", "replicas[min(len(replicas)-1, int(p.Partition)+1)] = p.Replicas",
		}}}, "internal/kafka", "TestReplicasOfAn", ""},
		{mutant{"time that nobody used", "a rate saves nothing up", []edit{{
			"../replay/pace.go", "	if p.next.Before(now) {\n		p.next = now\n	}\n", "",
		}}}, "internal/replay", "TestPaceSaves", ""},
		{mutant{"the end of time as an end", "what has no end ends nowhere", []edit{{
			"../replay/span.go", "i.until <= timestamp && i.until != math.MaxInt64", "i.until <= timestamp",
		}}}, "internal/replay", "TestTimesOfASegment", ""},
		{mutant{"an older life for a newer one", "its records would come behind", []edit{{
			"../readback/lives.go", "cmp.Compare(a.Fork(), b.Fork())", "cmp.Compare(b.Fork(), a.Fork())",
		}}}, "internal/readback", "TestLivesByAge", ""},
	},
	"each its own": {
		{mutant{"expired objects of a share", "a job reports what its shares saw", []edit{{
			"../verify/share.go", "\ts.Expired += other.Expired\n",
			"",
		}}}, "internal/verify", "TestSharesAdd", ""},
		{mutant{"missing offsets of a share", "a job reports what its shares saw", []edit{{
			"../verify/share.go", "\ts.Totals.Missing += other.Totals.Missing\n",
			"",
		}}}, "internal/verify", "TestSharesAdd", ""},
		{mutant{"rows of a share for those ahead", "each count has its own", []edit{{
			"../verify/share.go", "s.Ahead += other.Ahead",
			"s.Ahead += other.Rows",
		}}}, "internal/verify", "TestSharesAdd", ""},
		{mutant{"kinds of violations of the last share", "all are counted", []edit{{
			"../verify/share.go", "s.Kinds[kind] += n",
			"s.Kinds[kind] = n",
		}}}, "internal/verify", "TestSharesAdd", ""},
		{mutant{"the epoch of the log start", "a cut log is recognized by that of the end", []edit{{
			"../kafka/offsets.go", "LeaderEpoch: end.epoch, At: now,",
			"LeaderEpoch: start.epoch, At: now,",
		}}}, "internal/kafka", "TestOffsetsAreEach", ""},
		{mutant{"the epoch of the high watermark", "what is archived ends at the last stable offset", []edit{{
			"../kafka/offsets.go", "LeaderEpoch: end.epoch, At: now,",
			"LeaderEpoch: mark.epoch, At: now,",
		}}}, "internal/kafka", "TestOffsetsAreEach", ""},
		{mutant{"the log start for the one on disks", "older segments are in tiered storage", []edit{{
			"../kafka/offsets.go", "[]bifrost.TopicPartition{tp}), localLogStart, readUncommitted)",
			"[]bifrost.TopicPartition{tp}), logStart, readUncommitted)",
		}}}, "internal/kafka", "TestOffsetsAreEach", ""},
	},
	"names that Kafka knows": {
		{mutant{"a later life of a topic is excluded", "a filter is of Kafka's names", []edit{{
			"../health/sight.go", "sight.Excluded = !own.Filter.Archives(p.Topic())",
			"sight.Excluded = !own.Filter.Archives(p.Name)",
		}}}, "internal/health", "TestFiltersAreOf", ""},
		{mutant{"a later life of a topic is not known", "a filter is of Kafka's names", []edit{{
			"../bifrost/listing.go", "return !filter.Selects(p.Topic())",
			"return !filter.Selects(p.Name)",
		}}}, "internal/bifrost", "TestKnownPartitionsOf", ""},
		{mutant{"flush waits for a branch that was left", "it goes nowhere", []edit{{
			"../../cmd/bifrost/flush.go", "if ids[p.Topic()] == p.TopicID && p.Status != bifrost.StatusForked {",
			"if ids[p.Topic()] == p.TopicID {",
		}}}, "cmd/bifrost", "TestWhatAFlushWaits", ""},
		{mutant{"flush counts an older life", "a new one begins at 0", []edit{{
			"../../cmd/bifrost/flush.go", "if ids[p.Topic()] == p.TopicID && p.Status != bifrost.StatusForked {",
			"if p.Status != bifrost.StatusForked {",
		}}}, "cmd/bifrost", "TestWhatAFlushWaits", ""},
		{mutant{"flush looks for names of the archive", "topics are called as Kafka calls them", []edit{{
			"../../cmd/bifrost/flush.go", "archived[bifrost.TopicPartition{Topic: p.Topic(), Partition: p.Number}]",
			"archived[bifrost.TopicPartition{Topic: p.Name, Partition: p.Number}]",
		}}}, "cmd/bifrost", "TestWhatAFlushWaits", ""},
	},
	"what may have been applied": {
		{mutant{"a status of 500", "only what was refused was not applied", []edit{{
			"../dynamoledger/errors.go", "response.HTTPStatusCode() < 500",
			"response.HTTPStatusCode() <= 500",
		}}}, "internal/dynamoledger", "TestWhatMayHave|TestACondition", ""},
		{mutant{"a status of 400", "what was refused was not applied", []edit{{
			"../dynamoledger/errors.go", "response.HTTPStatusCode() >= 400",
			"response.HTTPStatusCode() > 400",
		}}}, "internal/dynamoledger", "TestWhatMayHave", ""},
		{mutant{"an answer that cannot be read", "its write was applied", []edit{{
			"../dynamoledger/errors.go", "response.HTTPStatusCode() >= 400 && ",
			"",
		}}}, "internal/dynamoledger", "TestWhatMayHave", ""},
		{mutant{"the last attempt decides", "an earlier one may have been applied", []edit{{
			"../dynamoledger/errors.go", "\tif !refused(err) {\n\t\td.lost = true\n\t}\n",
			"\td.lost = !refused(err)\n",
		}}}, "internal/dynamoledger", "TestWhatMayHave|TestACondition", ""},
	},
	"exactly then, and last of all": {
		{mutant{"the very time of a capture", "at or before", []edit{{
			"../capture/read.go", "if l.At.After(at) {",
			"if !l.At.Before(at) {",
		}}}, "internal/capture", "TestOpenAtTheVery", ""},
		{mutant{"the very time that a capture began", "at or before", []edit{{
			"../capture/read.go", "!s.Positions.At.After(at)",
			"s.Positions.At.Before(at)",
		}}}, "internal/capture", "TestOpenAtTheVery", ""},
		{mutant{"objects moved on their last day", "none would move", []edit{{
			"../../cmd/bifrost/init.go", "e != 0 && t >= e {",
			"e != 0 && t > e {",
		}}}, "cmd/bifrost", "TestDaysThat", ""},
		{mutant{"a lock of no day", "it locks nothing", []edit{{
			"../../cmd/bifrost/init.go", "i.bucket.LockDays < 1",
			"i.bucket.LockDays < 0",
		}}}, "cmd/bifrost", "TestDaysThat", ""},
		{mutant{"a hexadecimal escape at the end", "separators stand there", []edit{{
			"../../cmd/bifrost/internal/recordfmt/format.go", "len(pattern) >= 4 {",
			"len(pattern) > 4 {",
		}}}, "cmd/bifrost/internal/recordfmt", "TestPiecesStand", ""},
		{mutant{"a conversion at the end", "most stand there", []edit{{
			"../../cmd/bifrost/internal/recordfmt/format.go", "pattern[0] == '%' && len(pattern) > 1:",
			"pattern[0] == '%' && len(pattern) > 2:",
		}}}, "cmd/bifrost/internal/recordfmt", "TestPiecesStand", ""},
		{mutant{"a step that gives up on its function", "it may work for 900 seconds", []edit{{
			"../../infra/jobs.yaml", "\"ResultPath\": \"$.answer\",\n                    \"TimeoutSeconds\": 960,",
			"\"ResultPath\": \"$.answer\",\n                    \"TimeoutSeconds\": 600,",
		}}}, "internal/templates", "TestStepsOutlast", ""},
		{mutant{"a plan that is given up with its function", "its answer takes a moment", []edit{{
			"../../infra/jobs.yaml",
			"${JobExportPrefix}\"\n                }\n              },\n              \"OutputPath\": \"$.Payload\",\n" +
				"              \"TimeoutSeconds\": 960,",
			"${JobExportPrefix}\"\n                }\n              },\n              \"OutputPath\": \"$.Payload\",\n" +
				"              \"TimeoutSeconds\": 900,",
		}}}, "internal/templates", "TestStepsOutlast", ""},
	},
	"one of two is enough": {
		{mutant{"deleted objects are nothing", "somebody may want them back", []edit{{
			"../s3store/bucket.go", "Kept: len(list.Versions)+len(list.DeleteMarkers) > 0",
			"Kept: len(list.Versions) > 0",
		}}}, "internal/s3store", "TestWhichBuckets", ""},
		{mutant{"objects are nothing", "their bucket has its settings", []edit{{
			"../s3store/bucket.go", "Kept: len(list.Versions)+len(list.DeleteMarkers) > 0",
			"Kept: len(list.DeleteMarkers) > 0",
		}}}, "internal/s3store", "TestWhichBuckets", ""},
		{mutant{"who was shut out goes on at the deadline", "another run is at work", []edit{{
			"../job/parts.go", "errors.Is(context.Cause(ctx), errDeadline) && !errors.Is(err, replay.ErrShutOut) &&",
			"errors.Is(context.Cause(ctx), errDeadline) &&",
		}}}, "internal/job", "TestWhoIsShutOut", ""},
		{mutant{"a merge by values", "it needs timestamps", []edit{{
			"../../cmd/bifrost/cat.go", "f.ValuesOnly && !k.merge && !newest,", "f.ValuesOnly && !newest,",
		}}}, "cmd/bifrost", "TestCatMerges", ""},
		{mutant{"the last of all by values", "they need timestamps", []edit{{
			"../../cmd/bifrost/cat.go", "f.ValuesOnly && !k.merge && !newest,", "f.ValuesOnly && !k.merge,",
		}}}, "cmd/bifrost", "TestCatMerges", ""},
		{mutant{"records held back in the reader's memory", "it is used again", []edit{{
			"../../cmd/bifrost/cat.go", "			record.Record = record.Clone() // its memory is the reader's\n", "",
		}}}, "cmd/bifrost", "TestCatMerges", ""},
		{mutant{"live as the first of two", "it needs brokers", []edit{{
			"../../cmd/bifrost/clustersdiff.go", "first == liveCluster || second == liveCluster",
			"second == liveCluster",
		}}}, "cmd/bifrost", "TestWhoNeeds", ""},
		{mutant{"live as the second of two", "it needs brokers", []edit{{
			"../../cmd/bifrost/clustersdiff.go", "first == liveCluster || second == liveCluster",
			"first == liveCluster",
		}}}, "cmd/bifrost", "TestWhoNeeds", ""},
		{mutant{"serve needs brokers when it is cold", "it serves the archive alone", []edit{{
			"../../cmd/bifrost/serve.go", "\tif s.cold {\n\t\trole = config.Reader\n",
			"\tif !s.cold {\n\t\trole = config.Reader\n",
		}}}, "cmd/bifrost", "TestWhoNeeds", ""},
		{mutant{"violations of a job that runs", "they stay", []edit{{
			"../../cmd/bifrost/internal/jobs/show.go", "case violations > 0:",
			"case violations > 0 && !s.Running():",
		}}}, "cmd/bifrost/internal/jobs", "TestWhatIsWrongWith", ""},
		{mutant{"a restore that differs and is complete", "exit codes say so", []edit{{
			"../../cmd/bifrost/internal/jobs/show.go", "case s.Report != nil && s.Report.Restore != nil && !s.Report.Restore.Stands():",
			"case s.Report != nil && s.Report.Restore != nil && !s.Report.Restore.Stands() && !s.Complete:",
		}}}, "cmd/bifrost/internal/jobs", "TestWhatIsWrongWith", ""},
		{mutant{"a job that runs is not complete", "it need not be", []edit{{
			"../../cmd/bifrost/internal/jobs/show.go", "case !s.Running() && !s.Complete:",
			"case !s.Complete:",
		}}}, "cmd/bifrost/internal/jobs", "TestWhatIsWrongWith", ""},
		{mutant{"partitions left for want of time", "doctor advises", []edit{{
			"../../cmd/bifrost/internal/doctor/kafka.go", "if last.Failures+last.Unfinished > 0 {",
			"if last.Failures > 0 {",
		}}}, "cmd/bifrost/internal/doctor", "TestDoctorJudges", ""},
		{mutant{"partitions that failed", "doctor advises", []edit{{
			"../../cmd/bifrost/internal/doctor/kafka.go", "if last.Failures+last.Unfinished > 0 {",
			"if last.Unfinished > 0 {",
		}}}, "cmd/bifrost/internal/doctor", "TestDoctorJudges", ""},
	},
	"asked for, and not passed on": {
		{mutant{"a job that forgets ACLs", "it ends well, and they are missing", []edit{{
			"../../cmd/bifrost/restore.go", "Groups: r.groups, ACLs: r.acls, Comp", "Groups: r.groups, Comp",
		}}}, "cmd/bifrost", "TestFlagsReach", ""},
		{mutant{"a job that forgets what is left out", "it would restore all of it", []edit{{
			"../../cmd/bifrost/restore.go", "		Exclude:        rule.Topics.Exclude,\n", "",
		}}}, "cmd/bifrost", "TestFlagsReach", ""},
		{mutant{"a job without the variables of its target", "the command gets in by them", []edit{{
			"../../cmd/bifrost/internal/settings/targetflags.go",
			"		if !ok {\n			value, _ = lookup(v.Name)\n		}\n		*own", "		_ = ok\n		*own",
		}}}, "cmd/bifrost", "TestFlagsReach", ""},
		{mutant{"a job that writes until the offset it begins at", "each bound has its own flag", []edit{{
			"../../cmd/bifrost/internal/replays/command.go", "From: r.From, To: r.To, Since", "From: r.From, To: r.From, Since",
		}}}, "cmd/bifrost", "TestFlagsReach", ""},
	},
	"a part of the whole, or its neighbour": {
		{mutant{"a tick reported before its capture", "an alarm rests on its metric", []edit{{
			"../../functions/discover/main.go",
			"		summary.Capture = s.capturer.CaptureDue(ctx, deadline)\n		s.parts.ReportTick(ctx, summary)\n",
			"		s.parts.ReportTick(ctx, summary)\n		summary.Capture = s.capturer.CaptureDue(ctx, deadline)\n",
		}}}, "functions/discover", "TestATickReports", ""},
		{mutant{"jobs that know of no expiration", "they would miss what has expired", []edit{{
			"../../functions/job/main.go", ", Expiration: parts.Config.Expiration,", ",",
		}}}, "functions/job", "TestRunnerHas", ""},
		{mutant{"jobs that wait for all functions", "each limit has its own setting", []edit{{
			"../../functions/job/main.go", "Executions: parts.Executions, MaxInFlight: parts.Config.MaxInFlight,", "Executions: parts.Executions,",
		}}}, "functions/job", "TestRunnerHas", ""},
		{mutant{"a key that one role may not use", "every function reads what is encrypted", []edit{{
			"../../template.yaml", "Roles: [!Ref DiscoverRole, !Ref ArchiveRole, !Ref JobRole]", "Roles: [!Ref DiscoverRole, !Ref ArchiveRole]",
		}}}, "internal/templates", "TestPoliciesAre", ""},
		{mutant{"a start behind open transactions", "they are read later, and archived", []edit{{
			"../bifrost/birth.go", "		return s.seen.LastStable, nil", "		return s.seen.HighWatermark, nil",
		}}}, "internal/bifrost", "TestStartAtTheEndTakes", ""},
		{mutant{"a bound of times that finish leaves raised", "each has two names, and two sides", []edit{{
			"../restore/settings.go", "\"message.timestamp.after.max.ms\", ", "",
		}}}, "internal/restore", "TestEverySetting", ""},
		{mutant{"a bound of bytes that finish leaves raised", "what is lifted is put back", []edit{{
			"../restore/settings.go", "	\"max.message.bytes\", \"min.insync.replicas\",", "	\"min.insync.replicas\",",
		}}}, "internal/restore", "TestEverySetting", ""},
		{mutant{"stretches in the order of their digits", "10 is behind 9", []edit{{
			"../replay/statetopic.go", "\"%s%012d\", p.stretchKeys()", "\"%s%d\", p.stretchKeys()",
		}}}, "internal/replay", "TestManyStretches", ""},
		{mutant{"positions of before a commit", "who asks for stable ones waits", []edit{{
			"../gateway/committed.go", "request.Version, request.RequireStable = greatestByName, stable", "request.Version = greatestByName",
		}}}, "internal/gateway", "TestStablePositions", ""},
		{mutant{"unfinished for minutes", "another export is at work on it", []edit{{
			"../export/directory.go", "time.Since(info.ModTime()) > 24*time.Hour", "time.Since(info.ModTime()) > 24*time.Minute",
		}}}, "internal/export", "TestUnfinishedFiles", ""},
		{mutant{"a token without its extensions", "the secret has them", []edit{{
			"../kafka/security.go", "oauth.Auth{Token: token, Extensions: c.Extensions}", "oauth.Auth{Token: token}",
		}}}, "internal/kafka", "TestWhatASecretSays", ""},
		{mutant{"a password for the name", "each has its own field", []edit{{
			"../kafka/security.go", "plain.Auth{User: c.Username, Pass: c.Password}", "plain.Auth{User: c.Password, Pass: c.Password}",
		}}}, "internal/kafka", "TestWhatASecretSays", ""},
		{mutant{"gaps by request are believed", "Kafka may still have their records", []edit{{
			"../verify/kafka.go", "row.GapReason != bifrost.ReasonRetention && row.GapReason != bifrost.ReasonRequest ||",
			"row.GapReason != bifrost.ReasonRetention ||",
		}}}, "internal/bifrost", "TestVerifyFindsDamage", ""},
		{mutant{"decoded values for decoded keys", "each option has its own flag", []edit{{
			"../../cmd/bifrost/export.go", "DecodeKey: e.decode.Keys,\n", "DecodeKey: e.decode.Values,\n",
		}}}, "cmd/bifrost", "TestOptionsOf", ""},
	},
	"units, sides and sizes": {
		{mutant{"seconds for Kafka to make a topic", "it is told milliseconds", []edit{{
			"../target/look.go", "int32(patience.Milliseconds())", "int32(patience.Seconds())",
		}}}, "internal/target", "TestHowLongKafka", ""},
		{mutant{"seconds for Kafka to delete a topic", "it is told milliseconds", []edit{{
			"../target/make.go", "int32(patience.Milliseconds())", "int32(patience.Seconds())",
		}}}, "internal/target", "TestHowLongKafka", ""},
		{mutant{"a transaction of sixty milliseconds", "it is given up after a minute", []edit{{
			"../replay/producer.go", "int32(timeout.Milliseconds())", "int32(timeout.Seconds())",
		}}}, "internal/replay", "TestTimesThatBrokers", ""},
		{mutant{"followers that have ten milliseconds", "they have as many seconds", []edit{{
			"../replay/producer.go", "int32(ackTimeout.Milliseconds())", "int32(ackTimeout.Seconds())",
		}}}, "internal/replay", "TestTimesThatBrokers", ""},
		{mutant{"a look that waits for nothing", "brokers may have nothing yet", []edit{{
			"../replay/targetlog.go", "int32(scanWait.Milliseconds())", "int32(scanWait.Seconds())",
		}}}, "internal/replay", "TestTimesThatBrokers", ""},
		{mutant{"a rate in whole seconds", "small pieces count, too", []edit{{
			"../replay/pace.go", "time.Duration(float64(bytes) / float64(p.rate) * float64(time.Second))",
			"time.Duration(float64(bytes)/float64(p.rate)) * time.Second",
		}}}, "internal/replay", "TestPaceOfPieces", ""},
		{mutant{"a clock that is behind", "S3 refuses what is off either way", []edit{{
			"../../cmd/bifrost/internal/doctor/storage.go", "case b.skew.Abs() > mostSkew:", "case b.skew > mostSkew:",
		}}}, "cmd/bifrost/internal/doctor", "TestClocksThatAre", ""},
		{mutant{"a clock that is a little ahead", "the warning comes before the failure", []edit{{
			"../../cmd/bifrost/internal/doctor/storage.go", "case b.skew.Abs() > worrySkew:", "case -b.skew > worrySkew:",
		}}}, "cmd/bifrost/internal/doctor", "TestClocksThatAre", ""},
		{mutant{"large files judged by their tail", "their head says what they are", []edit{{
			"../../baldr/file.go", "	if f.size > int64(len(tail)) {", "	if f.size > int64(len(tail)) && len(tail) < headBytes {",
		}}}, "baldr", "TestVerdictsOfLarge", ""},
		{mutant{"batches as large as the topic takes", "what a broker makes of them may be larger", []edit{{
			"../recordbatch/shape.go", "s.RawBytes = s.Bytes - s.Bytes/8 //", "s.RawBytes = s.Bytes //",
		}}}, "internal/recordbatch", "TestBatchesFitWhen", ""},
	},
	"what a person sees of it": {
		{mutant{"a topic that is named twice", "each partition counts once", []edit{{
			"../readback/catalogue.go", "			if !done[life] {", "			if life == name || !done[life] {",
		}}}, "internal/readback", "TestEachRowIs", ""},
		{mutant{"a later life that is named as well", "each partition counts once", []edit{{
			"../readback/catalogue.go", "			if !done[life] {", "			if life != name || !done[life] {",
		}}}, "internal/readback", "TestEachRowIs", ""},
		{mutant{"a live end below the archive's", "no position is below it", []edit{{
			"../gateway/positions.go", "			l.to.Offset = max(answer.Offset, l.nextOffset())\n", "			l.to.Offset = answer.Offset\n",
		}}}, "internal/gateway", "TestNoPositionIs", ""},
		{mutant{"a live offset of a time below the archive's end", "no position is below it", []edit{{
			"../gateway/positions.go", "l.to.Offset, l.to.Timestamp = max(answer.Offset, l.nextOffset()), answer.Timestamp",
			"l.to.Offset, l.to.Timestamp = answer.Offset, answer.Timestamp",
		}}}, "internal/gateway", "TestNoPositionIs", ""},
		{mutant{"uploads that stay open", "whoever interrupts pays for none", []edit{{
			"../export/bucket.go", "f.Upload.Abort(context.WithoutCancel(f.ctx))", "f.Upload.Abort(f.ctx)",
		}}}, "internal/export", "TestAnInterruptedExport", ""},
		{mutant{"captures that differ, as JSON", "a script goes by the exit code", []edit{{
			"../../cmd/bifrost/clustersdiff.go", "	if err == nil && len(drift.Differences) > 0 {",
			"	if err == nil && !asJSON && len(drift.Differences) > 0 {",
		}}}, "cmd/bifrost", "TestWhatIsWrongIs", ""},
		{mutant{"partitions out of order", "they come in order", []edit{{
			"../../cmd/bifrost/internal/settings/selection.go", "	slices.Sort(s.Numbers)\n", "",
		}}}, "cmd/bifrost/internal/settings", "TestPartitionsThat", ""},
		{mutant{"partitions that are named twice", "each partition counts once", []edit{{
			"../../cmd/bifrost/internal/settings/selection.go", "	s.Numbers = slices.Compact(s.Numbers)\n", "",
		}}}, "cmd/bifrost/internal/settings", "TestPartitionsThat", ""},
		{mutant{"an object that the bucket lacks, twice", "each is named once", []edit{{
			"../health/belonging.go", "	named = slices.Compact(named)\n", "",
		}}}, "internal/health", "TestObjectsThatTheBucket", ""},
		{mutant{"tables that cannot be read end a topic", "what was not read is told", []edit{{
			"../readback/catalogue.go", "		yield(bifrost.Row{}, fmt.Errorf(\"read the catalogue of %s: %w\", p, err))\n",
			"		_ = fmt.Sprint(p, err)\n",
		}}}, "internal/readback", "TestRowsOfARange", ""},
		{mutant{"a row that ends where the range begins", "ranges are half-open", []edit{{
			"../readback/catalogue.go", "rows[0].End <= offset {", "rows[0].End < offset {",
		}}}, "internal/readback", "TestRowsOfARange", ""},
	},
}
