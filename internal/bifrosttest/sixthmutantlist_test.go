package bifrosttest

import "maps"

func init() { maps.Copy(kindMutants, sixthMutants) }

// sixthMutants were planted by a sixth reader who had not looked at the tests, and survived
// them, or are like those.
var sixthMutants = map[string][]kindMutant{
	"more lives, branches and files than one": {
		{mutant{"only the first newer life", "the others may have records in the target", []edit{{
			"../replay/order.go", "		if err != nil || written && life.Apart {\n", "		if true {\n",
		}}}, "internal/replay", "TestOlderLives", ""},
		{mutant{"only the first life beside", "another one may have records to write", []edit{{
			"../replay/order.go", "			if !both {\n				continue\n			}\n", "			if !both {\n				break\n			}\n",
		}}}, "internal/replay", "TestLivesMixed", ""},
		{mutant{"branches in the order of their digits", "10 is behind 9", []edit{{
			"../restore/cut.go", "return cmp.Compare(a.Fork(), b.Fork())", "return cmp.Compare(a.Name, b.Name)",
		}}}, "internal/restore", "TestCutIs", ""},
		{mutant{"files that stay open", "there may be thousands", []edit{{
			"../../cmd/bifrost/cat.go", "	defer closeFile()\n", "	_ = closeFile\n",
		}}}, "cmd/bifrost", "TestCatCloses", ""},
		{mutant{"a limit for workers that have nothing to do", "the others would be slow", []edit{{
			"../job/step.go", "max(1, most/int64(min(len(items), e.Workers)))", "max(1, most/int64(e.Workers))",
		}}}, "internal/job", "TestLimitsAreShared", ""},
		{mutant{"a limit for items that wait", "so many are not at work", []edit{{
			"../job/step.go", "max(1, most/int64(min(len(items), e.Workers)))", "max(1, most/int64(len(items)))",
		}}}, "internal/job", "TestLimitsAreShared", ""},
	},
	"what lasts, and how long": {
		{mutant{"a retention that each use renews", "somebody may shorten it", []edit{{
			"../bifrost/timetoloss.go", "			answers[topic] = a.Retention\n",
			"			r.topics[topic] = rememberedAnswer{a.Retention, now}\n			answers[topic] = a.Retention\n",
		}}}, "internal/bifrost", "TestRetentionIsRemembered", ""},
		{mutant{"a first offset that each use renews", "objects are erased", []edit{{
			"../gateway/partition.go", "		return start, nil\n	}\n	from := int64(0)\n",
			"		p.mutex.Lock()\n		p.startAt = p.now()\n		p.mutex.Unlock()\n		return start, nil\n	}\n	from := int64(0)\n",
		}}}, "internal/gateway", "TestTheFirstOffset", ""},
		{mutant{"a time index that is counted again", "none would be kept in the end", []edit{{
			"../gateway/times.go", "p.indexed.bytes.Add(x.size() - p.times.size())", "p.indexed.bytes.Add(x.size())",
		}}}, "internal/gateway", "TestTimeIndexes", ""},
		{mutant{"a time index that is dropped and counted", "its room is free", []edit{{
			"../gateway/times.go", "	p.indexed.bytes.Add(-p.times.size())\n", "",
		}}}, "internal/gateway", "TestTimeIndexes", ""},
		{mutant{"leaders looked for as long as a fetch", "the look goes on behind it", []edit{{
			"../gateway/live.go", "context.WithTimeout(context.Background(), upstreamPatience)", "context.WithTimeout(ctx, upstreamPatience)",
		}}}, "internal/gateway", "TestLeadersThatMove", ""},
		{mutant{"a comparison that is not closed", "each keeps a fetch", []edit{{
			"../verify/kafka.go",
			"	defer log.Close()\n	for position := r.Start; position < r.End; {\n		batch, err := log.Next(ctx)\n		if deletedMeanwhile(err) {\n			c.",
			"	for position := r.Start; position < r.End; {\n		batch, err := log.Next(ctx)\n		if deletedMeanwhile(err) {\n			c.",
		}}}, "internal/bifrost", "TestVerifyFinds", ""},
		{mutant{"a look into a gap that is not closed", "each keeps a fetch", []edit{{
			"../verify/kafka.go",
			"	defer log.Close()\n	for position := r.Start; position < r.End; {\n		batch, err := log.Next(ctx)\n		if deletedMeanwhile(err) {\n			return",
			"	for position := r.Start; position < r.End; {\n		batch, err := log.Next(ctx)\n		if deletedMeanwhile(err) {\n			return",
		}}}, "internal/bifrost", "TestVerifyFinds", ""},
		{mutant{"denials since the first request", "the broker may be the last to know", []edit{{
			"../kafka/fetch.go", "return i.sinceText(i.doubted)+pause", "return i.sinceText(i.began)+pause",
		}}}, "internal/kafka", "TestDenials", ""},
		{mutant{"denials since the last one", "a topic that is gone does not come back", []edit{{
			"../kafka/fetch.go", "	if i.doubted.IsZero() {\n		i.doubted = time.Now()\n	}\n", "	i.doubted = time.Now()\n",
		}}}, "internal/kafka", "TestDenials", ""},
		{mutant{"checks without a time limit", "a firewall answers none", []edit{{
			"../../cmd/bifrost/internal/doctor/checks.go", "context.WithTimeoutCause(ctx, d.patience, errors.New(\"no answer in time\"))",
			"context.WithCancel(ctx)",
		}, {
			"../../cmd/bifrost/internal/doctor/checks.go", "	\"errors\"\n", "",
		}}}, "cmd/bifrost/internal/doctor", "TestEachCheck", ""},
	},
	"the place and the last digit of a time": {
		{mutant{"the day of this machine", "folders are of days of UTC", []edit{{
			"../export/days.go", ".UTC().Format(time.DateOnly)", ".Format(time.DateOnly)",
		}}}, "internal/export", "TestDaysBegin", "America/St_Johns"},
		{mutant{"the beginning of a second", "what is shown is meant", []edit{{
			"../../cmd/bifrost/clusters.go", "captures, second.Add(time.Second-time.Millisecond))", "captures, asked)",
		}}}, "cmd/bifrost", "TestACaptureIsNamed", ""},
		{mutant{"the day of today for the last hour", "the hour may begin yesterday", []edit{{
			"../../infra/athena.yaml", "CAST(CAST(current_timestamp - INTERVAL '1' HOUR AS date) AS varchar)", "CAST(current_date AS varchar)",
		}}}, "internal/templates", "TestQueriesRead", ""},
		{mutant{"a size without its last bits", "a trailer has it modulo 4 GiB", []edit{{
			"../../baldr/plain_members.go", "uint32(p.facts.rawBytes) != binary.LittleEndian.Uint32(trailer[4:])",
			"p.facts.rawBytes != int64(binary.LittleEndian.Uint32(trailer[4:]))",
		}}}, "baldr", "TestSizesBeyond", ""},
	},
}
