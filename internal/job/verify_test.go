package job

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// reads counts what a verification reads, and ends the time of the function with the one that is to be the last.
type reads struct {
	Bucket
	Tables
	done atomic.Int64
	last int64
	end  func()
}

func (r *reads) answered() {
	if r.done.Add(1) == r.last {
		r.end()
	}
}

func (r *reads) Open(ctx context.Context, key string) (bifrost.Object, error) {
	defer r.answered()
	return r.Bucket.Open(ctx, key)
}

func (r *reads) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	defer r.answered()
	return r.Bucket.List(ctx, prefix, after, limit)
}

func (r *reads) Mark(ctx context.Context) (bifrost.TablesMark, error) {
	defer r.answered()
	return r.Tables.Mark(ctx)
}

func (r *reads) ListProgress(ctx context.Context) ([]bifrost.Progress, error) {
	defer r.answered()
	return r.Tables.ListProgress(ctx)
}

func (r *reads) Progress(ctx context.Context, p bifrost.Partition) (bifrost.Progress, error) {
	defer r.answered()
	return r.Tables.Progress(ctx, p)
}

func (r *reads) Row(ctx context.Context, p bifrost.Partition, start int64) (bifrost.Row, error) {
	defer r.answered()
	return r.Tables.Row(ctx, p, start)
}

func (r *reads) Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	defer r.answered()
	return r.Tables.Rows(ctx, p, from, limit)
}

// What was looked at to its end counts, also where the time of the function is over in that moment; what
// was not says how to go on.
func TestAVerificationThatEndsWithItsTimeCounts(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 1)
	a.archive("orders", 1, 40)
	spec := Spec{ID: "one", Kind: KindVerify}
	input, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	const execution = "arn:aws:states:eu-west-1:000000000000:execution:bifrost-job:one"
	if _, err := a.runner.Plan(t.Context(), Event{Job: input, Execution: execution, Workers: 1}); err != nil {
		t.Fatal(err)
	}
	items, err := a.runner.Items(t.Context(), spec.ID)
	if err != nil || len(items) != 3 { // objects, the group, rows
		t.Fatalf("items %+v, %v", items, err)
	}
	if items[0].Slice == nil || items[0].Records != 40 || items[0].Bytes <= 0 {
		t.Errorf("of 40 records the catalogue says %+v", items[0])
	}
	for _, item := range items {
		verified := func(last int64) (int64, *Done, error) {
			within, end := context.WithCancelCause(t.Context())
			defer end(nil)
			r := &reads{Bucket: a.runner.Bucket, Tables: a.runner.Tables, last: last, end: func() { end(errDeadline) }}
			runner, result := *a.runner, &Done{}
			runner.Bucket, runner.Tables = r, r
			err := runner.verifyItem(within, spec, item, result)
			return r.done.Load(), result, err
		}
		all, result, err := verified(0)
		if err != nil || all < 2 {
			t.Fatalf("item %+v: %d reads, %v", item, all, err)
		}
		want := *result.Summary
		if _, result, err = verified(all); err != nil || result.Summary == nil || result.Summary.Objects != want.Objects {
			t.Errorf("item %+v, whose time ends with the last read: %+v, %v", item, result.Summary, err)
		}
		_, result, err = verified(1)
		if result.Summary != nil || err == nil ||
			!strings.Contains(err.Error(), "does not fit into the time") && !errors.Is(err, context.Canceled) {
			t.Errorf("item %+v, whose time ends with the first read: %+v, %v", item, result.Summary, err)
		}
	}
}

// A job, too, knows at which age the bucket deletes objects: one that is gone by then is missed by nobody.
func TestAJobKnowsWhatExpires(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 2)
	a.archive("orders", 1, 6)
	for _, key := range a.store.Keys() {
		if strings.HasSuffix(key, "/00000000000000000000.baldr.gz") {
			a.store.Delete(key)
		}
	}
	for id, c := range map[string]struct {
		expiration          time.Duration
		violations, expired int64
	}{"kept": {0, 1, 0}, "young": {time.Since(a.clock.Now()) + time.Hour, 1, 0}, "old": {24 * time.Hour, 0, 1}} {
		a.runner.Expiration = c.expiration
		report, err := a.execute(Spec{ID: id, Kind: KindVerify})
		if err != nil || (report.Verify.Violations > 0) != (c.violations > 0) || report.Verify.Expired != c.expired {
			t.Errorf("%s: %+v, error %v", id, report.Verify, err)
		}
	}
}
