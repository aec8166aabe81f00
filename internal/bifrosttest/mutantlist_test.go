package bifrosttest

// mutants are the planted bugs. A bug that a port's contract keeps out is
// planted in the twin that keeps the contract.
var mutants = []mutant{
	{"plan without its condition", "a plan that was made of old tables must not move planned_offset back", []edit{{
		twins + "ledgerwrites.go",
		"return row.PlannedOffset == w.Progress.PlannedOffset && row.Status.Workable() && sameSuspicion(row, w.Progress)",
		"return row.Status.Workable()",
	}}},
	{"conditions without the generation", "what was read of tables that are lost must not be written to those made anew", []edit{{
		twins + "ledgerwrites.go",
		"case row.Generation != p.Generation:",
		"case row.Generation != p.Generation && p.Generation == \"\":",
	}}},
	{"advance before commit", "next_offset must not pass a range whose row is not settled", []edit{{
		rules + "archive.go",
		"	settled, err := commitRow(ctx, a.Ledger, a.Store, a.Now, row, facts)\n",
		`	if p, err := a.Ledger.Progress(ctx, row.Partition); err == nil {
		early := row
		early.State, early.Facts = facts.State(), facts
		_ = a.Ledger.Advance(ctx, AdvanceWrite{Partition: p.Partition, Generation: p.Generation, From: row.Start, To: facts.End, Row: early})
	}
	settled, err := commitRow(ctx, a.Ledger, a.Store, a.Now, row, facts)
`,
	}}},
	{"advance over what is planned", "only settled rows belong to the prefix", []edit{{
		rules + "commit.go",
		"		if !row.State.Done() {\n			return false, nil\n		}\n",
		"",
	}}},
	{"advance without its condition", "totals are added once, whoever advances", []edit{{
		twins + "ledgerwrites.go",
		"holds := func(row bifrost.Progress) bool { return row.NextOffset == w.From }",
		"holds := func(row bifrost.Progress) bool { return row.NextOffset >= w.From }",
	}}},
	{"adopt without reading", "an object that is there may end before the row does", []edit{{
		rules + "archive.go",
		"	outcome := OutcomeAdopted\n	if errors.Is(err, ErrNotFound) {",
		"	facts.Range = row.Range\n	outcome := OutcomeAdopted\n	if errors.Is(err, ErrNotFound) {",
	}}},
	{"adopt what is not ours", "another cluster's object may lie at the key", []edit{{
		rules + "object.go",
		"s.Partition, s.Start}); found != owner {",
		"s.Partition, s.Start}); found.Start != owner.Start {",
	}}},
	{"overwrite", "If-None-Match lets one of all attempts at a start win", []edit{{
		twins + "store.go",
		"	if len(s.versions[u.key]) > 0 {\n		return bifrost.Stored{}, fmt.Errorf(\"complete %s: %w\", u.key, bifrost.ErrExists)\n	}\n",
		"",
	}, {
		twins + "store.go",
		"	s.versions[u.key] = [][]byte{content}\n	return stored(content), nil",
		"	s.versions[u.key] = append(s.versions[u.key], content)\n	return stored(content), nil",
	}}},
	{"forget the split", "a range that ended early leaves a remainder", []edit{{
		twins + "ledgerwrites.go",
		"	if _, err := l.settle(w); err != nil {\n		return err\n	}\n	l.put(remainder)\n",
		"	if _, err := l.settle(w); err != nil {\n		return err\n	}\n",
	}}},
	{"claim the whole row after an early end", "an object's range ends where reading ended", []edit{{
		rules + "archive.go",
		"Start: row.Start, End: counted.position}",
		"Start: row.Start, End: row.End}",
	}}},
	{"count wrong", "each missing offset is counted for what it is", []edit{{
		rules + "archive.go",
		"c.missing.Aborted += b.Missing.Aborted",
		"c.missing.Compacted += b.Missing.Aborted",
	}}},
	{"skip LOST", "a recorded gap is settled, and the prefix moves over it", []edit{{
		rules + "rows.go",
		"return s == StateArchived || s == StateLost }",
		"return s == StateArchived }",
	}}},
	{"a gap adopted as records", "LOST is what nobody can read, ARCHIVED what is in the object", []edit{{
		rules + "rows.go",
		"	if f.Kind == baldr.KindGap {\n		return StateLost\n	}\n",
		"",
	}}},
	{"a gap beyond the row", "the next row's records are not lost because this one's are", []edit{{
		rules + "archive.go",
		"end := min(outside.LogStart, row.End)",
		"end := outside.LogStart",
	}}},
	{"retention counted as compaction", "what was deleted unread is on record as lost", []edit{{
		twins + "kafkalog.go",
		"case f.position < log.start || f.position >= stable:",
		"case f.position >= stable:",
	}}},
	{"reuse a key after recreation", "a topic made anew starts again at offset 0, at other keys", []edit{{
		rules + "birth.go",
		"	if owner.Incarnation() != i {",
		"	if owner.Topic != i.Topic {",
	}}},
	{"fetch by name", "a topic made anew must not answer for the one that was deleted", []edit{{
		rules + "archive.go",
		"a.Source.Read(ctx, row.Topic(), row.TopicID, row.Number, row.Range)",
		"a.Source.Read(ctx, row.Topic(), TopicID{}, row.Number, row.Range)",
	}}},
	{"topic IDs not read again", "offsets are asked for by name, and the topic may be made anew in between", []edit{{
		rules + "view.go",
		"if id, ok := ids[t.Name]; !ok || id != t.ID {",
		"if _, ok := ids[t.Name]; !ok {",
	}}},
	{"Kafka before tables", "an old reading of Kafka beside new tables looks like a log that went backwards", []edit{{
		rules + "view.go",
		"	v := &view{at: at, clusterID: clusterID,",
		"	if progress, err = o.ledger.ListProgress(ctx); err != nil {\n		return nil, err\n	}\n	v := &view{at: at, clusterID: clusterID,",
	}, {
		rules + "view.go",
		"	last := lastBranches(progress)\n",
		"	early, err := o.cluster.Offsets(ctx, selected)\n	if err != nil {\n		return nil, err\n	}\n	if progress, err = o.ledger.ListProgress(ctx); err != nil {\n		return nil, err\n	}\n	v.earlyOffsets = early\n	last := lastBranches(progress)\n",
	}, {
		rules + "view.go",
		"	offsets, err := o.cluster.Offsets(ctx, topics)\n",
		"	offsets, err := v.earlyOffsets, error(nil)\n",
	}, {
		rules + "view.go",
		"type view struct {\n",
		"type view struct {\n	earlyOffsets map[TopicPartition]OffsetAnswer\n",
	}}},
	{"the row read before the upload is begun", "only so the fence catches everyone who has read older tables", []edit{{
		rules + "archive.go",
		"	upload, err := a.Store.Create(ctx, a.key)\n	if err != nil {\n		return RangeResult{}, fmt.Errorf(\"begin",
		"	early, earlyErr := a.Ledger.Row(ctx, a.task.Key(), a.task.StartOffset)\n	upload, err := a.Store.Create(ctx, a.key)\n	if err != nil {\n		return RangeResult{}, fmt.Errorf(\"begin",
	}, {
		rules + "archive.go",
		"	row, err := a.Ledger.Row(ctx, a.task.Key(), a.task.StartOffset)\n",
		"	row, err := early, earlyErr\n",
	}}},
	{"no fence", "an upload of before the tables were lost must not complete behind a new plan's back", []edit{{
		rules + "birth.go",
		"if err := b.Bucket.AbortUploads(ctx, prefix); err != nil {",
		"if err := error(nil); err != nil {",
	}}},
	{"no pause behind the abort", "a completion that is on its way becomes an object after the abort and the listing", []edit{{
		rules + "birth.go",
		"b.Now().Before(due) {",
		"b.Now().Before(due) && due.IsZero() {",
	}}},
	{"no pause for whoever made the row", "only who made the birth object knows that nobody was there before", []edit{{
		rules + "birth.go",
		"	if string(there) != string(mine) {\n		return false, nil\n	}\n",
		"	if string(there) != string(mine) {\n		return true, nil\n	}\n",
	}}},
	{"a topic of old taken for new", "an older Bifrost made no birth objects", []edit{{
		rules + "birth.go",
		"return err == nil && owner.Born, ignoreNotFound(err)",
		"return err == nil && (owner.Born || true), ignoreNotFound(err)",
	}}},
	{"a completion sent again", "a second completion is told success while the first is not decided", []edit{{
		rules + "object.go",
		"	stored, err := upload.Complete(ctx)\n",
		"	stored, err := upload.Complete(ctx)\n	if err != nil {\n		stored, err = upload.Complete(ctx)\n	}\n",
	}}},
	{"the row not read again for the key beside", "each upload begins at the first step", []edit{{
		rules + "archive.go",
		"type attempt struct {\n",
		"type attempt struct {\n	kept map[int64]Row\n",
	}, {
		rules + "archive.go",
		"	var foreign error\n",
		"	var foreign error\n	kept := map[int64]Row{}\n",
	}, {
		rules + "archive.go",
		"clusterID: clusterID, deadline: deadline,\n",
		"clusterID: clusterID, deadline: deadline, kept: kept,\n",
	}, {
		rules + "archive.go",
		"	if done, result, err := a.settledAlready(ctx, row, err); done || err != nil {\n",
		"	if old, ok := a.kept[a.task.StartOffset]; ok {\n		row, err = old, nil\n	}\n	a.kept[a.task.StartOffset] = row\n	if done, result, err := a.settledAlready(ctx, row, err); done || err != nil {\n",
	}}},
	{"no plan along the bucket", "objects of before the tables were lost keep their bounds", []edit{{
		rules + "birth.go",
		"p.KnownUntil = max(p.KnownUntil, objectsEnd, rows)",
		"p.KnownUntil = 0 * max(p.KnownUntil, objectsEnd, rows)",
	}}},
	{"the archive begins at the log start", "what was gone before the first sight is a gap too, so that rows tile from 0", []edit{{
		rules + "plan.go",
		"		pl.addRange(min(p.FirstLogStart, end), ReasonBeforeFirstSight)\n",
		"		pl.frontier = min(p.FirstLogStart, end)\n",
	}}},
	{"no look at leader epochs", "a log that was cut and has grown back does not look short", []edit{{
		rules + "suspect.go",
		"return answer.End >= 0 && answer.End < s.progress.ArchivedUntil(), nil",
		"return false, nil",
	}}},
	{"one look is enough", "stale metadata must not close a topic that is there", []edit{{
		rules + "deletedtopic.go",
		"	if p.Suspicion != suspicionGone {\n",
		"	if p.Suspicion != suspicionGone && p.Suspicion != \"\" {\n",
	}, {
		rules + "deletedtopic.go",
		"	if l.at.Sub(p.SuspectedAt) < confirmAfter {\n		return nil\n	}\n",
		"",
	}}},
	{"a lease for ever", "a worker that died must not keep its range", []edit{{
		rules + "invocation.go",
		"	return r.State == StatePlanned && (a.inHand(r, now) || now.Before(a.pausedUntil(r, lease)))\n",
		"	return r.State == StatePlanned && (a.inHand(r, now) || !r.LeaseUntil.IsZero())\n",
	}}},
	{"an old incarnation left open", "what nobody can read any more becomes a gap", []edit{{
		rules + "deletedtopic.go",
		"			v.gone = append(v.gone, p)\n",
		"",
	}}},
	{"one broker's word", "a broker that is cut off must not close a topic that is there", []edit{{
		twins + "kafka.go",
		"	case k.stale == AllStale || t == nil:\n",
		"	case k.stale != NoneStale || t == nil:\n",
	}}},
	{"an orphaned row left alone", "rows without a progress row are ended, whatever became of their topic", []edit{{
		rules + "deletedtopic.go",
		"return known[p] ||",
		"return p.Number >= 0 ||",
	}}},
	{"a birth that looks for no fork", "tables that were lost must not take a person's decision along", []edit{{
		rules + "marker.go",
		"		if err != nil || !found {\n",
		"		if err != nil || !found || p.Fork() == 0 {\n",
	}, {
		rules + "discover.go",
		"	if left {\n",
		"	if left && false {\n",
	}}},
	{"what lies before a failure thrown away", "what stops a range may last until Kafka deletes all of it", []edit{{
		rules + "archive.go",
		"	return rawBytes >= leastStopped ||",
		"	return false && rawBytes >= leastStopped ||",
	}, {
		rules + "archive.go",
		"row.StoppedAt == position || timeToLoss(row.LossAt, a.Now()) < a.NearLoss",
		"false && position == 0",
	}}},
	{"a branch that is not left", "the old keys hold the old branch", []edit{{
		rules + "marker.go",
		"Status: StatusForked,\n		Error:",
		"Status: StatusOpen,\n		Error:",
	}}},
}

// foundIn are the scenarios in which every fault is enough to find a mutant fast.
// All of the simulation hunts the others.
var foundIn = map[string]string{
	"plan without its condition":                "progress lost after a fork",
	"conditions without the generation":         "tables lost",
	"advance before commit":                     "plain",
	"advance over what is planned":              "plain",
	"advance without its condition":             "plain",
	"adopt without reading":                     "early end",
	"adopt what is not ours":                    "foreign object",
	"overwrite":                                 "plain",
	"forget the split":                          "early end",
	"claim the whole row after an early end":    "early end",
	"count wrong":                               "transactions",
	"skip LOST":                                 "first seen late",
	"a gap adopted as records":                  "first seen late",
	"a gap beyond the row":                      "retention",
	"retention counted as compaction":           "retention",
	"reuse a key after recreation":              "recreated",
	"fetch by name":                             "recreated and longer",
	"topic IDs not read again":                  "recreated and longer",
	"Kafka before tables":                       "appended",
	"the row read before the upload is begun":   "tables lost with later ranges first",
	"no fence":                                  "tables lost with later ranges first",
	"no pause behind the abort":                 "tables lost with later ranges first",
	"no pause for whoever made the row":         "tables lost with later ranges first",
	"a topic of old taken for new":              "upgraded and tables lost",
	"a completion sent again":                   "plain",
	"the row not read again for the key beside": "foreign objects and tables lost",
	"the archive begins at the log start":       "first seen late",
	"no look at leader epochs":                  "log cut and grown back",
	"one look is enough":                        "stale metadata",
	"a lease for ever":                          "plain",
	"an old incarnation left open":              "recreated",
	"one broker's word":                         "a broker cut off",
	"an orphaned row left alone":                "deleted and progress lost",
	"a birth that looks for no fork":            "tables lost after a fork",
	"what lies before a failure thrown away":    "unreadable within a range",
	"a branch that is not left":                 "log cut and accepted",
}
