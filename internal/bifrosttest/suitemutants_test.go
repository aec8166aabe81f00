package bifrosttest

// suiteMutants are bugs in the twins that the suites must find: an adapter with
// the same bug would fail the same way.
var suiteMutants = []mutant{
	{"a plan that ignores rows", "put if absent", []edit{{
		twins + "ledgerwrites.go",
		"		if _, ok := l.rows[keyOf(r)]; ok {\n			return conflict(\"a row",
		"		if _, ok := l.rows[keyOf(r)]; ok && r.Start < 0 {\n			return conflict(\"a row",
	}}},
	{"a plan of any status", "FENCING and DIVERGED partitions are not planned", []edit{{
		twins + "ledgerwrites.go",
		"return row.PlannedOffset == w.Progress.PlannedOffset && row.Status.Workable() && sameSuspicion(row, w.Progress)",
		"return row.PlannedOffset == w.Progress.PlannedOffset && sameSuspicion(row, w.Progress)",
	}}},
	{"a plan from anywhere", "planned_offset is a condition", []edit{{
		twins + "ledgerwrites.go",
		"return row.PlannedOffset == w.Progress.PlannedOffset && row.Status.Workable() && sameSuspicion(row, w.Progress)",
		"return row.Status.Workable() && sameSuspicion(row, w.Progress)",
	}}},
	{"any generation", "the generation is a condition of every write on the row", []edit{{
		twins + "ledgerwrites.go",
		"	case row.Generation != p.Generation:\n		return conflict(\"the progress row was made anew\", p.Partition)\n",
		"",
	}}},
	{"a row fenced twice", "the pause begins with the first abort", []edit{{
		twins + "ledgerwrites.go",
		"return row.Status == bifrost.StatusFencing && row.FencedAt.IsZero() }",
		"return row.Status == bifrost.StatusFencing }",
	}}},
	{"a row fenced in any status", "only what is FENCING is fenced off", []edit{{
		twins + "ledgerwrites.go",
		"return row.Status == bifrost.StatusFencing && row.FencedAt.IsZero() }",
		"return row.FencedAt.IsZero() }",
	}}},
	{"a mark counted up from anywhere", "two ticks count up one after the other", []edit{{
		twins + "ledgerwrites.go",
		"now.Series != before.Series || now.Number != before.Number || now.Next != before.Next {",
		"now.Series != before.Series || now.Next != before.Next {",
	}}},
	{"a mark of any series", "a rebuild gives the tables a series of their own", []edit{{
		twins + "ledgerwrites.go",
		"now.Series != before.Series || now.Number != before.Number || now.Next != before.Next {",
		"now.Number != before.Number || now.Next != before.Next {",
	}}},
	{"a row dropped under a plan", "only what nothing is planned by may go", []edit{{
		twins + "ledgerwrites.go",
		"	fencing := func(row bifrost.Progress) bool { return row.Status == bifrost.StatusFencing }\n",
		"	fencing := func(row bifrost.Progress) bool { return row.Status != \"\" }\n",
	}}},
	{"a settled row dropped", "what is archived stays on record", []edit{{
		twins + "ledgerwrites.go",
		"!ok || row.State != bifrost.StatePlanned || row.End != r.End {",
		"!ok || row.End != r.End {",
	}}},
	{"a row created twice", "CreateProgress puts if absent", []edit{{
		twins + "ledgerwrites.go",
		"	if _, ok := l.progress[p.Partition]; ok {\n		return conflict(\"a progress row is there already\", p.Partition)\n	}\n",
		"",
	}}},
	{"an advance twice", "next_offset is a condition", []edit{{
		twins + "ledgerwrites.go",
		"holds := func(row bifrost.Progress) bool { return row.NextOffset == w.From }",
		"holds := func(row bifrost.Progress) bool { return row.NextOffset >= w.From }",
	}}},
	{"a commit of any end", "the row's end is a condition", []edit{{
		twins + "ledgerwrites.go",
		"	sameEnd := func(row bifrost.Row) bool { return row.End == w.Row.End }\n",
		"	sameEnd := func(bifrost.Row) bool { return true }\n",
	}}},
	{"a commit over a remainder", "a transaction applies whole or not at all", []edit{{
		twins + "ledgerwrites.go",
		"	if _, ok := l.rows[keyOf(remainder)]; ok {\n		return conflict(\"the remainder is there already\", keyOf(remainder))\n	}\n",
		"",
	}}},
	{"a commit of a settled row", "a row leaves PLANNED once", []edit{{
		twins + "ledgerwrites.go",
		"	case row.State != bifrost.StatePlanned:\n		return bifrost.Row{}, conflict(\"the row is \"+string(row.State), keyOf(r))\n",
		"",
	}}},
	{"a lease taken twice", "attempts and lease are conditions", []edit{{
		twins + "ledgerwrites.go",
		"return row.Attempts == r.Attempts && row.LeaseUntil.Equal(r.LeaseUntil) }",
		"return row.Attempts >= r.Attempts }",
	}}},
	{"a release by a zombie", "the attempt is a condition", []edit{{
		twins + "ledgerwrites.go",
		"sameAttempt := func(row bifrost.Row) bool { return row.Attempts == r.Attempts }",
		"sameAttempt := func(row bifrost.Row) bool { return true }",
	}}},
	{"an index of everything", "the index holds what is PLANNED", []edit{{
		twins + "ledger.go",
		"		if ok && row.State == bifrost.StatePlanned {",
		"		if ok {",
	}}},
	{"a stop forgotten with the next failure", "Release keeps StoppedAt when r has none", []edit{{
		twins + "ledgerwrites.go",
		"		if r.StoppedAt > 0 {\n			row.StoppedAt = r.StoppedAt\n		}\n",
		"		row.StoppedAt = r.StoppedAt\n",
	}}},
	{"a stop forgotten with a lease", "two attempts have to meet at one offset", []edit{{
		twins + "ledgerwrites.go",
		"		row.Attempts, row.Invocation, row.LeaseUntil, row.Error = attempt, invocation, until, \"\"\n",
		"		row.Attempts, row.Invocation, row.LeaseUntil, row.Error, row.StoppedAt = attempt, invocation, until, \"\", 0\n",
	}}},
	{"a lease that counts by itself", "who gives the range away says which attempt it is", []edit{{
		twins + "ledgerwrites.go",
		"row.Error = attempt, invocation, until, \"\"\n",
		"row.Error = row.Attempts+1, invocation, until, \"\"\n",
	}}},
	{"a slot taken from the living", "a slot is its function's while that is alive", []edit{{
		twins + "ledgerinvocations.go",
		"other.ID != i.ID && now.Before(other.AliveUntil)",
		"other.ID != i.ID && false",
	}}},
	{"a slot kept by the dead", "a function that ended leaves its slot to the next", []edit{{
		twins + "ledgerinvocations.go",
		"other.ID != i.ID && now.Before(other.AliveUntil)",
		"other.ID != i.ID && !other.AliveUntil.IsZero()",
	}}},
	{"a renewal of another's slot", "who lost its slot is told", []edit{{
		twins + "ledgerinvocations.go",
		"if err != nil || !ok || was.ID != id {",
		"if err != nil || !ok {",
	}}},
	{"an end of another's slot", "a late end ends nobody else", []edit{{
		twins + "ledgerinvocations.go",
		"err == nil && ok && i.ID == id {",
		"err == nil && ok {",
	}}},
	{"a renewal that forgets the ranges", "a second function finds what the first was started for", []edit{{
		twins + "ledgerinvocations.go",
		"now.Begun, now.AliveUntil = true, aliveUntil",
		"now.Begun, now.AliveUntil, now.Tasks = true, aliveUntil, nil",
	}}},
	{"an event that has begun", "nobody has begun until it says so", []edit{{
		twins + "ledgerinvocations.go",
		"	i.Tasks = slices.Clone(i.Tasks)\n",
		"	i.Tasks, i.Begun = slices.Clone(i.Tasks), true\n",
	}}},
	{"leased rows that wait", "SomePlanned gives rows whose lease is over", []edit{{
		twins + "ledger.go",
		"return !now.Before(r.LeaseUntil) })",
		"return true })",
	}}},
	{"an overwrite", "If-None-Match", []edit{{
		twins + "store.go",
		"	if len(s.versions[u.key]) > 0 {\n		return bifrost.Stored{}, fmt.Errorf(\"complete %s: %w\", u.key, bifrost.ErrExists)\n	}\n",
		"",
	}}},
	{"an aborted upload that completes", "AbortUploads is a fence", []edit{{
		twins + "store.go",
		"	if !slices.Contains(s.uploads, u) {",
		"	if false {",
	}}},
	{"a marker overwritten", "CreateOnce writes once", []edit{{
		twins + "store.go",
		"	if len(s.versions[key]) == 0 {\n		s.versions[key] = [][]byte{bytes.Clone(content)}\n	}\n",
		"	s.versions[key] = [][]byte{bytes.Clone(content)}\n",
	}}},
	{"an abort of namesakes", "partition=1 is not partition=10", []edit{{
		twins + "store.go",
		"return strings.HasPrefix(u.key, prefix) })",
		"return strings.HasPrefix(u.key, strings.TrimSuffix(prefix, \"/\")) })",
	}}},
	{"a listing that begins with after", "List goes on behind the key", []edit{{
		twins + "store.go",
		"key > after &&",
		"key >= after &&",
	}}},
	{"a plan under any suspicion", "who plans must have read what is suspected", []edit{{
		twins + "ledgerwrites.go",
		"return row.PlannedOffset == w.Progress.PlannedOffset && row.Status.Workable() && sameSuspicion(row, w.Progress)",
		"return row.PlannedOffset == w.Progress.PlannedOffset && row.Status.Workable()",
	}}},
	{"a status changed under any suspicion", "a frozen tick must not confirm what was taken back", []edit{{
		twins + "ledgerwrites.go",
		"row.Status == w.Progress.Status &&\n\t\t\tsameSuspicion(row, w.Progress)",
		"row.Status == w.Progress.Status",
	}}},
	{"a gap marked under any suspicion", "a frozen tick must not confirm what was taken back", []edit{{
		twins + "ledgerwrites.go",
		"return row.Status == p.Status && sameSuspicion(row, p) }",
		"return row.Status == p.Status }",
	}}},
	{"an old tick's record over a newer one's", "a tick that stood still knows less", []edit{{
		twins + "journal.go",
		"if ok && before.StartedAt.After(r.StartedAt) {",
		"if ok && r.ID == \"\" {",
	}}},
	{"a tick that did not look takes the last look away", "a reader would call everything unseen", []edit{{
		twins + "journal.go",
		"		r.CompleteAt, r.Filter = before.CompleteAt, before.Filter\n",
		"		r.Filter = before.Filter\n",
	}}},
	{"trouble of a row of before", "a row made anew has not been looked at", []edit{{
		twins + "journal.go",
		"return l.changeProgress(p, holds,",
		"p.Generation = l.progress[p.Partition].Generation\n	return l.changeProgress(p, holds,",
	}}},
}
