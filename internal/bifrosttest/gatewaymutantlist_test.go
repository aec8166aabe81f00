package bifrosttest

import "maps"

func init() { maps.Copy(kindMutants, gatewayMutants) }

// gatewayMutants are faults in what the gateway keeps in memory and uses again.
var gatewayMutants = map[string][]kindMutant{
	"memory that is used again": {
		{mutant{"batches given up while an answer is sent", "a client would get others", []edit{{
			"../gateway/cache.go", "if e.lent--; e.lent == 0 {", "if e.lent--; e.lent == 1 {",
		}}}, "internal/gateway", "TestValuesAreGivenUp|TestAnAnswerKeeps", ""},
		{mutant{"batches that are never given up", "each takes other memory", []edit{{
			"../gateway/cache.go", "	l.bytes -= e.bytes\n	l.takeBack(e)\n", "	l.bytes -= e.bytes\n",
		}}}, "internal/gateway", "TestValuesAreGivenUp", ""},
		{mutant{"who leaves keeps a value", "it is never given up", []edit{{
			"../gateway/cache.go", "		giveBack()\n		return lending[Value]{}, context.Cause(ctx)\n",
			"		return lending[Value]{}, context.Cause(ctx)\n",
		}}}, "internal/gateway", "TestValuesAreGivenUp", ""},
		{mutant{"batches given back before they are sent", "the answer is sent from them", []edit{{
			"../gateway/fetch.go", "		held.lent = append(held.lent, f.lent...)\n",
			"		for _, giveBack := range f.lent {\n			giveBack()\n		}\n",
		}}}, "internal/gateway", "TestAnAnswerKeeps", ""},
		{mutant{"spare memory given twice", "two batches in one place", []edit{{
			"../gateway/memory.go", "		s.left = slices.Delete(s.left, i, i+1)\n		return piece[:0]\n", "		return piece[:0]\n",
		}}}, "internal/gateway", "TestSpareMemory", ""},
		{mutant{"spare memory without an end", "nothing bounds it", []edit{{
			"../gateway/memory.go", "	if len(s.left) == mostSpare {", "	if len(s.left) < 0 {",
		}}}, "internal/gateway", "TestSpareMemory", ""},
		{mutant{"members ahead read one by one", "each takes a request", []edit{{
			"../gateway/readahead.go", "	if len(run) == 1 {\n", "	if len(run) <= longestRun {\n",
		}}}, "internal/gateway", "TestRunsAreRead", ""},
		{mutant{"runs that are cut short", "most would be of one member", []edit{{
			"../gateway/readahead.go", "			if moreRoomComes {\n", "			if moreRoomComes && room < 0 {\n",
		}}}, "internal/gateway", "TestReadAhead", ""},
		{mutant{"a stretch without its last member", "it is read once more", []edit{{
			"../../baldr/file_members.go", "f.members[end].position + f.members[end].storedBytes - position",
			"f.members[end].position - position",
		}}}, "baldr", "TestAStretch", ""},
	},
}
