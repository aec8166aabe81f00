package dynamoledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/httpfault"
)

// offline is a ledger whose every request is answered in DynamoDB's place.
func offline(answer httpfault.Fault) (*Ledger, *httpfault.Transport) {
	faults := httpfault.New(nil)
	faults.Next(func(*http.Request) bool { return true }, slices.Repeat([]httpfault.Fault{answer}, 50)...)
	return New(aws.Config{
		Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient: &http.Client{Transport: faults},
	}, Tables{Progress: "the-progress", Objects: "the-objects"}), faults
}

func TestErrorsThatAreNotRepeated(t *testing.T) {
	t.Parallel()
	for exception, words := range map[string][]string{
		"ResourceNotFoundException":   {"the-progress", "BIFROST_PROGRESS_TABLE", "the-objects", "BIFROST_OBJECTS_TABLE"},
		"UnrecognizedClientException": {"UnrecognizedClientException"},
		"AccessDeniedException":       {"AccessDeniedException"},
		"ValidationException":         {"ValidationException"},
	} {
		t.Run(exception, func(t *testing.T) {
			t.Parallel()
			l, faults := offline(httpfault.Answer(400, nil, fmt.Sprintf(`{"__type":"x#%s","message":"m"}`, exception)))
			_, err := l.Lease(t.Context(), bifrost.Row{
				Partition: bifrost.Partition{Name: "orders", Number: 7}, Range: bifrost.Range{Start: 100, End: 200},
			}, "function-1", 1, time.Time{})
			for _, word := range append(words, "lease orders/7 [100, 200)") {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("error %v does not say %q", err, word)
				}
			}
			if errors.Is(err, bifrost.ErrConflict) || errors.Is(err, bifrost.ErrNotFound) {
				t.Errorf("%v is a verdict about the row", err)
			}
			if n := faults.Count(func(*http.Request) bool { return true }); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

func TestPassingCancellations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"None TransactionConflict":                   true,
		"TransactionConflict ThrottlingError":        true,
		"ProvisionedThroughputExceeded None":         true,
		"ConditionalCheckFailed None":                false,
		"TransactionConflict ConditionalCheckFailed": false,
		"ValidationError":                            false,
		"ItemCollectionSizeLimitExceeded None":       false,
	} {
		var reasons []types.CancellationReason
		for code := range strings.FieldsSeq(text) {
			reasons = append(reasons, types.CancellationReason{Code: aws.String(code)})
		}
		if got := isPassing(reasons); got != want {
			t.Errorf("%s: passing %v, want %v", text, got, want)
		}
		err := fmt.Errorf("wrapped: %w", &types.TransactionCanceledException{CancellationReasons: reasons})
		if got := newRetryer().IsErrorRetryable(err); got != want {
			t.Errorf("%s: repeated %v, want %v", text, got, want)
		}
	}
}

func TestRetryer(t *testing.T) {
	t.Parallel()
	r := newRetryer()
	for err, want := range map[error]bool{
		&types.TransactionConflictException{}:           true,
		&types.ProvisionedThroughputExceededException{}: true,
		io.ErrUnexpectedEOF:                             true,
		&types.ConditionalCheckFailedException{}:        false,
		&types.ResourceNotFoundException{}:              false,
	} {
		if got := r.IsErrorRetryable(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("%T: repeated %v, want %v", err, got, want)
		}
	}
	for attempt := range 20 {
		if d, err := r.RetryDelay(attempt, nil); err != nil || d < 0 || d > 4*time.Second {
			t.Errorf("pause after attempt %d: %v, %v", attempt, d, err)
		}
	}
}

// What DynamoDB itself has refused was not applied, whatever else is answered may have
// been: each status, at both ends of those that refuse, and no answer at all.
func TestWhatMayHaveBeenApplied(t *testing.T) {
	t.Parallel()
	answers := map[error]bool{
		io.ErrUnexpectedEOF: true, context.DeadlineExceeded: true, errors.New("connection reset"): true,
	}
	for code := 200; code < 600; code++ {
		answers[&smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: code}}, Err: errors.New("answer"),
		}] = code < 400 || code >= 500
	}
	for err, open := range answers {
		wrapped := fmt.Errorf("wrapped: %w", err)
		d := &doubt{RetryerV2: newRetryer()}
		d.IsErrorRetryable(wrapped)
		if refused(wrapped) == open || d.lost != open {
			t.Errorf("%v: refused %v, in doubt %v, want in doubt %v", err, refused(wrapped), d.lost, open)
		}
		d.IsErrorRetryable(&smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 400}}, Err: errors.New("answer"),
		})
		if d.lost != open {
			t.Errorf("%v, and then 400: in doubt %v, want %v", err, d.lost, open)
		}
	}
}

// A condition that fails is a verdict, unless an attempt before may have been applied: it
// may be this write that has failed it.
func TestAConditionThatFailsAfterwards(t *testing.T) {
	t.Parallel()
	says := func(status int, exception string) httpfault.Fault {
		return httpfault.Answer(status, nil, fmt.Sprintf(`{"__type":"x#%s","message":"m"}`, exception))
	}
	throttled, failed := says(400, "ThrottlingException"), says(400, "ConditionalCheckFailedException")
	broken, away := says(500, "InternalServerError"), says(503, "ServiceUnavailable")
	for name, c := range map[string]struct {
		before  []httpfault.Fault
		verdict bool
	}{
		"at once":               {nil, true},
		"behind 400":            {[]httpfault.Fault{throttled}, true},
		"behind 500":            {[]httpfault.Fault{broken}, false},
		"behind 503":            {[]httpfault.Fault{away}, false},
		"behind no answer":      {[]httpfault.Fault{httpfault.LoseRequest}, false},
		"behind 500, and a 400": {[]httpfault.Fault{broken, throttled}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := httpfault.New(nil)
			faults.Next(func(*http.Request) bool { return true }, append(c.before, failed)...)
			l := New(aws.Config{
				Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
				HTTPClient: &http.Client{Transport: faults},
			}, Tables{Progress: "the-progress", Objects: "the-objects"})
			_, err := l.Lease(t.Context(), bifrost.Row{
				Partition: bifrost.Partition{Name: "orders", Number: 7}, Range: bifrost.Range{Start: 100, End: 200},
			}, "function-1", 1, time.Time{})
			if err == nil || errors.Is(err, bifrost.ErrConflict) != c.verdict || faults.Left() != 0 {
				t.Errorf("error %v with %d answers left, want a verdict: %v", err, faults.Left(), c.verdict)
			}
		})
	}
}

// The pauses of a write that is repeated are short beside those of the SDK, and long
// enough for DynamoDB to find capacity.
func TestPauses(t *testing.T) {
	t.Parallel()
	all := time.Duration(0)
	for attempt := 1; attempt < maxAttempts; attempt++ {
		longest := time.Duration(0)
		for range 500 {
			d, err := pause(attempt, nil)
			if err != nil || d < 0 {
				t.Fatalf("pause %v, error %v", d, err)
			}
			longest = max(longest, d)
		}
		want := min(50*time.Millisecond<<(attempt-1), 3200*time.Millisecond)
		if longest > want || longest < want/2 {
			t.Errorf("after attempt %d: up to %v, want up to %v", attempt, longest, want)
		}
		all += longest
	}
	if all < 6*time.Second || all > 15*time.Second {
		t.Errorf("all pauses take up to %v, want about ten seconds", all)
	}
}

// someTime is what a ledger keeps of a time: milliseconds in UTC, or none.
func someTime() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		ms := rapid.Int64Range(0, 253402300799999).Draw(t, "ms") // up to the year 9999
		return fromMillis(ms)
	})
}

func TestProgressRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(-1, 1<<62)
		text := rapid.StringMatching(`[a-z@é ]{0,8}`)
		want := bifrost.Progress{
			Partition: bifrost.Partition{Name: rapid.StringMatching(`[a-z@._-]{1,20}`).Draw(t, "name"), Number: rapid.Int32Min(0).Draw(t, "number")},
			ClusterID: text.Draw(t, "cluster"), Generation: text.Draw(t, "generation"), Status: bifrost.StatusDiverged, Error: text.Draw(t, "error"),
			TopicID:    bifrost.TopicID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
			NextOffset: n.Draw(t, "next"), PlannedOffset: n.Draw(t, "planned"), KnownUntil: n.Draw(t, "known"),
			FirstLogStart: n.Draw(t, "first"), StartOffset: n.Draw(t, "start"),
			Observation: bifrost.Observation{
				LogStart: n.Draw(t, "log start"), LastStable: n.Draw(t, "stable"), HighWatermark: n.Draw(t, "high"),
				LeaderEpoch: rapid.Int32().Draw(t, "epoch"), At: someTime().Draw(t, "at"),
			},
			Totals: bifrost.Totals{
				Records: n.Draw(t, "records"), RawBytes: n.Draw(t, "raw"), StoredBytes: n.Draw(t, "stored"),
				Missing: n.Draw(t, "missing"), Lost: n.Draw(t, "lost"),
			},
			RecentRawBytes: n.Draw(t, "recent raw"), RecentOffsets: n.Draw(t, "recent"), PlannedEpoch: rapid.Int32().Draw(t, "planned epoch"),
			LastObject: text.Draw(t, "object"), LastRecordAt: someTime().Draw(t, "record at"),
			LastArchivedAt: someTime().Draw(t, "archived at"), LastPlannedAt: someTime().Draw(t, "planned at"),
			Suspicion: text.Draw(t, "suspicion"), SuspectedAt: someTime().Draw(t, "suspected at"), FencedAt: someTime().Draw(t, "fenced at"),
			Trouble: bifrost.Trouble{Error: text.Draw(t, "trouble"), Since: someTime().Draw(t, "trouble since"), At: someTime().Draw(t, "trouble at")},
			Series:  text.Draw(t, "series"),
		}
		item, err := encodeProgress(want)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range item {
			if s, ok := value.(*types.AttributeValueMemberS); ok && s.Value == "" && name != "generation" {
				t.Fatalf("attribute %s is an empty string", name)
			}
		}
		if got, err := decodeProgress(item); err != nil || got != want {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
		}
	})
}

func TestPlannedRowRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := bifrost.Row{
			Partition: bifrost.Partition{Name: rapid.StringMatching(`[a-z@._-]{1,20}`).Draw(t, "name"), Number: rapid.Int32Min(0).Draw(t, "number")},
			Range:     bifrost.Range{Start: rapid.Int64Min(0).Draw(t, "start"), End: rapid.Int64Min(0).Draw(t, "end")},
			ClusterID: rapid.StringMatching(`[a-z]{0,5}`).Draw(t, "cluster"),
			TopicID:   bifrost.TopicID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
			State:     bifrost.StatePlanned, GapReason: rapid.StringMatching(`[a-z_]{0,5}`).Draw(t, "reason"), PlannedAt: someTime().Draw(t, "at"),
			Attempts: rapid.IntRange(0, 1).Draw(t, "attempts"), Invocation: rapid.StringMatching(`([0-9]\.[A-Z]{5})?`).Draw(t, "invocation"),
			LeaseUntil: someTime().Draw(t, "until"), Expected: rapid.Int64Min(0).Draw(t, "expected"),
		}
		messy := want // a plan writes nothing else, whatever the row says
		messy.Error = "failed"
		messy.Facts = bifrost.Facts{Kind: baldr.KindGap, Records: 5}
		if got, err := decodeRow(plannedItem(messy)); err != nil || got != want {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
		}
	})
}

func TestRowsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	good := func() attributes {
		return plannedItem(bifrost.Row{Partition: bifrost.Partition{Name: "orders", Number: 1}, Range: bifrost.Range{End: 10}, PlannedAt: time.UnixMilli(5)})
	}
	for name, damage := range map[string]func(attributes){
		"no partition":     func(a attributes) { a["partition_key"] = textValue("orders") },
		"no number":        func(a attributes) { a["partition_key"] = textValue("orders/x") },
		"no topic":         func(a attributes) { a["partition_key"] = textValue("/1") },
		"offset as text":   func(a attributes) { a["end_offset"] = textValue("ten") },
		"offset too large": func(a attributes) { a["end_offset"] = &types.AttributeValueMemberN{Value: "1e30"} },
		"topic ID":         func(a attributes) { a["topic_id"] = textValue("short") },
		"time":             func(a attributes) { a["planned_at"] = textValue("yesterday") },
	} {
		item := good()
		damage(item)
		if r, err := decodeRow(item); err == nil || !strings.Contains(err.Error(), scalarText(item["partition_key"])) {
			t.Errorf("%s: read as %+v with error %v; want an error that names the row", name, r, err)
		}
	}
}

func TestShardsAreSpread(t *testing.T) {
	t.Parallel()
	var counts [openShards]int
	for start := range int64(1600) {
		counts[openShard(bifrost.Partition{Name: "orders", Number: 1}, start*1000)]++
	}
	for shard, n := range counts {
		if n < 50 || n > 200 {
			t.Errorf("shard %d has %d of 1600 rows of one partition, want about 100", shard, n)
		}
	}
}

func TestTimesForPeople(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]string{
		-1: "", 0: "1970-01-01T00:00:00.000Z", 1709208000007: "2024-02-29T12:00:00.007Z",
		253402300799999: "9999-12-31T23:59:59.999Z", 253402300800000: "", 1 << 62: "",
	} {
		if got := isoMillis(ms); got != want {
			t.Errorf("isoMillis(%d) = %q, want %q", ms, got, want)
		}
	}
	// Whoever asks may live elsewhere.
	if got := iso(time.UnixMilli(1709208000007).In(time.FixedZone("elsewhere", 19800))); got != "2024-02-29T12:00:00.007Z" {
		t.Errorf("a time of another zone: %s", got)
	}
}

func TestMarkRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := bifrost.TablesMark{
			Series: rapid.StringMatching(`[A-Z2-7]{1,26}`).Draw(t, "series"), Number: rapid.Int64Min(0).Draw(t, "number"),
			Planned: rapid.Bool().Draw(t, "planned"), At: someTime().Draw(t, "at"), Next: rapid.StringMatching(`[A-Z2-7]{0,26}`).Draw(t, "next"),
		}
		item := encodeMark(want)
		if got, err := decodeMark(item); err != nil || got != want || !isMark(item) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
		}
		delete(item, "mark")
		if _, err := decodeMark(item); err == nil {
			t.Fatal("a mark without a number is read")
		}
	})
}

// An error tells which setting names the table that is missing, and a conflict what the row has now: by
// whom it is leased until when, or with which object it is settled.
func TestErrorsTellTablesAndRows(t *testing.T) {
	t.Parallel()
	l := New(aws.Config{Region: "eu-west-1"}, Tables{Progress: "p", Objects: "o"})
	err := l.failureOf("read the row", &types.ResourceNotFoundException{})
	if !errors.Is(err, ErrNoTable) || !strings.Contains(err.Error(), `table "p" (BIFROST_PROGRESS_TABLE) or "o" (BIFROST_OBJECTS_TABLE) does not exist in region eu-west-1`) {
		t.Errorf("error %v", err)
	}
	row := attributes{"state": textValue("PLANNED"), "leased_until": textValue("noon"), "object": textValue("key"), "attempts": number(2)}
	if got := describe(row); got != "the row has state PLANNED, attempts 2, leased_until noon, object key" {
		t.Errorf("%q", got)
	}
}
