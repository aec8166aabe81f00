package bifrosttest

const jobs = "../job/"

// What goes wrong where many workers do one thing: items done twice, not at all, or
// counted as what they are not.
func init() {
	kindMutants["jobs"] = []kindMutant{
		{mutant{"an item that is done is done again", "items that are done return at once", []edit{{
			jobs + "step.go", "	if done || err != nil {\n		return Answer{Done: done", "	if err != nil {\n		return Answer{Done: done",
		}}}, "internal/job", "TestFailedJobsAreContinued", ""},
		{mutant{"a continued job skips items that failed", "what failed is left to do", []edit{{
			jobs + "step.go", "	_, keepErr := create(ctx, r.Files, e.ID, name, failure)\n	return errors.Join(err, keepErr)\n",
			"	_, keepErr := create(ctx, r.Files, e.ID, name, failure)\n	keepErr = errors.Join(keepErr, r.settleItem(ctx, e.ID, Done{Item: e.Item.Number}))\n	return errors.Join(err, keepErr)\n",
		}}}, "internal/job", "TestFailedJobsAreContinued", ""},
		{mutant{"a file for each time that an item is done", "whoever comes first decides", []edit{{
			jobs + "files.go", "f.Bucket.CreateOnce(ctx, f.doneKey(id, done.Item), lines.Bytes())",
			"f.Bucket.CreateOnce(ctx, f.doneKey(id, done.Item)+done.At.Format(\".000000000\"), lines.Bytes())",
		}}}, "internal/job", "TestAReplayByMany|TestCost|TestControl|TestItemsOutlive", ""},
		{mutant{"the last of a page is counted twice", "a report counts each item once", []edit{{
			jobs + "files.go", "		numbers = numbers[len(page):]\n", "		numbers = numbers[max(1, len(page)-1):]\n",
		}}}, "internal/job", "TestAReplayByMany|TestCost", ""},
		{mutant{"a state from before the fence", "another run may have written meanwhile", []edit{{
			"../replay/run.go", "		if n, err := r.fencePairs(ctx, outlook); err != nil || n == 0 {\n",
			"		if _, err := r.fencePairs(ctx, outlook); true {\n",
		}}}, "internal/replay", "TestAPositionIsReadBehindTheFence", ""},
		{mutant{"a worker that was shut out comes back", "two would shut each other out for ever", []edit{{
			jobs + "parts.go", "errDeadline) && !errors.Is(err, replay.ErrShutOut) &&\n		!errors.Is(err, replay.ErrRefused) {",
			"errDeadline) && !errors.Is(err, replay.ErrRefused) {",
		}}}, "internal/job", "TestWhoIsShutOut", ""},
		{mutant{"an item is done when its time is over", "the rest is left to the next invocation", []edit{{
			jobs + "step.go", "	case more:\n", "	case more && result.Records < 0:\n",
		}}}, "internal/job", "TestItemsOutlive", ""},
		{mutant{"complete while items are open", "a job is complete when every item is done", []edit{{
			jobs + "report.go", "	report.Complete = report.Failed == 0\n", "	report.Complete = len(report.Failures) == 0\n",
		}}}, "internal/job", "TestItemsWithoutAWord", ""},
		{mutant{"the costs of one execution", "plans of all executions cost", []edit{{
			jobs + "report.go", "	for _, run := range runs {\n", "	for _, run := range runs[len(runs)-1:] {\n",
		}}}, "internal/job", "TestCost", ""},
		{mutant{"notes of any time", "a worker that fell silent is not at work", []edit{{
			jobs + "progress.go", "listNames(ctx, id, minuteFiles(at))", "listNames(ctx, id, progressFiles)",
		}, {
			jobs + "progress.go", "strings.Cut(strings.TrimSuffix(name, \".json\"), \"-\")", "strings.Cut(strings.TrimSuffix(name[strings.IndexByte(name, '/')+1:], \".json\"), \"-\")",
		}}}, "internal/job", "TestProgress", ""},
		{mutant{"the limit for each worker", "all workers together write no more", []edit{{
			jobs + "step.go", "max(1, most/int64(min(len(items), e.Workers)))", "max(1, most)",
		}}}, "internal/job", "TestLimitsAreShared", ""},
		{mutant{"a slice ends before its last object", "a deep verification decodes every object", []edit{{
			"../verify/share.go", "				last.Starts.End = r.Start\n", "				last.Starts.End = r.Start - 1\n",
		}}}, "internal/bifrost", "TestAJobFinds", ""},
		{mutant{"a slice begins behind its first object", "a deep verification decodes every object", []edit{{
			"../verify/share.go", "			after = prefix + fmt.Sprintf(\"%020d\", slice.Starts.Start)\n", "			after = prefix + fmt.Sprintf(\"%020d\", slice.Starts.Start+1)\n",
		}}}, "internal/bifrost", "TestAJobFinds", ""},
		{mutant{"the rows of the first partitions", "a verification looks at every partition", []edit{{
			jobs + "verify.go", "range slices.Chunk(all, PartitionsTogether)", "range slices.Chunk(all[:1], PartitionsTogether)",
		}}}, "internal/bifrost", "TestAJobFinds", ""},
		{mutant{"every object in every slice", "what is decoded is counted once", []edit{{
			"../verify/share.go", "		if slice.Starts.End < math.MaxInt64 {\n", "		if slice.Starts.End < 0 {\n",
		}}}, "internal/bifrost", "TestAJobFinds", ""},
		{mutant{"an export beside its prefix", "the stack says where jobs may export to", []edit{{
			"../job/export.go", "bucket != allowedBucket || !strings.HasPrefix(prefix, allowedPrefix)", "bucket != allowedBucket || prefix == allowedPrefix+allowedPrefix",
		}}}, "internal/job", "TestExportsThatAreRefused", ""},
		{mutant{"an export into the archive", "verify would take its files for something foreign", []edit{{
			"../job/export.go", "export.InsideGroup(prefix, r.Group)", "false",
		}}}, "internal/job", "TestExportsThatAreRefused", ""},
		{mutant{"an export that is done when its time is over", "the next call does the rest", []edit{{
			"../job/export.go", "return true, nil", "return false, nil",
		}}}, "internal/job", "TestExportsOutlive", ""},
		{mutant{"a slice without its last object", "a slice ends where its last row ends", []edit{{
			"../export/slices.go", "last.Starts.End = row.End", "last.Starts.End = row.Start",
		}}}, "internal/export", "TestSlices", ""},
		{mutant{"a batch without an answer counts", "each is answered, or the transaction does not count", []edit{{
			"../replay/onway.go", "	if s.err != nil {\n		return s.err\n	}\n	if s.base < s.to.end {", "	if s.err != nil && !w.unclear {\n		return s.err\n	}\n	if s.base < 0 {",
		}}}, "internal/replay", "TestConnectionsBreak", ""},
		{mutant{"an abort while a batch is on its way", "it may come behind the abort", []edit{{
			"../replay/commit.go", "	if w.unclear {\n		return nil\n	}\n", "",
		}}}, "internal/replay", "TestTheUnansweredAreNotAborted", ""},
		{mutant{"a commit is sent again", "the first one may come when the next transaction is open", []edit{{
			"../replay/producer.go", "		case err != nil && commit:\n", "		case err != nil && !commit:\n",
		}}}, "internal/replay", "TestTheUnansweredIsNotCommittedAgain", ""},
		{mutant{"batches in any order", "the broker gets them in the order of their sequences", []edit{{
			"../replay/producer.go", "	return came\n", "	now := make(chan struct{})\n	close(now)\n	return now\n",
		}}}, "internal/replay", "TestManyOnTheWay", ""},
		{mutant{"one batch at a time", "a far broker does not make a partition slow", []edit{{
			"../replay/onway.go", "var onWayMost = 16 << 20", "var onWayMost = 1",
		}}}, "internal/replay", "TestManyOnTheWay", ""},
		{mutant{"a transaction in the silence", "Kafka gives up what stands open for a minute", []edit{{
			"../replay/silence.go", "w.open && time.Since(w.begun) > w.longest", "w.open && w.begun.IsZero()",
		}}}, "internal/replay", "TestASilentSource", ""},
		{mutant{"an empty answer of a new leader", "it does not know yet how much it has", []edit{{
			"../replay/targetlog.go", "errors.Is(err, errNothing) && known < to", "errors.Is(err, errNothing) && known > to",
		}}}, "internal/replay", "TestALookAtANewLeader", ""},
		{mutant{"a commit behind a refused batch", "the clock commits nothing of a transaction that lacks one", []edit{{
			"../replay/silence.go", "	if s.failure == nil {", "	if true {",
		}}}, "internal/replay", "TestTheClockBehindAFailure", ""},
		{mutant{"back behind an interruption", "whoever was shut out ends", []edit{{
			"../replay/interruption.go", "	case err != nil, now.identity == old.identity, timedOut:", "	case err != nil, now.id == old.identity.id, timedOut:",
		}}}, "internal/replay", "TestShutOutAndInterrupted", ""},
	}
}
