package bifrosttest

// What goes wrong where a person is in trouble: a restore, its drill, and the repair of
// tables. Each says of something that it is as it was, and it is not.
func init() {
	const (
		restore, repair, plan, capture = "../restore/", "../repair/", "../replayplan/", "../capture/"
		inRestore, whole               = "internal/restore", "TestRestoreAsAWhole"
		refused, fixes                 = "TestWhatTheTargetRefuses", "TestFix"
	)
	kindMutants["restores and repairs"] = []kindMutant{
		{mutant{"a partition whose end nobody tells is empty", "records would be mixed", []edit{{
			restore + "plan.go", "		err = ends.Error() // a partition that does not answer is not one without records\n", "",
		}}}, inRestore, refused, ""},
		{mutant{"a partition that was empty may hold records", "they would be mixed", []edit{{
			restore + "plan.go", "return end.Offset > 0", "return end.Offset > 1<<40",
		}}}, inRestore, "TestWhatStandsAgainst", ""},
		{mutant{"records of nobody are taken for those of a replay", "they would be mixed", []edit{{
			restore + "plan.go", "len(foreign) > 0 && plan.todo[key.target]", "len(foreign) > 1<<40 && plan.todo[key.target]",
		}}}, inRestore, "TestWhatStandsAgainst", ""},
		{mutant{"settings are put back before the records are there", "Kafka would delete what comes back", []edit{{
			restore + "finish.go", "case plan.todo[t.Name]:", "case plan.todo[t.Name] && !there:",
		}}}, inRestore, "TestFinishBefore", ""},
		{mutant{"settings that could not be put back are", "a topic would keep everything for ever", []edit{{
			restore + "finish.go", "wrong[i] = err.Error()", "wrong[i] = err.Error()[:0]",
		}}}, inRestore, refused, ""},
		{mutant{"a group's own position in the target is moved", "it may have read on", []edit{{
			restore + "groups.go", "); !some && s.partition != nil {", "); s.partition != nil {",
		}, {
			restore + "groups.go", "if _, some := there.Lookup(s.report.Topic, s.report.Partition); s.partition", "if s.partition",
		}}}, inRestore, "TestPositionsOfTheTarget", ""},
		{mutant{"positions are put into a group that has members", "its members would jump", []edit{{
			restore + "groups.go", "[]string{\"\", \"Empty\", \"Dead\"}", "[]string{\"\", \"Empty\", \"Dead\", \"PreparingRebalance\"}",
		}}}, inRestore, "TestPositionsOfTheTarget", ""},
		{mutant{"a position without its metadata", "consumers keep state there", []edit{{
			restore + "groups.go", "LeaderEpoch: unknownEpoch, Metadata: s.metadata,", "LeaderEpoch: unknownEpoch,",
		}}}, inRestore, whole, ""},
		{mutant{"the image of the branch that was cut off", "a group goes on where its next record is", []edit{{
			restore + "groups.go", "if s.report.Next < 0 {\n				s.report.Target,", "if s.report.Next < 1<<40 {\n				s.report.Target,",
		}}}, inRestore, whole, ""},
		{mutant{"the newer of two branches comes first", "records stand in the order of their offsets", []edit{{
			restore + "cut.go", "return cmp.Compare(a.Fork(), b.Fork())", "return cmp.Compare(b.Fork(), a.Fork())",
		}}}, inRestore, whole, ""},
		{mutant{"a drill that does not look behind the last record", "a record too many is wrong", []edit{{
			restore + "drill.go", "err != nil || more != nil {", "err != nil || more != nil && n < 0 {",
		}}}, inRestore, "TestDrillTells", ""},
		{mutant{"a drill that trusts where groups stand at the end", "they would read everything again", []edit{{
			restore + "drill.go", "if *position.Committed != end {", "if *position.Committed > end {",
		}}}, inRestore, "TestDrillTells", ""},
		{mutant{"a drill of a sample that was there", "it measures nothing", []edit{{
			restore + "drill.go", "plan.written() > 0 {", "plan.written() > 1<<40 {",
		}}}, inRestore, "TestDrillOfASample", ""},
		{mutant{"the time of the sample for that of everything", "people plan by it", []edit{{
			restore + "drill.go", "report.Seconds * float64(report.AllBytes) / float64(report.Bytes)", "report.Seconds",
		}}}, inRestore, "TestDrillOfAPart", ""},
		{mutant{"the answer of one ACL for another's", "who may do what is told of each", []edit{{
			restore + "acls.go", "reports[asked[n]].Stands = reports[asked[n]].Reason == \"\"", "reports[n].Stands = reports[asked[n]].Reason == \"\"",
		}}}, inRestore, whole, ""},
		{mutant{"a row that is lost keeps its partition from being rebuilt", "its object proves it", []edit{{
			repair + "fix.go", "		if !lacksItsRow(v, all) {\n", "		if lacksItsRow(v, all) || !lacksItsRow(v, all) {\n",
		}}}, "internal/bifrost", fixes, ""},
		{mutant{"an object too many is a row too few", "nobody has planned it", []edit{{
			repair + "fix.go", "v.Start <= object.Start && object.End <= v.End", "v.Start <= object.Start",
		}}}, "internal/bifrost", fixes, ""},
		{mutant{"a row is made of an object that is not the one in the row", "the checksum is the proof", []edit{{
			repair + "fix.go", "	if facts.Checksum != row.Facts.Checksum {", "	if false {",
		}}}, "internal/bifrost", fixes, ""},
		{mutant{"what a delete marker hides comes back unseen", "size and checksum are the proof", []edit{{
			repair + "fix.go", "case stored.Size != row.StoredBytes, stored.Checksum != row.Checksum && ", "case false && stored.Checksum != row.Checksum && ",
		}}}, "internal/bifrost", fixes, ""},
		{mutant{"totals made anew beside what is wrong", "they would be those of a row that nobody has proven", []edit{{
			repair + "fix.go", "	plan.leaveUnproven()\n", "",
		}}}, "internal/bifrost", fixes, ""},
		{mutant{"rows are deleted after an object could not be brought back", "each step rests on the one before", []edit{{
			repair + "fix.go", "if err := f.Versions.Unhide(ctx, hidden.Key, hidden.Markers); err != nil {\n			return err\n		}", "_ = f.Versions.Unhide(ctx, hidden.Key, hidden.Markers)",
		}}}, "internal/bifrost", fixes, ""},
		{mutant{"only the last source of a topic is measured", "what the first needs would be refused on the way", []edit{{
			plan + "plan.go", "need.Measure = measureAll(need.Measure, p.Reader, queries)", "need.Measure = measureAll(nil, p.Reader, queries)",
		}}}, "internal/replayplan", "TestEverySource", ""},
		{mutant{"a partition fewer than the topic has", "a number is not a count", []edit{{
			plan + "plan.go", "need.Partitions = max(need.Partitions, row.Number+1)", "need.Partitions = max(need.Partitions, row.Number)",
		}}}, "internal/replayplan", "TestPlan", ""},
		{mutant{"a topic is replayed into itself", "its records would be there twice", []edit{{
			plan + "plan.go", "part.Row.ClusterID == clusterID && part.Row.Topic() == topic", "part.Row.ClusterID != clusterID && part.Row.Topic() == topic",
		}}}, "internal/replayplan", "TestIntoItself", ""},
		{mutant{"a configuration that was not written is taken to be there", "positions would rest on nothing", []edit{{
			capture + "capturer.go", "		if _, err := c.Bucket.CreateOnce(ctx, made.ConfigurationKey, made.configuration); err != nil {\n", "		key := made.ConfigurationKey\n		c.configuration = key\n		if _, err := c.Bucket.CreateOnce(ctx, key, made.configuration); err != nil {\n",
		}}}, "internal/capture", "TestConfigurationComes", ""},
		{mutant{"an older capture where the right one cannot be read", "a restore would bring back another day", []edit{{
			capture + "read.go", "if err != nil || !s.Positions.At.After(at) {", "if err == nil && !s.Positions.At.After(at) {",
		}}}, "internal/capture", "TestTheCaptureOfATime", ""},
		{mutant{"a group on two brokers is captured twice", "it moved while it was listed", []edit{{
			capture + "positions.go", "	all = slices.CompactFunc(all, func(a, b Group) bool { return a.Name == b.Name })\n", "",
		}}}, "internal/capture", "TestWhatBrokersTell", ""},
	}
}
