package dynamoledger_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/dynamofake"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/httpfault"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
)

// twins are the ledger and the tables in memory of all simulations, which do all the same.
type twins struct {
	*rapid.T
	tables *dynamoledger.Ledger
	twin   *bifrosttest.Ledger
}

// both does one write to both: either it is applied to both, or refused by both.
func (w twins) both(what string, do func(l bifrost.Ledger) error) {
	w.Helper()
	tables, twin := do(w.tables), do(w.twin)
	refused := func(err error) bool { return errors.Is(err, bifrost.ErrConflict) }
	if (tables == nil) != (twin == nil) || refused(tables) != refused(twin) {
		w.Fatalf("%s: the tables say %v, their twin %v", what, tables, twin)
	}
}

// same compares all that both have of the partition, forwards and backwards, as pages of any size.
func (w twins) same(what string) {
	w.Helper()
	ctx := w.Context()
	limit, at := rapid.IntRange(1, 9).Draw(w.T, "limit"), rapid.Int64Range(0, 60).Draw(w.T, "at")
	reads := map[string]func(l bifrost.Ledger) (any, error){
		"progress": func(l bifrost.Ledger) (any, error) { return l.Progress(ctx, orders) },
		"rows":     func(l bifrost.Ledger) (any, error) { return l.Rows(ctx, orders, at, limit) },
		"rows from behind": func(l bifrost.Ledger) (any, error) {
			return l.(interface {
				RowsBelow(context.Context, bifrost.Partition, int64, int) ([]bifrost.Row, error)
			}).RowsBelow(ctx, orders, at, limit)
		},
	}
	for name, read := range reads {
		tables, err := read(w.tables)
		twin, twinErr := read(w.twin)
		if err != nil || twinErr != nil || !reflect.DeepEqual(meant(tables), meant(twin)) {
			w.Fatalf("%s after %s:\n%s, %v\n%s, %v", name, what, meant(tables), err, meant(twin), twinErr)
		}
	}
}

// inProcess answers requests without a network: there are thousands.
type inProcess struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

// meant is what was read without what a ledger may keep or not. Printed as Go, for a String is
// that of a part only.
func meant(read any) any {
	if p, ok := read.(bifrost.Progress); ok {
		return fmt.Sprintf("%#v", p)
	}
	var all []string
	for _, r := range read.([]bifrost.Row) {
		if r.State.Done() {
			r.LeaseUntil = time.Time{}
		}
		all = append(all, fmt.Sprintf("%#v", r))
	}
	return all
}

// Whatever is written to the ledger, one write after the other, with rows as they are and as they
// were, and facts of every kind: the tables are afterwards what their twin is, on which all
// simulations rest.
func TestTablesAreLikeTheirTwin(t *testing.T) {
	t.Parallel()
	fake := dynamofake.New()
	fake.PageSize = 3
	cfg := aws.Config{
		Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient: &http.Client{Transport: inProcess{fake}},
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := twins{rt, dynamoledger.New(cfg, newTables(t, cfg)), bifrosttest.NewLedger()}
		ctx := rt.Context()
		p := newProgress()
		p.PlannedEpoch, p.StartOffset = 9, 4
		w.both("create", func(l bifrost.Ledger) error { return l.CreateProgress(ctx, p) })
		w.both("open", func(l bifrost.Ledger) error { return l.OpenProgress(ctx, p) })
		old, err := w.twin.Progress(ctx, orders)
		if err != nil {
			rt.Fatal(err)
		}
		var known []bifrost.Row
		for n := range rapid.IntRange(5, 25).Draw(rt, "writes") {
			at := noon.Add(time.Duration(n) * time.Minute)
			now, err := w.twin.Progress(ctx, orders)
			if err != nil {
				rt.Fatal(err)
			}
			read := rapid.SampledFrom([]bifrost.Progress{now, now, now, old}).Draw(rt, "read")
			rows, err := w.twin.Rows(ctx, orders, 0, 100)
			if err != nil {
				rt.Fatal(err)
			}
			known = append(known, rows...)
			r := bifrost.Row{Partition: orders, Range: bifrost.Range{Start: 3, End: 9}}
			if len(rows) > 0 {
				r = rapid.SampledFrom(append(rows, known...)).Draw(rt, "row")
			}
			what := rapid.SampledFrom([]string{"plan", "lease", "release", "commit", "commit", "commit", "advance", "advance", "erase", "status", "delete"}).Draw(rt, "what")
			switch what {
			case "plan":
				size := rapid.Int64Range(1, 9).Draw(rt, "size")
				plan := bifrost.PlanWrite{Progress: read, PlannedOffset: read.PlannedOffset + size, PlannedEpoch: 3, Observation: bifrost.Observation{LastStable: 100, At: at}, Rows: []bifrost.Row{{
					Partition: orders, Range: bifrost.Range{Start: read.PlannedOffset, End: read.PlannedOffset + size}, PlannedAt: at, Expected: size * 100,
				}}}
				w.both(what, func(l bifrost.Ledger) error { return l.Plan(ctx, plan) })
			case "lease":
				w.both(what, func(l bifrost.Ledger) error {
					_, err := l.Lease(ctx, r, fmt.Sprintf("0.%d", n), r.Attempts+1, at.Add(time.Minute))
					return err
				})
			case "release":
				r.StoppedAt = rapid.Int64Range(0, 5).Draw(rt, "stopped")
				if !r.State.Done() && w.holds(r) {
					w.both(what, func(l bifrost.Ledger) error { return l.Release(ctx, r, "it failed", at) })
				}
			case "commit":
				facts := someFacts(rt, r.Range, fmt.Sprint("key ", n))
				w.both(what, func(l bifrost.Ledger) error {
					return l.Commit(ctx, bifrost.CommitWrite{Row: r, Facts: facts, ArchivedAt: at})
				})
			case "advance":
				if at := slices.IndexFunc(rows, func(r bifrost.Row) bool { return r.Start == now.NextOffset }); at >= 0 && rapid.IntRange(0, 3).Draw(rt, "in turn") > 0 {
					r = rows[at]
				}
				if !r.State.Done() {
					continue
				}
				over := bifrost.AdvanceWrite{Partition: orders, Generation: read.Generation, From: r.Start, To: r.End, Row: r}
				w.both(what, func(l bifrost.Ledger) error { return l.Advance(ctx, over) })
			case "erase":
				if !r.State.Done() {
					continue
				}
				gap := someFacts(rt, r.Range, r.Facts.Key)
				gap.Kind, gap.Reason, gap.Records, gap.RawBytes, gap.Missing = baldr.KindGap, bifrost.ReasonErased, 0, 0, baldr.Missing{}
				gap.FirstTimestamp, gap.LastTimestamp = -1, -1
				gap.End = r.Facts.End // of the object, as it was
				if rapid.Bool().Draw(rt, "of the row") {
					gap.End = r.End
				}
				w.both(what, func(l bifrost.Ledger) error {
					return l.(bifrost.Eraser).Erase(ctx, bifrost.ErasureWrite{Progress: read, Row: r, Facts: gap, At: at})
				})
			case "status":
				w.both(what, func(l bifrost.Ledger) error {
					return l.ChangeStatus(ctx, bifrost.StatusWrite{Progress: read, Status: read.Status, Error: fmt.Sprint("trouble ", n)})
				})
			case "delete": // of a row as it is, or as it was
				other := r
				other.End += rapid.Int64Range(0, 1).Draw(rt, "longer")
				if rapid.IntRange(0, 3).Draw(rt, "of another object") == 0 {
					other.Facts.Checksum = "another"
				}
				err := w.tables.DeleteRow(ctx, other)
				if w.holds(other) != (err == nil) || err != nil && !errors.Is(err, bifrost.ErrConflict) {
					rt.Fatalf("delete of a row that is there: %v, error %v", w.holds(other), err)
				}
				if err == nil {
					w.twin.Lose(nobody, func(row bifrost.Row) bool { return row.Partition == r.Partition && row.Start == r.Start })
				}
			}
			if rapid.Bool().Draw(rt, "look") {
				w.same(what)
			}
		}
		w.same("all")
	})
}

func nobody(bifrost.Progress) bool { return false }

// holds says that the row is what was read of it, as far as the conditions of a deletion ask.
func (w twins) holds(r bifrost.Row) bool {
	now, err := w.twin.Row(w.Context(), r.Partition, r.Start)
	return err == nil && now.State == r.State && now.End == r.End && now.Facts.Key == r.Facts.Key && now.Facts.Checksum == r.Facts.Checksum
}

// someFacts are of an object that begins where the range does, and ends before, with or behind it.
func someFacts(t *rapid.T, r bifrost.Range, key string) bifrost.Facts {
	n := func(name string) int64 { return rapid.Int64Range(0, 3).Draw(t, name) }
	f := bifrost.Facts{
		Key: key, Range: bifrost.Range{Start: r.Start, End: max(r.Start+1, r.End+rapid.Int64Range(-2, 2).Draw(t, "end"))},
		Records: n("records"), RawBytes: n("raw"), StoredBytes: n("stored"), Checksum: fmt.Sprint("sum ", n("checksum")),
		Missing:        baldr.Missing{Control: n("control"), Aborted: n("aborted"), Compacted: n("compacted")},
		FirstTimestamp: n("first") - 1, LastTimestamp: n("last") - 1, LeaderEpoch: int32(n("epoch")) - 1,
	}
	if rapid.Bool().Draw(t, "gap") {
		f.Kind, f.Reason = baldr.KindGap, bifrost.ReasonRetention
	}
	return f
}

// An advance whose answer was lost has succeeded if next_offset is behind it, however far, and the
// row is the one that was read: somebody else may have gone on, or made the row anew.
func TestAdvanceWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(l ledgerWithFaults)
		applied   bool
	}{
		"nothing": {func(ledgerWithFaults) {}, true},
		"the next advance": {func(l ledgerWithFaults) {
			l.must(l.Advance(l.Context(), bifrost.AdvanceWrite{Partition: orders, Generation: "generation-1", From: 10, To: 20, Row: l.row(10)}))
		}, true},
		"a row of another generation, as far": {func(l ledgerWithFaults) {
			l.must(l.DeleteProgress(l.Context(), l.progress()))
			other := newProgress()
			other.Generation, other.NextOffset = "generation-2", 10
			l.must(l.CreateProgress(l.Context(), other))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedgerWithFaults(t).prepare()
			l.must(l.Commit(l.Context(), commitOf(l.row(10), 20)))
			over := l.advance()
			l.faults.Next(isWrite, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
				answer, err := httpfault.LoseAnswer(next, r)
				c.meanwhile(l)
				return answer, err
			})
			if err := l.Advance(l.Context(), over); (err == nil) != c.applied {
				t.Errorf("error %v, want success: %v", err, c.applied)
			}
		})
	}
}
