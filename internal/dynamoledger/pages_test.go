package dynamoledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// paged answers reads in DynamoDB's place, two rows a page. As DynamoDB does it
// says of a page that is full that there may be more, also when there is none.
type paged struct {
	*testing.T
	progress, rows []attributes

	mutex sync.Mutex
	asked []readRequest
}

// readRequest is what Scan, Query and GetItem say that matters here.
type readRequest struct {
	operation                 string
	TableName, IndexName      string
	ConsistentRead            bool
	ScanIndexForward          *bool
	Segment, TotalSegments    int
	Limit                     int
	ExclusiveStartKey         map[string]map[string]string
	ExpressionAttributeValues map[string]map[string]string
}

const pageOfTest = 2

func newPaged(t *testing.T) (*paged, *Ledger) {
	p := &paged{T: t}
	return p, New(aws.Config{
		Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""), HTTPClient: &http.Client{Transport: p},
	}, Tables{Progress: "the-progress", Objects: "the-objects"})
}

// RoundTrip implements http.RoundTripper.
func (p *paged) RoundTrip(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	request := readRequest{operation: operation}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		return nil, err
	}
	p.mutex.Lock()
	p.asked = append(p.asked, request)
	p.mutex.Unlock()
	answer, err := json.Marshal(p.answer(request))
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Crc32": {fmt.Sprint(crc32.ChecksumIEEE(answer))}},
		Body: io.NopCloser(bytes.NewReader(answer)), Request: r}, nil
}

func (p *paged) answer(r readRequest) map[string]any {
	items := p.selected(r)
	if r.operation == "GetItem" {
		return map[string]any{"Item": wire(items[0])}
	}
	if r.ExclusiveStartKey != nil {
		begin, err := strconv.Atoi(r.ExclusiveStartKey["at"]["N"])
		if err != nil {
			p.Errorf("the key that a page begins with: %v", r.ExclusiveStartKey)
		}
		items = items[begin:]
	}
	size := pageOfTest
	if r.Limit > 0 {
		size = min(size, r.Limit)
	}
	answer := map[string]any{}
	if len(items) >= size {
		items = items[:size]
		begin, _ := strconv.Atoi(r.ExclusiveStartKey["at"]["N"])
		answer["LastEvaluatedKey"] = map[string]any{"at": map[string]string{"N": strconv.Itoa(begin + size)}}
	}
	page := []any{}
	for _, item := range items {
		page = append(page, wire(item))
	}
	answer["Items"] = page
	return answer
}

// selected are the rows of the request, without its conditions on offsets.
func (p *paged) selected(r readRequest) []attributes {
	var some []attributes
	switch {
	case r.operation == "Scan":
		for i, item := range p.progress {
			if i%r.TotalSegments == r.Segment {
				some = append(some, item)
			}
		}
	case r.TableName == "the-progress":
		return p.progress
	case r.IndexName != "":
		for _, item := range p.rows {
			if n, _ := numberOf(item, "open_shard"); slices.ContainsFunc(numbers(r), func(v string) bool { return v == fmt.Sprint(n) }) {
				some = append(some, item)
			}
		}
	case r.ScanIndexForward != nil && !*r.ScanIndexForward:
		some = slices.Clone(p.rows)
		slices.Reverse(some)
	default:
		return p.rows
	}
	return some
}

func numbers(r readRequest) (values []string) {
	for _, v := range r.ExpressionAttributeValues {
		values = append(values, v["N"])
	}
	return values
}

// wire is a row as DynamoDB's protocol has it.
func wire(a attributes) map[string]any {
	row := map[string]any{}
	for name, value := range a {
		switch v := value.(type) {
		case *types.AttributeValueMemberN:
			row[name] = map[string]string{"N": v.Value}
		case *types.AttributeValueMemberS:
			row[name] = map[string]string{"S": v.Value}
		case *types.AttributeValueMemberBOOL:
			row[name] = map[string]bool{"BOOL": v.Value}
		case *types.AttributeValueMemberNULL:
			row[name] = map[string]bool{"NULL": true}
		default:
			panic(fmt.Sprintf("%T", value))
		}
	}
	return row
}

// fill makes partitions with one PLANNED row each, and many rows of the first.
func (p *paged) fill(partitions, rows int) {
	for n := range int32(partitions) {
		item, err := encodeProgress(bifrost.Progress{Partition: bifrost.Partition{Name: "orders", Number: n}, Status: bifrost.StatusOpen})
		if err != nil {
			p.Fatal(err)
		}
		p.progress = append(p.progress, item)
	}
	for n := range int64(rows) {
		p.rows = append(p.rows, plannedItem(bifrost.Row{Partition: bifrost.Partition{Name: "orders"}, Range: bifrost.Range{Start: 10 * n, End: 10*n + 10}}))
	}
}

func starts(rows []bifrost.Row) []int64 {
	all := []int64{}
	for _, r := range rows {
		all = append(all, r.Start)
	}
	return all
}

// Every page is read, and what a tick decides by is read consistently.
func TestReadsGoOverAllPages(t *testing.T) {
	t.Parallel()
	p, l := newPaged(t)
	p.fill(23, 70) // several pages in each segment and in each shard
	all, err := l.ListProgress(t.Context())
	seen := map[int32]bool{}
	for _, progress := range all {
		seen[progress.Number] = true
	}
	if err != nil || len(all) != 23 || len(seen) != 23 {
		t.Errorf("%d rows of %d partitions, want 23; error %v", len(all), len(seen), err)
	}
	planned, err := l.ListPlanned(t.Context())
	found := starts(planned)
	slices.Sort(found)
	if err != nil || len(slices.Compact(found)) != 70 || len(planned) != 70 {
		t.Errorf("%d planned rows at %v, want 70; error %v", len(planned), found, err)
	}
	for _, limit := range []int{1, 2, 3, 7, 70, 1000} {
		want := min(limit, 70)
		rows, err := l.Rows(t.Context(), bifrost.Partition{Name: "orders"}, 0, limit)
		if err != nil || len(rows) != want || rows[want-1].Start != int64(10*want-10) {
			t.Errorf("of at most %d rows: %v, error %v", limit, starts(rows), err)
		}
		below, err := l.RowsBelow(t.Context(), bifrost.Partition{Name: "orders"}, 700, limit)
		if err != nil || len(below) != want || below[0].Start != 690 || below[want-1].Start != int64(700-10*want) {
			t.Errorf("of at most %d rows below the end: %v, error %v", limit, starts(below), err)
		}
	}
}

func TestTablesAreReadConsistently(t *testing.T) {
	t.Parallel()
	p, l := newPaged(t)
	p.fill(5, 5)
	orders := bifrost.Partition{Name: "orders"}
	for _, read := range []func() error{
		func() error { _, err := l.ListProgress(t.Context()); return err },
		func() error { _, err := l.ListPlanned(t.Context()); return err },
		func() error { _, err := l.SomePlanned(t.Context(), time.Now(), 3); return err },
		func() error { _, err := l.Rows(t.Context(), orders, 0, 3); return err },
		func() error { _, err := l.RowsBelow(t.Context(), orders, 50, 3); return err },
		func() error { _, err := l.Row(t.Context(), orders, 0); return err },
		func() error { _, err := l.Progress(t.Context(), orders); return err },
	} {
		if err := read(); err != nil {
			t.Error(err)
		}
	}
	operations := map[string]bool{}
	for _, r := range p.asked {
		operations[r.operation+" "+r.TableName+r.IndexName] = true
		// DynamoDB refuses a consistent read of an index.
		if r.ConsistentRead != (r.IndexName == "") {
			t.Errorf("%s of %s %s: consistent %v", r.operation, r.TableName, r.IndexName, r.ConsistentRead)
		}
	}
	if len(operations) != 5 {
		t.Errorf("asked for %v; a new kind of read needs its place here", operations)
	}
}

// The mark of the tables is a row beside those of partitions, and none of them.
func TestMarkIsReadByItself(t *testing.T) {
	t.Parallel()
	p, l := newPaged(t)
	want := bifrost.TablesMark{Series: "one", Number: 7, Planned: true, At: time.UnixMilli(1_700_000_000_000).UTC()}
	p.progress = append(p.progress, encodeMark(want))
	p.fill(5, 0)
	all, err := l.ListProgress(t.Context())
	if err != nil || len(all) != 5 {
		t.Errorf("progress %+v, error %v: want five partitions", all, err)
	}
	if got, err := l.Mark(t.Context()); err != nil || got != want {
		t.Errorf("got %+v, error %v", got, err)
	}
	for _, r := range p.asked {
		if !r.ConsistentRead {
			t.Errorf("%s is not consistent", r.operation)
		}
	}
}

// A worker that looks for its next range finds one wherever it is, and is given no
// more than it asked for.
func TestSomePlannedLooksIntoEveryShard(t *testing.T) {
	t.Parallel()
	p, l := newPaged(t)
	p.fill(1, 1)
	for range 5 {
		if some, err := l.SomePlanned(t.Context(), time.Now(), 3); err != nil || len(some) != 1 {
			t.Fatalf("%d rows, error %v; want the only one", len(some), err)
		}
	}
	p.rows = nil
	p.fill(1, 100)
	for limit := range 8 {
		if some, err := l.SomePlanned(t.Context(), time.Now(), limit); err != nil || len(some) != limit {
			t.Fatalf("%d rows, error %v; want %d", len(some), err, limit)
		}
	}
}
