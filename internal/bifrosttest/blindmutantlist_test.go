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
			"../../cmd/bifrost/internal/console/progress.go", "float64(l.done-l.first) / seconds", "float64(l.done) / seconds",
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
			"../export/export.go", "o.pending += f.pending - before", "o.pending += f.pending - before + before",
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
			"../bifrost/dispatch.go", "t.Settings.Together>>min(2*tries, 30)", "t.Settings.Together>>min(tries, 30)",
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
			"../replay/pair.go", "return a.Fork() > b.Fork()", "return a.Fork() < b.Fork()",
		}}}, "internal/replay", "TestWhichLife", ""},
	},
}
