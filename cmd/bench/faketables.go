// The DynamoDB tables that measured ticks see.

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fakeTables speak so much of DynamoDB's protocol as a tick needs, count what it
// would cost, and wait as long as DynamoDB does. Reads answer what was loaded, the
// progress rows that were made and the mark of the tables; all other writes are
// counted, checked for nothing and forgotten.
type fakeTables struct {
	URL      string
	listener net.Listener
	latency  time.Duration // of an answer, beside the time to write it

	mutex    sync.Mutex
	progress []fakeRow
	planned  []fakeRow
	made     map[string]int    // rows that were put, by key: where they are in progress
	mark     json.RawMessage   // the row with the mark of the tables; nil when there is none
	captured []json.RawMessage // items put into tables called capture
	bill     bill
}

type fakeRow struct {
	item   []byte
	stored int // bytes as DynamoDB counts them
}

// bill is what DynamoDB counts (on-demand capacity).
type bill struct {
	Requests   int     `json:"requests"`
	ReadUnits  float64 `json:"read_units"`  // 4 KB read consistently, or 8 KB not
	WriteUnits float64 `json:"write_units"` // 1 KB written, or half of that in a transaction
	Writes     int     `json:"writes"`      // rows
}

// pageBytes is what one page of a Scan or Query holds.
const pageBytes = 1 << 20

func startFakeTables(latency time.Duration) (*fakeTables, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &fakeTables{
		URL:      "http://" + listener.Addr().String(),
		listener: listener,
		latency:  latency,
		made:     map[string]int{},
	}
	go http.Serve(listener, t)
	return t, nil
}

func (t *fakeTables) close() { t.listener.Close() }

// takeBill returns the bill since the last time.
func (t *fakeTables) takeBill() bill {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	b := t.bill
	t.bill = bill{}
	return b
}

type tableRequest struct {
	TableName, IndexName     string
	Segment, TotalSegments   int
	ConsistentRead           bool
	ExclusiveStartKey        map[string]map[string]string
	Key                      json.RawMessage
	Item                     json.RawMessage
	TransactItems            []map[string]struct{ Item, Key json.RawMessage }
	ExpressionAttributeNames map[string]string
}

// ServeHTTP answers one request.
func (t *fakeTables) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request tableRequest
	if err == nil {
		err = json.Unmarshal(body, &request)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	time.Sleep(t.latency)
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	answer := t.answer(operation, request)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(answer)), 10))
	w.Write(answer)
}

func (t *fakeTables) answer(operation string, request tableRequest) []byte {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.bill.Requests++
	switch operation {
	case "Scan":
		return t.answerPage(t.progress, request, 1)
	case "Query":
		if request.IndexName != "" {
			request.Segment, request.TotalSegments = 0, 1
			return t.answerPage(t.planned, request, 0.5)
		}
		t.bill.ReadUnits++
		return []byte(`{"Items":[],"Count":0}`)
	case "GetItem":
		t.bill.ReadUnits++
		if t.mark != nil && bytes.Equal(rowID(request.Key), rowID(t.mark)) {
			return []byte(`{"Item":` + string(t.mark) + `}`)
		}
		return []byte(`{}`)
	case "PutItem":
		t.write(1, len(request.Item), 1)
		if bytes.Contains(rowID(request.Item), []byte(`"@tables"`)) {
			t.mark = request.Item
			return []byte(`{}`)
		}
		if request.TableName == "progress" {
			t.made[string(rowID(request.Item))] = len(t.progress)
			t.progress = append(t.progress, fakeRow{request.Item, storedBytes(request.Item)})
		}
		if strings.HasPrefix(request.TableName, "capture") {
			t.captured = append(t.captured, request.Item)
		}
	case "UpdateItem":
		t.write(1, 1000, 1)
		// opened: nothing else is written to rows that a tick makes
		if n, ok := t.made[string(rowID(request.Key))]; ok {
			t.progress[n].item = bytes.Replace(t.progress[n].item, []byte(`"FENCING"`), []byte(`"OPEN"`), 1)
		}
		return []byte(`{"Attributes":` + string(request.Key) + `}`)
	case "TransactWriteItems":
		for _, item := range request.TransactItems {
			for _, part := range item {
				t.write(1, max(len(part.Item), 1), 2)
			}
		}
	}
	return []byte(`{}`)
}

func (t *fakeTables) write(rows, bytes int, factor float64) {
	t.bill.Writes += rows
	t.bill.WriteUnits += factor * float64((bytes+1023)/1024)
}

// answerPage is what fits into one answer, from where the last one ended.
func (t *fakeTables) answerPage(rows []fakeRow, request tableRequest, unitsPer4K float64) []byte {
	total := max(1, request.TotalSegments)
	from, to := request.Segment*len(rows)/total, (request.Segment+1)*len(rows)/total
	if key, ok := request.ExclusiveStartKey["topic"]; ok {
		from, _ = strconv.Atoi(key["S"])
	}
	var items bytes.Buffer
	stored, n := 0, 0
	for from < to && stored < pageBytes {
		if n > 0 {
			items.WriteByte(',')
		}
		items.Write(rows[from].item)
		stored += rows[from].stored
		from++
		n++
	}
	t.bill.ReadUnits += unitsPer4K * float64((stored+4095)/4096)
	last := ""
	if from < to {
		last = fmt.Sprintf(`,"LastEvaluatedKey":{"topic":{"S":"%d"},"partition":{"N":"0"}}`, from)
	}
	return fmt.Appendf(nil, `{"Items":[%s],"Count":%d,"ScannedCount":%d%s}`, items.Bytes(), n, n, last)
}

// rowID is the key of a progress row.
func rowID(item json.RawMessage) []byte {
	var key struct{ Topic, Partition json.RawMessage }
	if json.Unmarshal(item, &key) != nil {
		return nil
	}
	return slices.Concat(key.Topic, key.Partition)
}

// storedBytes is what DynamoDB counts for an item: names and text as they are, a
// number a byte for two digits and one more (Developer Guide, "DynamoDB item
// sizes and formats").
func storedBytes(item json.RawMessage) int {
	var attributes map[string]map[string]string
	if json.Unmarshal(item, &attributes) != nil {
		return len(item)
	}
	size := 0
	for name, value := range attributes {
		size += len(name) + len(value["S"])
		if digits := value["N"]; digits != "" {
			size += (len(digits)+1)/2 + 1
		}
	}
	return size
}
