package bifrosttest

// mutants are the planted bugs.
var mutants = []mutant{
	{"plan without its condition", "two discovers plan at once, and one of them has read old tables", []edit{{
		twins + "ledgerwrites.go",
		"return row.PlannedOffset == w.Progress.PlannedOffset && row.Status.Workable()",
		"return row.Status.Workable()",
	}}},
	{"advance before commit", "next_offset must not pass a range whose row is not settled", []edit{{
		rules + "archive.go",
		"	settled, err := a.commit(ctx, row, facts)\n",
		`	if p, err := a.Ledger.Progress(ctx, row.Partition); err == nil {
		early := row
		early.State, early.Facts = facts.State(), facts
		_ = a.Ledger.Advance(ctx, AdvanceWrite{Partition: p.Partition, Generation: p.Generation, From: row.Start, To: facts.End, Row: early})
	}
	settled, err := a.commit(ctx, row, facts)
`,
	}}},
}
