package dynamoledger

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// applied is the item after an update that has no more than SET #a = :v, and REMOVE.
func applied(t *rapid.T, e *expression, item attributes) attributes {
	item = maps.Clone(item)
	for _, set := range e.sets {
		name, value, ok := strings.Cut(set, " = ")
		if !ok || e.values[value] == nil {
			t.Fatalf("no plain value: %s", set)
		}
		item[e.names[name]] = e.values[value]
	}
	for _, name := range e.removes {
		delete(item, e.names[name])
	}
	return item
}

// TestSettledRowRoundTrip: a settled row is read as it was settled, with every fact at
// its own place, and none of them is lost for being 0.
func TestSettledRowRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(0, 1<<62))
		time := rapid.OneOf(rapid.Int64Range(-1, 1), rapid.Int64Range(0, 253402300799999))
		planned := bifrost.Row{
			Partition: bifrost.Partition{Name: "orders", Number: 7}, Range: bifrost.Range{Start: n.Draw(t, "start"), End: 1 << 62},
			ClusterID: "c", TopicID: bifrost.TopicID{1}, State: bifrost.StatePlanned, PlannedAt: someTime().Draw(t, "planned at"),
			Attempts: 1, Invocation: "0.A", LeaseUntil: someTime().Draw(t, "until"), Expected: n.Draw(t, "expected"), LossAt: someTime().Draw(t, "loss at"),
		}
		f := bifrost.Facts{
			Key: "the key", Range: bifrost.Range{Start: planned.Start, End: rapid.Int64Min(planned.Start+1).Draw(t, "end")},
			Records: n.Draw(t, "records"), Missing: baldr.Missing{Control: n.Draw(t, "control"), Aborted: n.Draw(t, "aborted"), Compacted: n.Draw(t, "compacted")},
			RawBytes: n.Draw(t, "raw"), StoredBytes: n.Draw(t, "stored"), Checksum: rapid.SampledFrom([]string{"", "AAAA"}).Draw(t, "checksum"),
			FirstTimestamp: time.Draw(t, "first"), LastTimestamp: time.Draw(t, "last"), LeaderEpoch: rapid.Int32Range(-1, 3).Draw(t, "epoch"),
		}
		if rapid.Bool().Draw(t, "gap") {
			f.Kind, f.Reason = baldr.KindGap, "a reason"
		}
		at := someTime().Draw(t, "archived at")
		item := applied(t, newExpression().setSettled(bifrost.CommitWrite{Row: planned, Facts: f, ArchivedAt: at}), plannedItem(planned))
		want := bifrost.Row{Partition: planned.Partition, Range: bifrost.Range{Start: planned.Start, End: min(f.End, planned.End)}, ClusterID: "c", TopicID: planned.TopicID,
			State: f.State(), GapReason: f.Reason, PlannedAt: planned.PlannedAt, Attempts: 1, Facts: f, ArchivedAt: at}
		if got, err := decodeRow(item); err != nil || got != want {
			t.Fatalf("got  %+v, %v\nwant %+v", got, err, want)
		}
		for _, name := range []string{"open_shard", "lease_until", "leased_until"} { // of the index of what is planned
			if item[name] != nil {
				t.Fatalf("a settled row has %s", name)
			}
		}
	})
}

// accepting takes every write, and keeps what it was asked.
type accepting struct {
	mutex sync.Mutex
	asked []string
}

// RoundTrip implements http.RoundTripper.
func (a *accepting) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.asked = append(a.asked, string(body))
	return &http.Response{StatusCode: 200, Header: http.Header{"X-Amz-Crc32": {"2745614147"}}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, err
}

// TestErasureCountsWhatWasCounted: next_offset at the end of a row has passed it, so
// that its facts are in the totals.
func TestErasureCountsWhatWasCounted(t *testing.T) {
	t.Parallel()
	for next, counted := range map[int64]bool{0: false, 10: false, 20: true, 21: true, 30: true} {
		l, asked := newAccepting()
		p := bifrost.Partition{Name: "orders", Number: 7}
		facts := bifrost.Facts{Key: "k", Range: bifrost.Range{Start: 10, End: 20}, Records: 10, RawBytes: 90, StoredBytes: 50}
		gap := bifrost.Facts{Key: "k", Kind: baldr.KindGap, Reason: bifrost.ReasonErased, Range: facts.Range, StoredBytes: 30}
		err := l.Erase(t.Context(), bifrost.ErasureWrite{
			Progress: bifrost.Progress{Partition: p, Generation: "g", NextOffset: next},
			Row:      bifrost.Row{Partition: p, Range: facts.Range, State: bifrost.StateArchived, Facts: facts}, Facts: gap, At: time.Now(),
		})
		if err != nil || len(asked.asked) != 1 {
			t.Fatalf("%v, %d requests", err, len(asked.asked))
		}
		var write struct {
			TransactItems []struct {
				Update struct {
					TableName, UpdateExpression string
					ExpressionAttributeValues   map[string]map[string]any
				}
			}
		}
		if err := json.Unmarshal([]byte(asked.asked[0]), &write); err != nil {
			t.Fatal(err)
		}
		for _, item := range write.TransactItems {
			u := item.Update
			if u.TableName != "the-progress" {
				continue
			}
			if got := strings.Contains(u.UpdateExpression, "ADD #archived_records"); got != counted {
				t.Errorf("next_offset %d: %s", next, u.UpdateExpression)
			}
		}
	}
}

// newAccepting is a ledger whose every write is taken.
func newAccepting() (*Ledger, *accepting) {
	asked := &accepting{}
	return New(aws.Config{
		Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""), HTTPClient: &http.Client{Transport: asked},
	}, Tables{Progress: "the-progress", Objects: "the-objects"}), asked
}

// TestNewestRecordOf1970: a record of the first millisecond is newer than none.
func TestNewestRecordOf1970(t *testing.T) {
	t.Parallel()
	for last, newest := range map[int64]bool{-1: false, 0: true, 1: true} {
		l, asked := newAccepting()
		facts := bifrost.Facts{Range: bifrost.Range{Start: 0, End: 5}, Records: 5, FirstTimestamp: last, LastTimestamp: last}
		err := l.Advance(t.Context(), bifrost.AdvanceWrite{
			Partition: bifrost.Partition{Name: "orders"}, Generation: "g", From: 0, To: 5, Row: bifrost.Row{Range: facts.Range, State: bifrost.StateArchived, Facts: facts},
		})
		if err != nil || len(asked.asked) != 1 || strings.Contains(asked.asked[0], "#last_timestamp = ") != newest {
			t.Errorf("last timestamp %d: %v, %v", last, err, asked.asked)
		}
	}
}

// TestRemainderIsPlannedLikeItsRow: what an object leaves over of a row is planned as the
// row was, but for its range and for who works on it.
func TestRemainderIsPlannedLikeItsRow(t *testing.T) {
	t.Parallel()
	l, asked := newAccepting()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	row := bifrost.Row{
		Partition: bifrost.Partition{Name: "orders", Number: 7}, Range: bifrost.Range{Start: 10, End: 30}, ClusterID: "the-cluster", TopicID: bifrost.TopicID{1},
		State: bifrost.StatePlanned, GapReason: "the-reason", PlannedAt: at.Add(-time.Hour), LossAt: at.Add(time.Hour), Attempts: 3, Invocation: "0.A", LeaseUntil: at, Error: "failed",
	}
	facts := bifrost.Facts{Key: "k", Range: bifrost.Range{Start: 10, End: 20}, Records: 10, FirstTimestamp: -1, LastTimestamp: -1, LeaderEpoch: -1}
	if err := l.Commit(t.Context(), bifrost.CommitWrite{Row: row, Facts: facts, ArchivedAt: at}); err != nil {
		t.Fatal(err)
	}
	var write struct {
		TransactItems []struct {
			Put struct{ Item map[string]map[string]any }
		}
	}
	if err := json.Unmarshal([]byte(asked.asked[0]), &write); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, item := range write.TransactItems {
		for name, value := range item.Put.Item {
			for _, v := range value {
				got[name] = fmt.Sprint(v)
			}
		}
	}
	want := map[string]string{
		"partition_key": "orders/7", "start_offset": "20", "end_offset": "30", "state": "PLANNED", "attempts": "0", "lease_until": "0", "cluster_id": "the-cluster",
		"topic_id": row.TopicID.String(), "gap_reason": "the-reason", "planned_at": "2026-03-01T12:00:00.000Z", "loss_at": "2026-03-01T13:00:00.000Z",
		"open_shard": fmt.Sprint(openShard(row.Partition, 20)),
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
}

// TestASlotIsFreeWhenItsTimeIsOver: a function is alive until its time, and not at it.
func TestASlotIsFreeWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	l, asked := newAccepting()
	now := time.UnixMilli(1_700_000_000_000)
	if err := l.PutInvocation(t.Context(), bifrost.Invocation{ID: "3.A", AliveUntil: now.Add(time.Minute)}, now); err != nil {
		t.Fatal(err)
	}
	var write struct {
		ConditionExpression       string
		ExpressionAttributeValues map[string]map[string]string
	}
	if err := json.Unmarshal([]byte(asked.asked[0]), &write); err != nil {
		t.Fatal(err)
	}
	_, placeholder, bounded := strings.Cut(write.ConditionExpression, "#alive_until <= ")
	if !bounded || write.ExpressionAttributeValues[placeholder]["N"] != "1700000000000" {
		t.Errorf("condition %s, values %v", write.ConditionExpression, write.ExpressionAttributeValues)
	}
}
