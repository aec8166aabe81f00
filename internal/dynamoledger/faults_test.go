package dynamoledger_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/httpfault"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
)

var noon = time.Date(2024, 2, 29, 12, 0, 0, 7e6, time.UTC)

// operation picks the requests of one operation of DynamoDB's API.
func operation(name string) httpfault.Match {
	return func(r *http.Request) bool { return strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+name) }
}

func isWrite(r *http.Request) bool {
	for _, name := range []string{"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"} {
		if operation(name)(r) {
			return true
		}
	}
	return false
}

// says is an answer of DynamoDB that names an exception.
func says(exception string) string {
	return `{"__type":"com.amazonaws.dynamodb.v20120810#` + exception + `","message":"ordered by a test"}`
}

const canceledByConflict = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",` +
	`"Message":"Transaction cancelled","CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict"}]}`

// badDays are what can happen to a write that is to be applied once all the same.
var badDays = map[string][]httpfault.Fault{
	"a good day":                      {httpfault.Pass},
	"request lost":                    {httpfault.LoseRequest},
	"answer lost":                     {httpfault.LoseAnswer},
	"answer lost twice":               {httpfault.LoseAnswer, httpfault.LoseAnswer},
	"answer cut":                      {httpfault.Cut(1)},
	"500 and not applied":             {httpfault.Answer(500, nil, says("InternalServerError"))},
	"500 and applied":                 {httpfault.AnswerAfter(500, nil, says("InternalServerError"))},
	"throttled":                       {httpfault.Answer(400, nil, says("ProvisionedThroughputExceededException"))},
	"throttled, then its answer lost": {httpfault.Answer(400, nil, says("ThrottlingException")), httpfault.LoseAnswer},
	"met a transaction":               {httpfault.Answer(400, nil, says("TransactionConflictException"))},
	"met by a transaction":            {httpfault.Answer(400, nil, canceledByConflict), httpfault.Answer(400, nil, canceledByConflict)},
}

// ledgerWithFaults is a ledger with a partition [0, 20) planned in two rows, the
// first of them archived.
type ledgerWithFaults struct {
	*dynamoledger.Ledger
	*testing.T
	faults *httpfault.Transport
	tables dynamoledger.Tables
	direct aws.Config // past the faults
}

var orders = bifrost.Partition{Name: "orders", Number: 3}

func newLedgerWithFaults(t *testing.T) ledgerWithFaults {
	t.Helper()
	cfg := service(t)
	tables := newTables(t, cfg)
	direct, faults := cfg, httpfault.New(http.DefaultTransport)
	cfg.HTTPClient = &http.Client{Transport: faults}
	return ledgerWithFaults{dynamoledger.New(cfg, tables), t, faults, tables, direct}
}

func (l ledgerWithFaults) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l ledgerWithFaults) progress() bifrost.Progress {
	l.Helper()
	p, err := l.Progress(l.Context(), orders)
	l.must(err)
	return p
}

func (l ledgerWithFaults) row(start int64) bifrost.Row {
	l.Helper()
	r, err := l.Row(l.Context(), orders, start)
	l.must(err)
	return r
}

func newProgress() bifrost.Progress {
	return bifrost.Progress{
		Partition: orders, Generation: "generation-1", Status: bifrost.StatusFencing, KnownUntil: 7,
		Observation: bifrost.Observation{LastStable: 100, HighWatermark: 100, At: noon},
	}
}

func planOf(p bifrost.Progress) bifrost.PlanWrite {
	return bifrost.PlanWrite{
		Progress: p, PlannedOffset: 20, Observation: bifrost.Observation{LastStable: 100, At: noon},
		Rows: []bifrost.Row{
			{Partition: orders, Range: bifrost.Range{Start: 0, End: 10}, PlannedAt: noon},
			{Partition: orders, Range: bifrost.Range{Start: 10, End: 20}, PlannedAt: noon},
		},
	}
}

func commitOf(r bifrost.Row, end int64) bifrost.CommitWrite {
	facts := bifrost.Facts{
		Key: "key", Kind: baldr.KindRecords, Range: bifrost.Range{Start: r.Start, End: end},
		Records: end - r.Start, RawBytes: 1000, LastTimestamp: noon.UnixMilli(), LeaderEpoch: -1,
	}
	return bifrost.CommitWrite{Row: r, Facts: facts, ArchivedAt: noon}
}

func (l ledgerWithFaults) prepare() ledgerWithFaults {
	l.Helper()
	l.must(l.CreateProgress(l.Context(), newProgress()))
	l.must(l.OpenProgress(l.Context(), newProgress()))
	l.must(l.Plan(l.Context(), planOf(l.progress())))
	l.must(l.Commit(l.Context(), commitOf(l.row(0), 10)))
	return l
}

func (l ledgerWithFaults) advance() bifrost.AdvanceWrite {
	return bifrost.AdvanceWrite{Partition: orders, Generation: "generation-1", From: 0, To: 10, Row: l.row(0)}
}

// writes are all conditional writes of the ledger: how to do one and how to see
// that it was done once.
var writes = map[string]struct {
	prepared bool
	do       func(l ledgerWithFaults) error
	done     func(l ledgerWithFaults) bool
}{
	"CreateProgress": {false,
		func(l ledgerWithFaults) error { return l.CreateProgress(l.Context(), newProgress()) },
		func(l ledgerWithFaults) bool { return l.progress().Generation == "generation-1" }},
	"FenceProgress": {false,
		func(l ledgerWithFaults) error {
			fenced := newProgress()
			fenced.FencedAt = noon
			return errors.Join(l.CreateProgress(l.Context(), newProgress()), l.FenceProgress(l.Context(), fenced))
		},
		func(l ledgerWithFaults) bool { return l.progress().FencedAt.Equal(noon) }},
	"SetMark": {false,
		func(l ledgerWithFaults) error {
			return l.SetMark(l.Context(), bifrost.TablesMark{}, bifrost.TablesMark{Series: "one", Number: 1, At: noon})
		},
		func(l ledgerWithFaults) bool { m, err := l.Mark(l.Context()); return err == nil && m.Number == 1 }},
	"OpenProgress": {false,
		func(l ledgerWithFaults) error {
			return errors.Join(l.CreateProgress(l.Context(), newProgress()), l.OpenProgress(l.Context(), newProgress()))
		},
		func(l ledgerWithFaults) bool {
			return l.progress().Status == bifrost.StatusOpen && l.progress().KnownUntil == 7
		}},
	"DeleteProgress": {true,
		func(l ledgerWithFaults) error { return l.DeleteProgress(l.Context(), l.progress()) },
		func(l ledgerWithFaults) bool {
			_, err := l.Progress(l.Context(), orders)
			return errors.Is(err, bifrost.ErrNotFound)
		}},
	"Plan": {true,
		func(l ledgerWithFaults) error {
			w := planOf(l.progress())
			w.Rows = []bifrost.Row{{Partition: orders, Range: bifrost.Range{Start: 20, End: 30}, PlannedAt: noon}}
			w.PlannedOffset = 30
			return l.Plan(l.Context(), w)
		},
		func(l ledgerWithFaults) bool { return l.progress().PlannedOffset == 30 && l.row(20).End == 30 }},
	"ChangeStatus": {true,
		func(l ledgerWithFaults) error {
			return l.ChangeStatus(l.Context(), bifrost.StatusWrite{Progress: l.progress(), Status: bifrost.StatusDiverged, Error: "cut"})
		},
		func(l ledgerWithFaults) bool {
			return l.progress().Status == bifrost.StatusDiverged && l.progress().Error == "cut"
		}},
	"MarkGap": {true,
		func(l ledgerWithFaults) error {
			return l.MarkGap(l.Context(), l.progress(), l.row(10), bifrost.ReasonTopicDeleted)
		},
		func(l ledgerWithFaults) bool { return l.row(10).GapReason == bifrost.ReasonTopicDeleted }},
	"Lease": {true,
		func(l ledgerWithFaults) error {
			leased, err := l.Lease(l.Context(), l.row(10), "function-1", l.row(10).Attempts+1, noon)
			if err == nil && (leased.Attempts != 1 || !leased.LeaseUntil.Equal(noon)) {
				l.Errorf("Lease answers attempt %d until %v", leased.Attempts, leased.LeaseUntil)
			}
			return err
		},
		func(l ledgerWithFaults) bool { return l.row(10).Attempts == 1 && l.row(10).LeaseUntil.Equal(noon) }},
	"Release": {true,
		func(l ledgerWithFaults) error { return l.Release(l.Context(), l.row(10), "no broker", noon) },
		func(l ledgerWithFaults) bool {
			return l.row(10).Error == "no broker" && l.progress().Error == "no broker"
		}},
	"Commit of a whole range": {true,
		func(l ledgerWithFaults) error { return l.Commit(l.Context(), commitOf(l.row(10), 20)) },
		func(l ledgerWithFaults) bool {
			return l.row(10).State == bifrost.StateArchived && l.row(10).Facts.Key == "key"
		}},
	"Commit": {true,
		func(l ledgerWithFaults) error { return l.Commit(l.Context(), commitOf(l.row(10), 15)) },
		func(l ledgerWithFaults) bool {
			return l.row(10).End == 15 && l.row(10).State == bifrost.StateArchived && l.row(15).State == bifrost.StatePlanned
		}},
	"Advance": {true,
		func(l ledgerWithFaults) error { return l.Advance(l.Context(), l.advance()) },
		func(l ledgerWithFaults) bool {
			p := l.progress()
			return p.NextOffset == 10 && p.Records == 10 && p.RawBytes == 1000 && p.LastRecordAt.Equal(noon)
		}},
}

func TestWritesApplyOnceOnBadDays(t *testing.T) {
	t.Parallel()
	for name, write := range writes {
		for day, faults := range badDays {
			t.Run(name+"/"+day, func(t *testing.T) {
				t.Parallel()
				l := newLedgerWithFaults(t)
				if write.prepared {
					l.prepare()
				}
				l.faults.Next(isWrite, faults...)
				if err := write.do(l); err != nil {
					t.Fatalf("%v, want success: it was applied, once", err)
				}
				if !write.done(l) {
					t.Errorf("not done, or not once: progress %+v", l.progress())
				}
				if left := l.faults.Left(); left > 0 {
					t.Errorf("%d faults met no request", left)
				}
			})
		}
	}
}

// A conflict that somebody else made stays a conflict, also when an attempt of
// one's own got lost before it reached DynamoDB. An error that leaves it open would
// be right as well; what must not be is success.
func TestLostRequestIsNoSuccess(t *testing.T) {
	t.Parallel()
	stale := map[string]func(l ledgerWithFaults) (first, second error){
		"Lease": func(l ledgerWithFaults) (error, error) {
			read := l.row(10)
			_, first := l.Lease(l.Context(), read, "function-1", read.Attempts+1, noon)
			l.faults.Next(isWrite, httpfault.LoseRequest)
			_, second := l.Lease(l.Context(), read, "function-1", read.Attempts+1, noon.Add(time.Second))
			return first, second
		},
		"CreateProgress": func(l ledgerWithFaults) (error, error) {
			l.faults.Next(isWrite, httpfault.LoseRequest)
			other := newProgress()
			other.Generation = "generation-2"
			return nil, l.CreateProgress(l.Context(), other)
		},
		"Plan": func(l ledgerWithFaults) (error, error) {
			read := l.progress()
			read.PlannedOffset = 0
			l.faults.Next(isWrite, httpfault.LoseRequest)
			return nil, l.Plan(l.Context(), planOf(read))
		},
		"Commit": func(l ledgerWithFaults) (error, error) {
			read := l.row(10)
			first := l.Commit(l.Context(), commitOf(read, 15))
			l.faults.Next(isWrite, httpfault.LoseRequest)
			return first, l.Commit(l.Context(), commitOf(read, 20))
		},
		"Lease of another function for as long": func(l ledgerWithFaults) (error, error) {
			read := l.row(10)
			_, first := l.Lease(l.Context(), read, "function-2", read.Attempts+1, noon)
			l.faults.Next(isWrite, httpfault.LoseRequest)
			_, second := l.Lease(l.Context(), read, "function-1", read.Attempts+1, noon)
			return first, second
		},
		"Commit of another object of the same range": func(l ledgerWithFaults) (error, error) {
			read := l.row(10)
			other := commitOf(read, 20)
			other.Facts.Key = "another key"
			first := l.Commit(l.Context(), other)
			l.faults.Next(isWrite, httpfault.LoseRequest)
			return first, l.Commit(l.Context(), commitOf(read, 20))
		},
		"ChangeStatus with another suspicion": func(l ledgerWithFaults) (error, error) {
			read := l.progress()
			write := bifrost.StatusWrite{Progress: read, Status: bifrost.StatusOpen, Suspicion: "one", SuspectedAt: noon}
			first := l.ChangeStatus(l.Context(), write)
			l.faults.Next(isWrite, httpfault.LoseRequest)
			write.Suspicion = "another"
			return first, l.ChangeStatus(l.Context(), write)
		},
		"OpenProgress with another start": func(l ledgerWithFaults) (error, error) {
			l.faults.Next(isWrite, httpfault.LoseRequest)
			other := newProgress()
			other.StartOffset++
			return nil, l.OpenProgress(l.Context(), other)
		},
		"SetMark of another time": func(l ledgerWithFaults) (error, error) {
			first := l.SetMark(l.Context(), bifrost.TablesMark{}, bifrost.TablesMark{Series: "one", Number: 1, At: noon})
			l.faults.Next(isWrite, httpfault.LoseRequest)
			return first, l.SetMark(l.Context(), bifrost.TablesMark{}, bifrost.TablesMark{Series: "one", Number: 1, At: noon.Add(time.Second)})
		},
		"Advance": func(l ledgerWithFaults) (error, error) {
			w := l.advance()
			w.Generation = "generation-0"
			l.faults.Next(isWrite, httpfault.LoseRequest)
			return nil, l.Advance(l.Context(), w)
		},
	}
	for name, try := range stale {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedgerWithFaults(t).prepare()
			first, second := try(l)
			l.must(first)
			if second == nil {
				t.Error("a write whose condition does not hold succeeded")
			}
			t.Log(second)
		})
	}
}

// What never gets through is an ordinary error, within a bounded number of attempts.
func TestThrottledForever(t *testing.T) {
	t.Parallel()
	l := newLedgerWithFaults(t).prepare()
	always := make([]httpfault.Fault, 100)
	for i := range always {
		always[i] = httpfault.Answer(400, nil, says("ThrottlingException"))
	}
	l.faults.Next(operation("UpdateItem"), always...)
	err := l.Advance(l.Context(), l.advance())
	if err == nil || errors.Is(err, bifrost.ErrConflict) {
		t.Errorf("error %v, want one that is not ErrConflict", err)
	}
	if n := l.faults.Count(operation("UpdateItem")); n < 3 || n > 20 {
		t.Errorf("%d attempts, want a handful", n)
	}
	if got := l.progress().NextOffset; got != 0 {
		t.Errorf("next_offset %d, want 0", got)
	}
}

// A read that breaks off in the middle is read again, whole.
func TestReadsOnBadDays(t *testing.T) {
	t.Parallel()
	l := newLedgerWithFaults(t).prepare()
	for _, name := range []string{"Scan", "Query", "GetItem"} {
		l.faults.Next(operation(name), httpfault.Cut(20), httpfault.LoseAnswer,
			httpfault.Answer(400, nil, says("ProvisionedThroughputExceededException")))
	}
	all, err := l.ListProgress(l.Context())
	l.must(err)
	rows, err := l.Rows(l.Context(), orders, 0, 10)
	l.must(err)
	last, err := l.RowsBelow(l.Context(), orders, 11, 1)
	l.must(err)
	if len(last) != 1 || last[0].Start != 10 {
		t.Errorf("rows below 11, the highest first, at most one: %+v", last)
	}
	if len(all) != 1 || len(rows) != 2 || l.progress().Generation != all[0].Generation {
		t.Errorf("read %d progress rows and %d rows, want 1 and 2", len(all), len(rows))
	}
	if left := l.faults.Left(); left > 0 {
		t.Errorf("%d faults met no request", left)
	}
}

// The newest record of a partition is not always in the last range.
func TestNewestRecordStays(t *testing.T) {
	t.Parallel()
	l := newLedgerWithFaults(t).prepare()
	older := commitOf(l.row(10), 20)
	older.Facts.LastTimestamp -= 5000
	l.must(l.Commit(l.Context(), older))
	l.must(l.Advance(l.Context(), l.advance()))
	l.faults.Next(isWrite, httpfault.LoseRequest, httpfault.Pass, httpfault.LoseAnswer)
	l.must(l.Advance(l.Context(), bifrost.AdvanceWrite{Partition: orders, Generation: "generation-1", From: 10, To: 20, Row: l.row(10)}))
	p := l.progress()
	if p.NextOffset != 20 || p.Records != 20 || !p.LastRecordAt.Equal(noon) {
		t.Errorf("next_offset %d, %d records, newest record at %v; want 20, 20 and %v", p.NextOffset, p.Records, p.LastRecordAt, noon)
	}
}

func TestMissingTable(t *testing.T) {
	t.Parallel()
	l := dynamoledger.New(service(t), dynamoledger.Tables{Progress: "no-progress", Objects: "no-objects"})
	p, r := newProgress(), bifrost.Row{Partition: orders, Range: bifrost.Range{Start: 0, End: 10}}
	lease := func(ctx context.Context) error {
		_, err := l.Lease(ctx, r, "function-1", r.Attempts+1, noon)
		return err
	}
	for name, call := range map[string]func(context.Context) error{
		"ListProgress": func(ctx context.Context) error { _, err := l.ListProgress(ctx); return err },
		"ListPlanned":  func(ctx context.Context) error { _, err := l.ListPlanned(ctx); return err },
		"Row":          func(ctx context.Context) error { _, err := l.Row(ctx, orders, 0); return err },
		"Plan":         func(ctx context.Context) error { return l.Plan(ctx, planOf(p)) },
		"Lease":        lease,
	} {
		err := call(t.Context())
		if err == nil || errors.Is(err, bifrost.ErrConflict) || errors.Is(err, bifrost.ErrNotFound) {
			t.Errorf("%s: %v, want an error of its own kind", name, err)
			continue
		}
		for _, word := range []string{"no-progress", "no-objects", "BIFROST_PROGRESS_TABLE", "BIFROST_OBJECTS_TABLE", "does not exist"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: error %q does not mention %s", name, err, word)
			}
		}
	}
}

// The console shows numbers as numbers, times as people write them, and nothing empty.
func TestConsoleView(t *testing.T) {
	t.Parallel()
	l := newLedgerWithFaults(t).prepare()
	l.must(l.Advance(l.Context(), l.advance()))
	_, err := l.Lease(l.Context(), l.row(10), "function-1", l.row(10).Attempts+1, noon)
	l.must(err)
	// Behind the last stable offset nobody waits for anything, and what is lost already is not lost before now.
	seen := bifrost.Observation{LastStable: 100, HighWatermark: 150, At: noon, LossAt: noon.Add(-time.Hour)}
	taken := bifrost.Row{Partition: l.progress().Partition, Range: bifrost.Range{Start: 40, End: 50}, State: bifrost.StatePlanned, LeaseUntil: noon}
	l.must(l.Plan(l.Context(), bifrost.PlanWrite{Progress: l.progress(), PlannedOffset: 20, Rows: []bifrost.Row{taken}, Observation: seen}))
	l.must(l.PutInvocation(l.Context(), bifrost.Invocation{ID: "3.A", AliveUntil: noon, Tasks: []bifrost.Task{bifrost.NewTask(l.row(10))}}, noon))
	l.must(l.EndInvocation(l.Context(), "3.A"))
	working := bifrost.Invocation{ID: "4.A", AliveUntil: noon, Tasks: []bifrost.Task{bifrost.NewTask(l.row(10)), bifrost.NewTask(l.row(10))}}
	l.must(l.PutInvocation(l.Context(), working, noon))
	// A place that is another in the next release leaves the record of this one for ever.
	l.must(l.NoteTick(l.Context(), bifrost.TickRecord{ID: "tick", ClusterID: "cluster", StartedAt: noon}))
	got := l.show(t)
	for _, want := range []string{
		`progress lag N 90`, `progress time_to_loss_seconds N 0`, `objects 3 invocation S 3.A`, `objects 4 ranges N 2`, `objects 40 leased_until S 2024-02-29T12:00:00.007Z`, `objects 4133956916041390118 tick_id S tick`, `objects 4 alive_until_at S 2024-02-29T12:00:00.007Z`, `progress next_offset N 10`, `progress planned_offset N 20`, `progress status S OPEN`,
		`progress observed_at S 2024-02-29T12:00:00.007Z`, `progress last_record_at S 2024-02-29T12:00:00.007Z`,
		`objects 0 state S ARCHIVED`, `objects 0 missing M`, `objects 0 last_record_at S 2024-02-29T12:00:00.007Z`,
		`objects 10 state S PLANNED`, `objects 10 lease_until N 1709208000007`, `objects 10 leased_until S 2024-02-29T12:00:00.007Z`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, unwanted := range []string{" S \n", "objects 0 open_shard", "objects 0 lease", "objects 10 archived_at", "progress error", "objects 3 tasks", "objects 3 ranges"} {
		if strings.Contains(got, unwanted) {
			t.Errorf("%q in\n%s", unwanted, got)
		}
	}
}

// show prints both tables as the console would: table, row, attribute, type, value.
func (l ledgerWithFaults) show(t *testing.T) string {
	t.Helper()
	client := dynamodb.NewFromConfig(l.direct)
	var text strings.Builder
	for kind, table := range map[string]string{"progress": l.tables.Progress, "objects": l.tables.Objects} {
		out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(table), ConsistentRead: aws.Bool(true)})
		l.must(err)
		for _, item := range out.Items {
			row := kind
			if start, ok := item["start_offset"].(*types.AttributeValueMemberN); ok && kind == "objects" {
				row += " " + start.Value
			}
			for name, value := range item {
				fmt.Fprintf(&text, "%s %s %s\n", row, name, scalar(value))
			}
		}
	}
	return text.String()
}

func scalar(value types.AttributeValue) string {
	switch v := value.(type) {
	case *types.AttributeValueMemberN:
		return "N " + v.Value
	case *types.AttributeValueMemberS:
		return "S " + v.Value
	case *types.AttributeValueMemberM:
		return "M"
	}
	return fmt.Sprintf("%T", value)
}

// Tables are made once on each of the bad days: a request that is sent again may meet the table that the first has made.
func TestTablesAreMadeOnBadDays(t *testing.T) {
	t.Parallel()
	for name, day := range badDays {
		if strings.Contains(name, "transaction") {
			continue // no transaction touches a table that is being made
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, faults := service(t), httpfault.New(http.DefaultTransport)
			cfg.HTTPClient = &http.Client{Transport: faults}
			faults.Next(operation("CreateTable"), day...)
			tables := newTables(t, cfg)
			if left := faults.Left(); left != 0 {
				t.Fatalf("%d faults were not met", left)
			}
			l := dynamoledger.New(cfg, tables)
			if err := errors.Join(l.CheckProgressTable(t.Context()), l.CheckObjectsTable(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
}

// A name that was taken by another table meanwhile is not taken for a table of ours.
func TestATableOfAnotherIsNotTakenForOneMade(t *testing.T) {
	t.Parallel()
	cfg := service(t)
	tables := newTables(t, cfg)
	err := dynamoledger.CreateTables(t.Context(), cfg, dynamoledger.Tables{Progress: tables.Objects, Objects: tables.Progress})
	if err == nil || !strings.Contains(err.Error(), tables.Objects+" exists and is none of Bifrost's") {
		t.Errorf("tables were swapped with %v", err)
	}
	if err := dynamoledger.CreateTables(t.Context(), cfg, tables); err != nil {
		t.Errorf("tables that are there: %v", err)
	}
}
