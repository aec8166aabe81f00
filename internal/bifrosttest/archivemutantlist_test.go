package bifrosttest

import "maps"

func init() { maps.Copy(kindMutants, archiveMutants) }

// archiveMutants were planted package by package before the tests were looked at, and survived
// them: some of each kind.
var archiveMutants = map[string][]kindMutant{
	"what passes for one's own": {
		{mutant{"a row that was made anew, as far", "its totals are others", []edit{{
			"../dynamoledger/advance.go", "return ok && next >= w.To && scalarText(row[\"generation\"]) == w.Generation",
			"return ok && next >= w.To",
		}}}, "internal/dynamoledger", "TestAdvanceWhose", ""},
		{mutant{"another object of the same range", "the row tells of that one", []edit{{
			"../dynamoledger/rowwrites.go", "now.State.Done() && now.End == r.End && now.Facts == w.Facts",
			"now.State.Done() && now.End == r.End",
		}}}, "internal/dynamoledger", "TestLostRequest", ""},
		{mutant{"a lease of another function", "two would work on the range", []edit{{
			"../dynamoledger/rowwrites.go", "now.Attempts == attempt && now.Invocation == invocation && millis",
			"now.Attempts == attempt && millis",
		}}}, "internal/dynamoledger", "TestLostRequest", ""},
		{mutant{"a suspicion of another reason", "it is of something else", []edit{{
			"../dynamoledger/progresswrites.go", "now.Status == w.Status && now.Suspicion == w.Suspicion",
			"now.Status == w.Status",
		}}}, "internal/dynamoledger", "TestLostRequest", ""},
		{mutant{"a mark of another time", "somebody else has made it", []edit{{
			"../dynamoledger/mark.go", "now.Number == after.Number && now.Next == after.Next &&\n				now.At.Equal(after.At)",
			"now.Number == after.Number && now.Next == after.Next",
		}}}, "internal/dynamoledger", "TestLostRequest", ""},
		{mutant{"a row that has another end by now", "it is another range", []edit{{
			"../dynamoledger/deleterow.go", ".require(\"end_offset\", number(r.End)).",
			".",
		}}}, "internal/dynamoledger", "TestTablesAreLike", ""},
	},
	"what is counted when a range is settled": {
		{mutant{"the lost offsets of an object", "it may go on behind its range", []edit{{
			"../dynamoledger/advance.go", "return e.add(\"lost_offsets\", r.Len())",
			"return e.add(\"lost_offsets\", f.Len())",
		}}}, "internal/dynamoledger", "TestTablesAreLike", ""},
		{mutant{"records for offsets", "the next ranges would be too small", []edit{{
			"../dynamoledger/advance.go", "set(\"recent_offsets\", number(r.Len()))",
			"set(\"recent_offsets\", number(f.Records))",
		}}}, "internal/dynamoledger", "TestTablesAreLike", ""},
		{mutant{"a row that begins at the bound", "it does not hold the offset", []edit{{
			"../dynamoledger/catalogue.go", "\" < \" + e.value",
			"\" <= \" + e.value",
		}}}, "internal/dynamoledger", "TestTablesAreLike", ""},
		{mutant{"the epoch of now for the planned one", "the planned records are older", []edit{{
			"../dynamoledger/progresswrites.go", "set(\"planned_epoch\", number(int64(w.PlannedEpoch))).",
			"set(\"planned_epoch\", number(int64(w.Observation.LeaderEpoch))).",
		}}}, "internal/dynamoledger", "TestTablesAreLike", ""},
	},
	"the second of two": {
		{mutant{"one table that is protected", "an archive needs both", []edit{{
			"../dynamoledger/schema.go", "	for _, schema := range schemas {\n		schema.Deletion",
			"	for _, schema := range schemas[:1] {\n		schema.Deletion",
		}}}, "internal/dynamoledger", "TestBothTables", ""},
		{mutant{"the first row, whatever it has", "the next one may tell", []edit{{
			"../dynamoledger/objectkeys.go", "		if text := optionalText(item[attribute]); text != \"\" {\n			return text, nil\n		}",
			"		return optionalText(item[attribute]), nil",
		}}}, "internal/dynamoledger", "TestSomeObject", ""},
		{mutant{"the first group's mark only", "a bucket may have several", []edit{{
			"../health/belonging.go", "		} else if marked {",
			"		} else if marked && group == groups[0] {",
		}}}, "internal/health", "TestNamesOfTwo", ""},
		{mutant{"the first range of a function", "each has its line", []edit{{
			"../wiring/report.go", "	for _, r := range results {\n		log",
			"	for _, r := range results[:min(1, len(results))] {\n		log",
		}}}, "internal/wiring", "TestEachRangeIs", ""},
		{mutant{"uploads up to a stranger's", "a service may list others'", []edit{{
			"../s3store/abortuploads.go", "			continue // some",
			"			break // some",
		}}}, "internal/s3store", "TestUploadsOfOthers", ""},
		{mutant{"settings up to one that is not known", "the others are", []edit{{
			"../s3store/bucket.go", "			made.Unsupported = append(made.Unsupported, r.Operation)\n",
			"			made.Unsupported = append(made.Unsupported, r.Operation)\n			return made, nil\n",
		}}}, "internal/s3store", "TestSettingsThat", ""},
	},
	"what a reader of objects may rely on": {
		{mutant{"records before their checksum", "they may be anything", []edit{{
			"../../baldr/decoder.go", "	if d.facts.crc != binary.LittleEndian.Uint32(trailer) ||\n		uint32",
			"	if uint32",
		}}}, "baldr", "TestNoRecordBefore", ""},
		{mutant{"room behind a value", "it is the next one's", []edit{{
			"../../baldr/decoder.go", "d.frames[begin:end:end]",
			"d.frames[begin:end]",
		}}}, "baldr", "TestWhatIsLent", ""},
		{mutant{"an empty value for none", "the one is a tombstone", []edit{{
			"../../baldr/record.go", "c.Key, c.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)",
			"c.Key, c.Value = bytes.Clone(r.Key), append([]byte{}, r.Value...)",
		}}}, "baldr", "TestACopyIs", ""},
		{mutant{"an error that passes", "who asks again would go on", []edit{{
			"../../baldr/reader.go", "	return Record{}, r.err\n}",
			"	err := r.err\n	r.err = nil\n	return Record{}, err\n}",
		}}}, "baldr", "TestAnErrorStays", ""},
		{mutant{"a byte that is left in an envelope", "it is another's", []edit{{
			"../../baldr/envelope_read.go", "		if len(rest) > 0 {\n			return fmt",
			"		if len(rest) > 1 {\n			return fmt",
		}}}, "baldr", "TestEnvelopesThat", ""},
		{mutant{"a cut gzip file that is foreign", "somebody would write beside it", []edit{{
			"../../baldr/file.go", "case f.size < leastGzipBytes:",
			"case f.size < headBytes:",
		}}}, "baldr", "TestTheLeast", ""},
	},
	"what is put together once": {
		{mutant{"retentions that are asked for each minute", "brokers have other work", []edit{{
			"../wiring/wiring.go", "Retention: bifrost.RememberRetention(p.Kafka, retentionKept, time.Now),",
			"Retention: p.Kafka,",
		}}}, "internal/wiring", "TestRulesAreWhole", ""},
		{mutant{"a lease that is not renewed", "another would begin the same", []edit{{
			"../wiring/wiring.go", ", Renewing: renewing, Processor: cpuTime,",
			", Processor: cpuTime,",
		}}}, "internal/wiring", "TestRulesAreWhole", ""},
		{mutant{"names of partitions for topics'", "a later life has another name", []edit{{
			"../localdispatch/localdispatch.go", "!l.selects(r.Topic())",
			"!l.selects(r.Name)",
		}}}, "internal/localdispatch", "TestWorkersGoOn", ""},
		{mutant{"workers that do not stop", "somebody waits for them", []edit{{
			"../localdispatch/localdispatch.go", "selected{d.worker.Ledger, options.Selects}, d.stopping",
			"selected{d.worker.Ledger, options.Selects}, nil",
		}}}, "internal/localdispatch", "TestWorkersStop", ""},
		{mutant{"an ARN of another partition", "the policy would be refused", []edit{{
			"../s3store/bucket.go", "strings.HasPrefix(region, \"us-gov-\")",
			"strings.HasPrefix(region, \"gov-\")",
		}}}, "internal/s3store", "TestWhatABucket", ""},
		{mutant{"bodies that stay open", "each keeps a connection", []edit{{
			"../s3store/object.go", "	defer answer.Body.Close()\n	// A service",
			"	// A service",
		}}}, "internal/s3store", "TestBodies", ""},
		{mutant{"bodies of tails that stay open", "each keeps a connection", []edit{{
			"../s3store/object.go", "	defer answer.Body.Close()\n	if o.tail",
			"	if o.tail",
		}}}, "internal/s3store", "TestBodies", ""},
	},
}
