package bifrosttest

// kindMutants are everyday mistakes by their kind. Each was planted by hand before
// its test was written, or found nowhere when it was.
var kindMutants = map[string][]kindMutant{
	"older tables": {
		{mutant{"own facts after a 412", "compaction may have changed the log between two attempts", []edit{{
			rules + "object.go",
			"		return winner, OutcomeAdopted, nil",
			"		return FactsOf(key, summary, Stored{Size: winner.StoredBytes, Checksum: winner.Checksum}), OutcomeAdopted, nil",
		}}}, "internal/bifrost", "TestTheWinnersFacts", ""},
		{mutant{"remainder from the task", "tables made anew may have cut the row at another end", []edit{{
			rules + "archive.go",
			"	case row.End != a.task.EndOffset:\n		// a task of earlier tables; the row's own comes or is here\n		return true, newResult(a.task, row, Facts{}, OutcomeGone, a.stopped), nil\n",
			"",
		}, {
			rules + "archive.go",
			"	facts, err := ReadFacts(ctx, a.Store, a.key, a.owner())\n	outcome",
			"	row.End = a.task.EndOffset\n	facts, err := ReadFacts(ctx, a.Store, a.key, a.owner())\n	outcome",
		}, {
			twins + "ledgerwrites.go",
			"	sameEnd := func(row bifrost.Row) bool { return row.End == w.Row.End }\n",
			"	sameEnd := func(bifrost.Row) bool { return true }\n",
		}}}, "internal/bifrost", "TestRebuildThroughFaults|TestLivesWithForks", ""},
		{mutant{"an object longer than its row taken whole", "a second stack on the bucket cuts ranges in its own way", []edit{{
			rules + "object.go",
			"	if facts.End <= r.End {\n		return facts, nil\n	}\n	clipped := facts\n",
			"	if facts.End > 0 {\n		return facts, nil\n	}\n	clipped := facts\n",
		}}}, "internal/bifrost", "TestARowKeepsItsEnd", ""},
		{mutant{"a branch left before its rows are planned", "its row was lost after the fork", []edit{{
			rules + "discover.go",
			"	if left {\n		return o.makeLastBranch(ctx, p)\n	}\n",
			"	if left {\n		_, err := o.births.leaveBranch(ctx, p)\n		return err\n	}\n",
		}}}, "internal/bifrost", "TestALeftBranch", ""},
		{mutant{"a branch that fences and was left looked at by nobody", "its row was lost after the fork", []edit{{
			rules + "view.go",
			"(p.Status == StatusForked || !last)",
			"p.Status == StatusForked && !last",
		}}}, "internal/bifrost", "TestALeftBranch", ""},
	},
	"topics that a target refuses": {
		{mutant{"one stops all", "the others can be restored", []edit{{
			"../restore/leftout.go", "		if !t.Exists && len(t.Obstacles) > 0 {", "		if !t.Exists && len(t.Obstacles) > 1 {",
		}}}, "internal/restore", "TestATopicThatMayNotBeMade|TestLeftOut", ""},
		{mutant{"left out, and not told", "what does not come back is listed", []edit{{
			"../restore/conclude.go", "	for _, l := range plan.LeftOut {", "	for _, l := range plan.LeftOut[:0] {",
		}}}, "internal/restore", "TestATopicThatMayNotBeMade", ""},
		{mutant{"all are left out", "a restore of nothing is none", []edit{{
			"../restore/leftout.go", "len(refused) == 0 || len(refused) == len(p.look.Topics)", "len(refused) == 0",
		}}}, "internal/restore", "TestTopicsOfWhichNone", ""},
		{mutant{"their records are written", "there is no topic for them", []edit{{
			"../restore/leftout.go", "slices.DeleteFunc(parts, func(part replay.Part) bool { return isRefused(part.Target) })", "parts",
		}}}, "internal/restore", "TestLeftOutOfEvery", ""},
	},
	"the middle of a commit": {
		{mutant{"transactions that nobody waits for", "their output is beyond the ends of the logs", []edit{{
			"../capture/positions.go",
			"	if err := r.awaitTransactions(ctx); err != nil {\n		return Counts{}, err\n	}\n	partitions, err := r.writeOffsets(ctx, topics)\n",
			"	partitions, err := r.writeOffsets(ctx, topics)\n",
		}}}, "internal/capture", "TestTransactions|TestGroupsComeFirst", ""},
		{mutant{"transactions awaited behind the ends", "the ends are read when all have ended", []edit{{
			"../capture/positions.go",
			"	if err := r.awaitTransactions(ctx); err != nil {\n		return Counts{}, err\n	}\n	partitions, err := r.writeOffsets(ctx, topics)\n",
			"	partitions, err := r.writeOffsets(ctx, topics)\n	if err := r.awaitTransactions(ctx); err != nil {\n		return Counts{}, err\n	}\n",
		}}}, "internal/capture", "TestTransactions|TestGroupsComeFirst", ""},
		{mutant{"transactions listed once", "some take longer", []edit{{
			"../capture/transactions.go", "	for err == nil && len(left) > 0 {", "	for err == nil && len(left) > 1 {",
		}}}, "internal/capture", "TestTransactionsEnd", ""},
		{mutant{"transactions that began later awaited", "a busy cluster would never be captured whole", []edit{{
			"../capture/transactions.go", "left = slices.DeleteFunc(left, func(id string) bool { return !slices.Contains(now, id) })", "left = slices.Clone(now)",
		}}}, "internal/capture", "TestTransactions", ""},
		{mutant{"a transaction that does not end is left out", "what is uncertain is named", []edit{{
			"../capture/transactions.go", "	for _, id := range left {\n", "	for _, id := range left[:0] {\n",
		}}}, "internal/capture", "TestTransactionsThatDoNotEnd", ""},
		{mutant{"a broker that fails has no transactions", "all have to answer", []edit{{
			"../kafka/capturetransactions.go", "			return nil, fmt.Errorf(\"the transactions that", "			continue\n			return nil, fmt.Errorf(\"the transactions that",
		}}}, "internal/kafka", "TestCaptureAwaitsTransactions", ""},
		{mutant{"hidden transactions are none", "a broker leaves them out without a word", []edit{{
			"../kafka/capturetransactions.go", "		return fmt.Errorf(\"%w (%w)\", err, errHiddenTransactions)", "		return nil",
		}}}, "internal/kafka", "TestCaptureWithAnswers", ""},
	},
	"the second page": {
		{mutant{"rows end after a page", "cat, ls and replay read every row of a partition", []edit{{
			"../readback/catalogue.go", "			if len(rows) < pageRows && err == nil {", "			if err == nil {",
		}}}, "internal/readback", "TestValuesOnly", ""},
		{mutant{"the last records of one page", "--last goes on to the page before", []edit{{
			"../readback/find.go", "		if len(rows) < lastRows {", "		if len(rows) <= lastRows {",
		}}}, "internal/readback", "Test.*Last", ""},
		{mutant{"rebuild sees a page of objects", "the end of the last object is behind the last page", []edit{{
			"../bifrost/ahead.go", "		if len(page) < ListPage {\n			break", "		if len(page) <= ListPage {\n			break",
		}}}, "internal/bifrost", "TestTwelve", ""},
		{mutant{"a plan along one page of objects", "beyond what was listed nothing is known", []edit{{
			"../bifrost/ahead.go", "n == plannedAtOnce-1 && err == nil", "n == plannedAtOnce && err == nil",
		}}}, "internal/bifrost", "TestARowOfObjects", ""},
		{mutant{"a survey of one page", "partitions behind the first page exist", []edit{{
			"../bifrost/listing.go", "		if len(page) < ListPage {\n			return partitions, nil", "		if len(page) <= ListPage {\n			return partitions, nil",
		}}}, "internal/bifrost", "TestTwelve", ""},
		{mutant{"retention of the first topics", "every topic has an answer", []edit{{
			"../kafka/retention.go", "	for some := range slices.Chunk(topics, configsAtOnce) {", "	for some := range slices.Chunk(topics[:min(len(topics), configsAtOnce)], configsAtOnce) {",
		}}}, "internal/kafka", "TestRetention$", ""},
		{mutant{"one page of a scan", "a tick reads all partitions", []edit{{
			"../dynamoledger/read.go", "	for pages.HasMorePages() {\n		page, err := pages.NextPage(ctx)\n		if err != nil {\n			return nil, err", "	for range 1 {\n		page, err := pages.NextPage(ctx)\n		if err != nil {\n			return nil, err",
		}}}, "internal/dynamoledger", "TestReadsGoOver", ""},
		{mutant{"one page of a shard", "a shard of the index may be above a megabyte", []edit{{
			"../dynamoledger/read.go", "		for pages.HasMorePages() {", "		for range 1 {",
		}}}, "internal/dynamoledger", "TestReadsGoOver", ""},
		{mutant{"one page of keys", "List gives as many as it was asked for", []edit{{
			"../s3store/list.go", "pages.HasMorePages() && len(keys) < limit; {", "pages.HasMorePages() && len(keys) == 0; {",
		}}}, "internal/s3store", "TestStoreOnFake", ""},
		{mutant{"one page of uploads", "a fence aborts every upload", []edit{{
			"../s3store/abortuploads.go", "		if !aws.ToBool(page.IsTruncated) {", "		if len(page.Uploads) > 0 || !aws.ToBool(page.IsTruncated) {",
		}}}, "internal/s3store", "TestAbortUploadsGoes", ""},
	},
	"answers that lie": {
		{mutant{"any checksum of a completion", "what is stored is what was sent", []edit{{
			"../s3store/upload.go", "sum != \"\" && sum != sent", "sum == \"-\" && sum != sent",
		}}}, "internal/s3store", "TestCompletionTells", ""},
		{mutant{"a read of any version", "an object is one object from its tail to its head", []edit{{
			"../s3store/object.go", "first, last)),\n		IfMatch: o.etag,", "first, last)),",
		}}}, "internal/s3store", "TestObjectReplaced", ""},
		{mutant{"a checksum of any version", "the checksum is that of the tail's object", []edit{{
			"../s3store/object.go", "Key: &key, IfMatch: o.etag,", "Key: &key,",
		}}}, "internal/s3store", "TestObjectReplaced", ""},
		{mutant{"bytes of any stretch", "a service that knows no ranges is found out", []edit{{
			"../s3store/object.go", "!strings.HasPrefix(told, fmt.Sprintf(\"bytes %d-\", first))", "told == \"bytes\"",
		}}}, "internal/s3store", "TestAnswersOfAnother", ""},
		{mutant{"a list without its end", "there is more and nobody says where", []edit{{
			"../s3store/list.go", "aws.ToBool(page.IsTruncated) && aws.ToString(page.NextContinuationToken) == \"\"", "aws.ToBool(page.IsTruncated) && page.Contents == nil",
		}}}, "internal/s3store", "TestListThat", ""},
		{mutant{"a scan of yesterday", "a tick decides by tables as they are", []edit{{
			"../dynamoledger/read.go", "TableName: &l.tables.Progress, ConsistentRead: aws.Bool(true),", "TableName: &l.tables.Progress,",
		}}}, "internal/dynamoledger", "TestTablesAre", ""},
		{mutant{"a row of yesterday", "a worker decides by the row as it is", []edit{{
			"../dynamoledger/read.go", "Key: key,\n		ConsistentRead: aws.Bool(true)}", "Key: key}",
		}}}, "internal/dynamoledger", "TestTablesAre", ""},
		{mutant{"checksums of parts", "a checksum of checksums tells nothing", []edit{{
			"../s3store/upload.go", "	if sum == nil || strings.Contains(*sum, \"-\") {", "	if sum == nil {",
		}}}, "internal/s3store", "TestChecksumOfChecksums", ""},
	},
	"what a process keeps": {
		{mutant{"a reading left open", "an archiver closes what it reads, however it ends", []edit{{
			"../bifrost/archive.go", "	defer records.Close()\n", "	if a.MaxRawBytes == 0 {\n		defer records.Close()\n	}\n",
		}}}, "internal/bifrost", "TestArchiverKeeps", ""},
		{mutant{"partitions that are gone", "memory follows the cluster", []edit{{
			"../bifrost/report.go", "	memory.at = at\n", "	for key, known := range memory.at {\n		if at[key].IsZero() {\n			at[key] = known\n		}\n	}\n	memory.at = at\n",
		}}}, "internal/bifrost", "TestNothingIsRemembered", ""},
		{mutant{"topics that are gone", "answers are forgotten when they are old", []edit{{
			"../bifrost/timetoloss.go", "return now.Sub(a.at) >= r.keep })", "return false && now.Sub(a.at) >= r.keep })",
		}}}, "internal/bifrost", "TestNothingIsRemembered", ""},
		{mutant{"clients of each tick", "a warm function keeps its connections", []edit{{
			"../../functions/discover/main.go", "	kept := wiring.OpenOnce(start)\n", "	kept := start\n",
		}}}, "functions/discover", "TestMainAnswersTicks", ""},
		{mutant{"clients of each range", "a warm function keeps its connections", []edit{{
			"../../functions/archive/main.go", "	kept := wiring.OpenOnce(open)\n", "	kept := open\n",
		}}}, "functions/archive", "TestMainAnswersRanges", ""},
		{mutant{"gzip without a bound", "a batch is bounded whatever its codec", []edit{{
			"../recordbatch/decompress.go", "		case int64(len(out)) > d.Most:", "		case int64(len(out)) > 4*d.Most:",
		}}}, "internal/recordbatch", "TestBombs", ""},
		{mutant{"snappy without a bound", "a batch is bounded whatever its codec", []edit{{
			"../recordbatch/decompress.go", "	if int64(len(out)+length) > d.Most {", "	if int64(length) > d.Most {",
		}}}, "internal/recordbatch", "TestBombs", ""},
		{mutant{"lz4 without a bound", "a batch is bounded whatever its codec", []edit{{
			"../recordbatch/decompress.go", "	if int64(len(out)) > d.Most {", "	if int64(len(out)) > 4*d.Most {",
		}}}, "internal/recordbatch", "TestBombs", ""},
	},
	"a context that has ended": {
		{mutant{"work after a cancellation", "nobody waits for it any more", []edit{{
			rules + "archive.go", "case err != nil && ctx.Err() != nil:", "case err != nil && false:",
		}}}, "internal/bifrost", "TestWorkerReleases", ""},
		{mutant{"a release under it", "a worker gives its range back when its time is over", []edit{{
			"../bifrost/work.go", "	err := w.Ledger.Release(context.WithoutCancel(ctx), row,", "	err := w.Ledger.Release(ctx, row,",
		}}}, "internal/bifrost", "TestWorkerReleases", ""},
		{mutant{"an abort under it", "an upload is given back when time is over", []edit{{
			"../bifrost/archive.go", "lifecycle rule.\n			_ = upload.Abort(context.WithoutCancel(ctx))", "lifecycle rule.\n			_ = upload.Abort(ctx)",
		}}}, "internal/bifrost", "TestWorkerReleases", ""},
		{mutant{"a tick's release under it", "a tick gives back what it could not start", []edit{{
			"../bifrost/dispatch.go", "d.ledger.Release(context.WithoutCancel(ctx), r,", "d.ledger.Release(ctx, r,",
		}}}, "internal/bifrost", "TestTickReleases", ""},
	},
	"time": {
		{mutant{"a range with too little time", "none is begun that cannot be brought to its end", []edit{{
			"../bifrost/work.go", "s.deadline.Sub(s.Now()) >= s.Reserve)", "s.deadline.Sub(s.Now()) >= 0)",
		}}}, "internal/bifrost", "TestNoRangeIsBegun", ""},
		{mutant{"a minute for the end", "ending takes half a minute at most", []edit{{
			"../wiring/wiring.go", "	const most = 30 * time.Second\n", "	const most = 30 * time.Minute\n",
		}}}, "internal/wiring", "TestDeadline", ""},
		{mutant{"a silent connection", "a service that says nothing is given up", []edit{{
			"../wiring/wiring.go", "		t.ResponseHeaderTimeout = answerTimeout\n", "",
		}}}, "internal/wiring", "TestSilent", ""},
		{mutant{"pauses in microseconds", "S3 needs a moment to make room", []edit{{
			"../s3store/store.go", "	longest := 200 * time.Millisecond <<", "	longest := 200 * time.Microsecond <<",
		}}}, "internal/s3store", "TestPauses", ""},
		{mutant{"pauses in seconds", "workers meet at a row for moments", []edit{{
			"../dynamoledger/errors.go", "	longest := 50 * time.Millisecond <<", "	longest := 50 * time.Second <<",
		}}}, "internal/dynamoledger", "TestPauses", ""},
	},
	"who is at work": {
		{mutant{"an event forgotten while it waits", "Lambda keeps an event for a minute", []edit{{
			"../bifrost/invocation.go", "	toBegin = 65 * time.Second", "	toBegin = 55 * time.Second",
		}}}, "internal/bifrost", "TestLambdaHasNoRoom", ""},
		{mutant{"an event that Lambda keeps for hours", "what waits in the queue counts as at work", []edit{{
			"../../template.yaml", "run beside that one.\n        MaximumRetryAttempts: 0\n        MaximumEventAgeInSeconds: 60\n", "run beside that one.\n        MaximumRetryAttempts: 0\n        MaximumEventAgeInSeconds: 900\n",
		}}}, "internal/templates", "TestNumbers|TestLimitsCome", ""},
		{mutant{"a death of who never lived", "a function that never began says nothing of a range", []edit{{
			"../bifrost/invocation.go", "known && !had.Begun {", "known && false && had.Begun {",
		}}}, "internal/bifrost", "TestLambdaHasNoRoom", ""},
		{mutant{"a dead function keeps its slot", "who was killed does not count for ever", []edit{{
			"../bifrost/invocation.go", "		if now.Before(i.AliveUntil) {\n			n++", "		if !i.AliveUntil.IsZero() {\n			n++",
		}}}, "internal/bifrost", "TestLambdaHasNoRoom", ""},
		{mutant{"a killer at every tick", "from the eighth death on a range waits as one that fails", []edit{{
			"../bifrost/invocation.go", "	return pause(tries)\n", "	return 0\n",
		}}}, "internal/bifrost", "TestRangeThatKills", ""},
		{mutant{"a pause after the first death", "functions die for reasons that are not the range's", []edit{{
			"../bifrost/invocation.go", "	case tries <= 3:\n		return 0\n", "	case tries <= 3:\n		return 5 * time.Minute\n",
		}}}, "internal/bifrost", "TestRangeThatKills", ""},
		{mutant{"a killer in company", "what kills whoever reads it soon dies alone", []edit{{
			"../bifrost/dispatch.go", "return max(1, together>>min(2*tries, 30))", "return max(1, together)",
		}}}, "internal/bifrost", "TestRangeThatKills", ""},
		{mutant{"a worker takes a killer along", "what was tried before goes alone", []edit{{
			"../bifrost/work.go", "return row.isSmall() && s.atWork.triesOf(row) == 0", "return row.isSmall()",
		}}}, "internal/bifrost", "TestWorkerGoesOnWith", ""},
		{mutant{"a second delivery works too", "an event is worked on once while the first is alive", []edit{{
			"../bifrost/work.go", "	case was.Begun && s.Now().Before(was.AliveUntil):\n", "	case false:\n",
		}}}, "internal/bifrost", "TestSecondDelivery", ""},
		{mutant{"the dead keep their event", "a delivery after the first has died does the work", []edit{{
			"../bifrost/work.go", "	case was.Begun && s.Now().Before(was.AliveUntil):\n", "	case was.Begun:\n",
		}}}, "internal/bifrost", "TestSecondDelivery", ""},
		{mutant{"a function at work for ever", "in the end it says so", []edit{{
			"../bifrost/work.go", "	defer s.endWork(ctx)\n", "	defer s.stop()\n",
		}}}, "internal/bifrost", "TestSmallRangesShare", ""},
		{mutant{"a renewal behind the end", "who has ended does not go on", []edit{{
			"../wiring/wiring.go", "		close(done)\n		<-ended\n", "		close(done)\n",
		}}}, "internal/wiring", "TestRenewing", ""},
		{mutant{"one of many", "an event stands for all that its function was given", []edit{{
			"../bifrost/work.go", "			tasks = append(tasks, other)\n", "			continue\n",
		}}}, "internal/bifrost", "TestSmallRangesShare", ""},
	},
	"what waits": {
		{mutant{"quiet until it is nearly lost", "nothing waits until an alarm", []edit{{
			"../bifrost/plan.go", "left/quietShare, left-s.NearLoss)", "left/quietShare)",
		}}}, "internal/bifrost", "TestAQuietWeek", ""},
		{mutant{"a burst waits as a trickle", "many offsets are no quiet tail", []edit{{
			"../bifrost/plan.go", "tail <= burst*p.RecentOffsets && ", "",
		}}}, "internal/bifrost", "TestWhatDoesNotWait", ""},
		{mutant{"zero waits", "an age of zero waits for nothing", []edit{{
			"../bifrost/plan.go", "	if s.MaxAge == 0 || !IsQuietTail(", "	if !IsQuietTail(",
		}}}, "internal/bifrost", "TestWhatDoesNotWait", ""},
		{mutant{"no quiet age", "a record a minute is no object each quarter of an hour", []edit{{
			"../bifrost/plan.go", "	return max(s.MaxAge, min(quiet,", "	return min(s.MaxAge, min(quiet,",
		}}}, "internal/bifrost", "TestAQuietWeek", ""},
		{mutant{"late before it is due", "what waits for its age is not late", []edit{{
			"../bifrost/report.go", "		if !due {\n			at[key] = s.seen.At\n			continue\n		}\n", "		if !due {\n			since = waitingSince(*s.progress, memory.at[key])\n		}\n",
		}}}, "internal/bifrost", "TestAQuietWeek", ""},
		{mutant{"due from before the burst", "a tail that becomes a burst is due from then on", []edit{{
			"../bifrost/report.go", "		if !due {\n			at[key] = s.seen.At\n", "		if !due {\n			at[key] = memory.at[key]\n",
		}}}, "internal/bifrost", "TestAQuietWeek", ""},
		{mutant{"stalled before it is due", "nothing stalls while everything waits for its age", []edit{{
			"../bifrost/report.go", "int64(min(longest, v.sinceArchived(now)).Seconds())", "int64(v.sinceArchived(now).Seconds())",
		}}}, "internal/bifrost", "TestAQuietWeek", ""},
		{mutant{"a quiet age over a topic's own", "TopicOverrides holds always", []edit{{
			"../config/overrides.go", "sizing.MaxAge, sizing.QuietMaxAge = o.MaxAge, 0", "sizing.MaxAge = o.MaxAge",
		}}}, "internal/config", "TestOverrides", ""},
		{mutant{"a plan of what the event names", "plan says all that a function would be given", []edit{{
			"../dryrun/ledgerwrites.go", "l.started = append(l.started, i.Tasks...)", "l.started = append(l.started, i.Tasks[0])",
		}}}, "internal/dryrun", "Test", ""},
	},
	"glue": {
		{mutant{"a tick that fails in silence", "an alarm watches the errors of discover", []edit{{
			"../../functions/discover/main.go", "	return summary, err\n}\n\nfunc main", "	return summary, nil\n}\n\nfunc main",
		}}}, "functions/discover", "TestMainAnswersATick", ""},
		{mutant{"a range that fails uncounted", "FailedRanges counts what failed", []edit{{
			"../../functions/archive/main.go", "parts.ReportRanges(ctx, results, err)", "parts.ReportRanges(ctx, results, nil)",
		}}}, "functions/archive", "TestMainAnswersARange", ""},
		{mutant{"crossed parameters", "each variable comes from its own", []edit{{
			"../../template.yaml", "BIFROST_INCLUDE_TOPICS: !Ref IncludeTopics", "BIFROST_INCLUDE_TOPICS: !Ref ExcludeTopics",
		}}}, "internal/templates", "TestEveryVariable", ""},
		{mutant{"another default", "a stack does by default what a program does", []edit{{
			"../../template.yaml", "    Default: 134217728\n", "    Default: 13421772\n",
		}}}, "internal/templates", "TestParameters", ""},
		{mutant{"days that Athena does not look for", "clocks that are not set say 1970", []edit{{
			"../../template.yaml", "    Default: 1970-01-01,NOW+1DAYS\n", "    Default: 2020-01-01,NOW+1DAYS\n",
		}}}, "internal/export", "TestAthenaFinds", ""},
		{mutant{"a folder that Athena does not look into", "it is called as export calls it", []edit{{
			"../../infra/athena.yaml", "/topic=${!topic}/date=${!date}\n", "/topic=${!topic}/day=${!date}\n",
		}}}, "internal/export", "TestAthenaFinds", ""},
		{mutant{"a period of hours", "alarms speak within minutes", []edit{{
			"../../infra/observability.yaml", "      MetricName: Diverged\n      Dimensions: [{ Name: Stack, Value: !Ref Name }]\n      Statistic: Maximum\n      Period: 300\n", "      MetricName: Diverged\n      Dimensions: [{ Name: Stack, Value: !Ref Name }]\n      Statistic: Maximum\n      Period: 3600\n",
		}}}, "internal/templates", "TestNumbers", ""},
	},
	"units and sizes": {
		{mutant{"retention of 32 bits", "retention is longer than 24.8 days", []edit{{
			"../kafka/retention.go", "strconv.ParseInt(values[name], 10, 64)", "strconv.ParseInt(values[name], 10, 32)",
		}}}, "internal/kafka", "TestRetention$", ""},
		{mutant{"seconds that are counted", "every metric has its unit", []edit{{
			"../metrics/metrics.go", "{Stalled, seconds,", "{Stalled, count,",
		}}}, "internal/metrics", "TestTick", ""},
		{mutant{"every failure in the answer", "an answer is bounded", []edit{{
			"../bifrost/message.go", "if len(*failed) < MaxReportedFailures {", "if len(*failed) < MaxReportedFailures*10_000 {",
		}}}, "internal/bifrost", "TestATickWithAHundred", ""},
	},
	"places": {
		{mutant{"the zone of the machine", "times are in UTC", []edit{{
			"../../cmd/bifrost/internal/human/human.go", "t.UTC().Format(\"2006-01-02T15:04:05.000Z\")", "t.Format(\"2006-01-02T15:04:05.000Z\")",
		}}}, "cmd/bifrost", "TestTimesAre", "America/St_Johns"},
		{mutant{"a full disk", "what could not be written is a failure", []edit{{
			"../../cmd/bifrost/internal/console/console.go", "	if flushErr := out.Flush(); err == nil {\n		err = flushErr\n	}\n", "	out.Flush()\n",
		}}}, "cmd/bifrost", "TestAFullDisk", ""},
		{mutant{"partitions by their letters", "the tenth comes after the second", []edit{{
			"../readback/catalogue.go", "cmp.Compare(a.Number, b.Number))\n	})\n}", "cmp.Compare(fmt.Sprint(a.Number), fmt.Sprint(b.Number)))\n	})\n}",
		}}}, "cmd/bifrost", "TestPartitionsAre", ""},
	},
	"tables older than the bucket": {
		{mutant{"a plan without a mark", "every tick that plans counts up first", []edit{{
			"../bifrost/writeplan.go", "	if err := b.Marks.enterPlan(ctx); err != nil {\n", "	if err := error(nil); err != nil {\n",
		}}}, "internal/bifrost", "TestRestoredBackup", ""},
		{mutant{"a newer mark overlooked", "a mark that the tables do not know makes them older", []edit{{
			"../bifrost/marks.go", "		if !newer {\n", "		if !newer || mark.Number >= 0 {\n",
		}}}, "internal/bifrost", "TestRestoredBackup", ""},
		{mutant{"the mark before the row", "a mark that the tables of that moment do not know is no backup", []edit{{
			"../bifrost/marks.go", "		err = m.ledger.SetMark(ctx, mark, next)\n		if errors.Is(err, ErrConflict) {\n			continue\n", "		if err := m.putMark(ctx, next.Series, next.Number); err != nil {\n			return err\n		}\n		err = m.ledger.SetMark(ctx, mark, next)\n		if errors.Is(err, ErrConflict) {\n			continue\n",
		}}}, "internal/bifrost", "TestMarkWhoseRow", ""},
		{mutant{"the row not read again", "another tick may have counted up meanwhile", []edit{{
			"../bifrost/marks.go", "		again, err := m.ledger.Mark(ctx)\n		if err == nil &&", "		again, err := mark, error(nil)\n		if err == nil &&",
		}}}, "internal/bifrost", "TestTicksThatOverlap", ""},
		{mutant{"a hole in the series", "a number without a mark is put by the next tick", []edit{{
			"../bifrost/marks.go", "	if there || err != nil {\n		return err\n	}\n	return m.put", "	if there || err != nil || mark.Number > 0 {\n		return err\n	}\n	return m.put",
		}}}, "internal/bifrost", "TestMarkThatCannotBePut", ""},
		{mutant{"nothing closes the last plan", "a backup of the moment between count and plan is older a quarter of an hour later", []edit{{
			"../bifrost/marks.go", "	if !m.at.IsZero() || !mark.Planned ||", "	if !m.at.IsZero() || mark.Planned ||",
		}}}, "internal/bifrost", "TestMarksCost", ""},
		{mutant{"a tick at rest counts", "an idle stack writes nothing", []edit{{
			"../bifrost/marks.go", "	if !m.at.IsZero() || !mark.Planned ||", "	if !m.at.IsZero() ||",
		}}}, "internal/bifrost", "TestMarksCost", ""},
		{mutant{"counted once for hours", "whoever plans for long counts up again", []edit{{
			"../bifrost/marks.go", "(m.at.IsZero() || now.Sub(m.at) >= countAgain)", "m.at.IsZero()",
		}}}, "internal/bifrost", "TestPlanningThat", ""},
		{mutant{"ticks under a rebuild", "no tick plans before the rebuild is through", []edit{{
			"../bifrost/marks.go", "		if mark.Next != \"\" {\n			return mark, m.older", "		if mark.Next != \"\" && false {\n			return mark, m.older",
		}}}, "internal/bifrost", "TestNoTickPlans", ""},
		{mutant{"a rebuild that has to be asked", "rebuild notices by itself", []edit{{
			"../repair/rebuild.go", "	r.anew = r.Anew || older\n", "	r.anew = r.Anew\n",
		}}}, "internal/bifrost", "TestRebuildOfOlder", ""},
		{mutant{"through with some topics", "ticks plan again when all were made anew", []edit{{
			"../repair/rebuild.go", "	if !r.summary.Older || !r.selectsAll() ||", "	if !r.summary.Older ||",
		}}}, "internal/bifrost", "TestRebuildOfSome", ""},
		{mutant{"through with a failure", "ticks plan again when all were made anew", []edit{{
			"../repair/rebuild.go", "|| r.summary.Failures > r.strangers {\n		return nil", "{\n		return nil",
		}}}, "internal/bifrost", "TestRebuildWithAFailure", ""},
		{mutant{"each run begins the pause again", "a run that was stopped goes on", []edit{{
			"../bifrost/rebuild.go", "return r.Series != \"\" && p.Series == r.Series }", "return r.Series != \"\" && p.Series == r.Series && p.Series == \"\" }",
		}}}, "internal/bifrost", "TestRebuildAnewGoesOn|TestRebuildInMany", ""},
		{mutant{"only what is FENCING goes on", "a run that was stopped goes on", []edit{{
			"../bifrost/rebuild.go", "return r.Series != \"\" && p.Series == r.Series }", "return r.Series != \"\" && p.Series == r.Series && p.Status == StatusFencing }",
		}}}, "internal/bifrost", "TestRebuildInMany", ""},
		{mutant{"planned rows of a backup kept", "what was planned since may be an object inside of one", []edit{{
			"../bifrost/rebuildrows.go", "	if !r.hasMade(p) ||", "	if r.Series != \"\" || !r.hasMade(p) ||",
		}}}, "internal/bifrost", "TestPlannedRowsOf", ""},
		{mutant{"planned rows of a backup forgotten", "what they promised is archived, or a gap", []edit{{
			"../bifrost/rebuild.go", "		made.KnownUntil = rows", "		made.KnownUntil = 0 * rows",
		}}}, "internal/bifrost", "TestWhatABackup", ""},
		{mutant{"an old rebuild gone on with", "the first mark of a series ends the rebuild that gave it", []edit{{
			"../bifrost/marks.go", "	if err := m.putMark(ctx, mark.Next, 1); err != nil {\n		return err\n	}\n	err :=", "	err :=",
		}}}, "internal/bifrost", "TestBackupOfARebuild", ""},
		{mutant{"all stop for one topic", "tables that are not older stop nobody", []edit{{
			"../repair/rebuild.go", "!older && !(r.Anew && r.selectsAll()) {", "!older && !r.Anew {",
		}}}, "internal/bifrost", "TestAnewOfSome", ""},
		{mutant{"lost tables leave their series open", "the backup of lost tables is older", []edit{{
			"../bifrost/marks.go", "	if err := m.closeSeries(ctx, all, TablesMark{}); err != nil {", "	if err := m.closeSeries(ctx, nil, TablesMark{}); err != nil {",
		}}}, "internal/bifrost", "TestBackupOfLost", ""},
		{mutant{"a rebuild leaves other series open", "whichever backup comes next is older", []edit{{
			"../bifrost/marks.go", "		if series == of.Next {\n", "		if series == of.Next || series != of.Series {\n",
		}}}, "internal/bifrost", "TestBackupAfterALostMark", ""},
		{mutant{"one mark to close a series", "a row is one ahead of the last mark at most", []edit{{
			"../bifrost/marks.go", "number <= last+2;", "number <= last+1;",
		}}}, "internal/bifrost", "TestBackupOneAhead", ""},
		{mutant{"a series closed that has just begun", "series are listed before the row is read again", []edit{{
			"../bifrost/marks.go", "	if now.Series != of.Series || now.Next != of.Next {", "	if of.Series != \"\" && (now.Series != of.Series || now.Next != of.Next) {",
		}}}, "internal/bifrost", "TestTicksThatBegin", ""},
		{mutant{"a last mark before a hole", "what somebody deleted does not mislead", []edit{{
			"../bifrost/marks.go", "		return err != nil || len(keys) == 0\n", "		return err != nil || len(keys) == 0 || keys[0] != MarkKey(m.group, series, number+1)\n",
		}}}, "internal/bifrost", "TestLastMark", ""},
		{mutant{"an upgrade taken for a backup", "tables of before there were marks go on", []edit{{
			"../bifrost/marks.go", "	if planned && len(all) > 0 {", "	if planned && len(all) >= 0 {",
		}}}, "internal/bifrost", "TestUpgrade", ""},
		{mutant{"a row that is lost alone", "tables without a mark, in a bucket with marks, are older", []edit{{
			"../bifrost/marks.go", "	if planned && len(all) > 0 {", "	if planned && len(all) < 0 {",
		}}}, "internal/bifrost", "TestUpgrade", ""},
		{mutant{"verify without marks", "verify says that the tables are older", []edit{{
			"../verify/marks.go", "	case last > now.Number:\n", "	case last > now.Number+1000:\n",
		}}}, "internal/bifrost", "TestVerifyFindsDamage", ""},
		{mutant{"verify over a hole", "verify names marks that are gone", []edit{{
			"../verify/marks.go", "v.markViolation(MarkMissing, bifrost.MarkKey(v.Group, mark.Series, next), \"a mark of each number\",\n					\"none, and one of a higher number\")", "_ = key",
		}}}, "internal/bifrost", "TestVerifyFindsDamage", ""},
		{mutant{"verify without the row", "verify says it of tables without a mark", []edit{{
			"../verify/marks.go", "	if !bifrost.AnyPlanned(progress) {", "	if bifrost.AnyPlanned(progress) {",
		}}}, "internal/bifrost", "TestVerifyFindsDamage", ""},
		{mutant{"the mark among partitions", "the mark of the tables is no progress row", []edit{{
			"../dynamoledger/read.go", "slices.DeleteFunc(page.Items, isMark)", "page.Items",
		}}}, "internal/dynamoledger", "TestMarkIs", ""},
	},
	"what survived a blind planting": {
		{mutant{"ls in all times", "ls lists what is selected", []edit{{
			"../../cmd/bifrost/ls.go", "|| !l.Times.Overlaps(row) {", "{",
		}}}, "cmd/bifrost", "TestLsLists", ""},
		{mutant{"more than the last", "--last prints so many records", []edit{{
			"../../cmd/bifrost/cat.go", "				skip--\n				continue\n", "				skip--\n",
		}}}, "cmd/bifrost", "TestCatPrints", ""},
		{mutant{"a rehearsal without a limit", "a rehearsal shows what the tables would", []edit{{
			"../dryrun/ledger.go", "return rows[:min(limit, len(rows))], nil", "return rows, nil",
		}}}, "internal/dryrun", "TestARehearsalKeepsLimits", ""},
		{mutant{"a rehearsal under any suspicion", "a rehearsal refuses what the tables would", []edit{{
			"../dryrun/ledgerwrites.go", "p.Status.Workable() && sameSuspicion(*p, w.Progress)\n", "p.Status.Workable()\n",
		}}}, "internal/dryrun", "TestARehearsalIsAs", ""},
		{mutant{"equal times written twice", "the newest record may be of the same time", []edit{{
			"../dynamoledger/advance.go", "+ \" <= \" +", "+ \" < \" +",
		}}}, "internal/dynamoledger", "TestNewestRecord", ""},
		{mutant{"an estimate rounded down", "half-empty objects beat objects twice the target", []edit{{
			"../bifrost/plan.go", "(p.RecentRawBytes+p.RecentOffsets-1)/p.RecentOffsets", "p.RecentRawBytes/p.RecentOffsets",
		}}}, "internal/bifrost", "TestRangesFit", ""},
		{mutant{"lines of no request", "every line has its invocation", []edit{{
			"../../functions/discover/main.go", "	d.Log = s.parts.LogOf(ctx)\n", "",
		}}}, "functions/discover", "TestLinesOf", ""},
		{mutant{"a tick of no request", "every line has its invocation", []edit{{
			"../wiring/report.go", "	log := p.LogOf(ctx)\n	log.LogAttrs(ctx, slog.LevelInfo, \"tick\"", "	log := p.Log\n	log.LogAttrs(ctx, slog.LevelInfo, \"tick\"",
		}}}, "functions/discover", "TestLinesOf", ""},
		{mutant{"ranges of no request", "every line has its invocation", []edit{{
			"../wiring/report.go", "	log := p.LogOf(ctx)\n	for _, r := range results {", "	log := p.Log\n	for _, r := range results {",
		}}}, "functions/archive", "TestMainAnswersRanges", ""},
		{mutant{"a worker with time that nobody gave it", "a worker begins nothing that it cannot bring to its end", []edit{{
			"../../functions/archive/main.go", "Work(ctx, task, wiring.Deadline(ctx))", "Work(ctx, task, wiring.Deadline(ctx).Add(1<<42))",
		}}}, "functions/archive", "TestMainAnswersRanges", ""},
		{mutant{"ls of any state", "ls lists what is selected", []edit{{
			"../../cmd/bifrost/ls.go", "if !l.isAsked(row) ||", "if",
		}}}, "cmd/bifrost", "TestLsLists", ""},
	},
	"the fence": {
		{mutant{"listed before the pause", "only behind the pause a listing shows all that will ever be there", []edit{{
			"../bifrost/birth.go", "	\"time\"\n)\n", "	\"time\"\n)\n\nvar listed sync.Map // the end of the last object, by generation\n",
		}, {
			"../bifrost/birth.go", "	p.FencedAt = b.Now()\n	err = b.Ledger.FenceProgress(ctx, *p)\n",
			"	p.FencedAt = b.Now()\n	early, err := b.lastObjectEnd(ctx, *p)\n	if err != nil {\n		return false, err\n	}\n	listed.Store(p.Generation, early)\n	err = b.Ledger.FenceProgress(ctx, *p)\n",
		}, {
			"../bifrost/birth.go", "	rows, err := b.lastRowEnd(ctx, p.Partition)\n",
			"	if early, ok := listed.Load(p.Generation); ok {\n		objectsEnd = early.(int64)\n	}\n	rows, err := b.lastRowEnd(ctx, p.Partition)\n",
		}}}, "internal/bifrost", "TestListingComes", ""},
		{mutant{"a birth object before the row", "who has made it knows that nobody was there before the row", []edit{{
			"../bifrost/birth.go", "	\"time\"\n)\n", "	\"time\"\n)\n\nvar bornEarly sync.Map // by generation\n",
		}, {
			"../bifrost/birth.go", "	b.tellMoved()\n	err = b.Ledger.CreateProgress(ctx, p)\n",
			"	b.tellMoved()\n	early, err := b.putBirth(ctx, p)\n	if err != nil {\n		return nil, err\n	}\n	bornEarly.Store(p.Generation, early)\n	err = b.Ledger.CreateProgress(ctx, p)\n",
		}, {
			"../bifrost/birth.go", "	unused, err := b.putBirth(ctx, *p)\n	if err != nil {\n		return false, err\n	}\n",
			"	unused, err := b.putBirth(ctx, *p)\n	if err != nil {\n		return false, err\n	}\n	if early, ok := bornEarly.Load(p.Generation); ok {\n		unused = early.(bool)\n	}\n",
		}}}, "internal/bifrost", "TestBirthObjectComes", ""},
		{mutant{"a pause of before the abort", "the pause begins when the uploads are aborted", []edit{{
			"../bifrost/birth.go", "	if due := p.FencedAt.Add(b.FencePause); !p.FencedAt.IsZero()", "	if due := p.LastPlannedAt.Add(b.FencePause); !p.FencedAt.IsZero()",
		}}}, "internal/bifrost", "TestThePauseBegins", ""},
	},
	"the gateway": {
		{mutant{"the live log below the switch", "what both have comes from the archive", []edit{{
			"../gateway/fetch.go", "\tif offset >= end {\n\t\tif node",
			"\tif offset >= start {\n\t\tif node",
		}}}, "internal/gateway", "TestWhatBothHave", ""},
		{mutant{"retention that was faster is a truncation", "the next tick records a gap", []edit{{
			"../gateway/splice.go", "\tcase offset < start.Offset:\n",
			"\tcase offset < 0:\n",
		}}}, "internal/gateway", "TestAGapThatNoTick", ""},
		{mutant{"a shorter log under the same epoch", "what was passed on has to be in it", []edit{{
			"../gateway/splice.go", "\t\tif ofEpoch != state.epoch || end < state.next {",
			"\t\tif ofEpoch != state.epoch || end < 0 {",
		}}}, "internal/gateway", "TestALiveLogThatIsCut", ""},
		{mutant{"latest is where the archive ends", "consumers go on to the live end", []edit{{
			"../gateway/positions.go", "\t\t\tl.to.Offset = max(answer.Offset, l.nextOffset())\n\t\tcase l.timestamp == greatestTime",
			"\t\t\tl.to.Offset = l.nextOffset()\n\t\tcase l.timestamp == greatestTime",
		}}}, "internal/gateway", "TestTheLiveLogGoesOn", ""},
		{mutant{"members of the new protocol not counted", "a coordinator lets members of the old one join them", []edit{{
			"../gateway/groups.go", "\tif len(all) > 0 || !l.describesConsumers {",
			"\tif len(all) >= 0 || !l.describesConsumers {",
		}}}, "internal/gateway", "TestAProductionGroupOfTheNew", ""},
		{mutant{"anybody's members removed", "a tool may ask to remove members of a group", []edit{{
			"../gateway/groups.go", "one.MemberID == other.id || one.InstanceID",
			"one.InstanceID",
		}}}, "internal/gateway", "TestAProductionGroupIsRefused", ""},
		{mutant{"every group for every user", "the coordinator sees the gateway's principal", []edit{{
			"../gateway/groups.go", "\tif c.live == nil || !c.login.mayUse(group) {",
			"\tif c.live == nil {",
		}}}, "internal/gateway", "TestUsersUse", ""},
		{mutant{"a position of an earlier life", "the live cluster knows plain names only", []edit{{
			"../gateway/committed.go", "t.name != t.kafkaName || now.id != t.id",
			"t.name != t.kafkaName || now.id.IsZero()",
		}}}, "internal/gateway", "TestATopicThatWasMadeAgain", ""},
		{mutant{"a position below the live log moves", "a consumer is reset there without a word", []edit{{
			"../gateway/moves.go", "position.At < start.Offset",
			"position.At < 0",
		}}}, "internal/gateway", "TestWhetherAGroup", ""},
	},
}
