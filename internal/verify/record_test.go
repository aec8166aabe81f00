package verify

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

var sunday = time.Date(2026, 3, 29, 3, 0, 0, 0, time.UTC)

// The last records come back, the newest first, from however many pages, and whatever else
// lies there.
func TestTheLastRecordsComeBack(t *testing.T) {
	listedRecords = 3
	t.Cleanup(func() { listedRecords = 1000 })
	store := bifrosttest.NewStore()
	for n := range 10 {
		r := Record{At: sunday.AddDate(0, 0, n), EndedAt: sunday.AddDate(0, 0, n).Add(time.Minute), Complete: true,
			Topics: []string{fmt.Sprint(n)}, Summary: Summary{Partitions: n}}
		if _, err := WriteRecord(t.Context(), store, "g", r); err != nil {
			t.Fatal(err)
		}
	}
	store.Put(bifrost.VerificationsPrefix("g")+"notes.txt", []byte("by hand"))
	store.Put(bifrost.VerificationsPrefix("g")+"20990101T000000.000Z.json.bak", []byte("{}"))
	store.Put(bifrost.VerificationsPrefix("g2")+"20990101T000000.000Z.json", []byte("{}"))
	got, err := LastRecords(t.Context(), store, "g", 4)
	if err != nil {
		t.Fatal(err)
	}
	var days []string
	for _, r := range got {
		days = append(days, r.Topics...)
		if !r.Clean() || !r.EndedAt.Equal(r.At.Add(time.Minute)) {
			t.Errorf("record %+v", r)
		}
	}
	if strings.Join(days, " ") != "9 8 7 6" {
		t.Errorf("records of days %v", days)
	}
	if (Record{Complete: true}).Clean() {
		t.Error("a record of nothing is clean")
	}
	if none, err := LastRecords(t.Context(), bifrosttest.NewStore(), "g", 4); err != nil || len(none) != 0 {
		t.Errorf("of an empty bucket: %v, %v", none, err)
	}
}

// Two that began at the same time are both kept.
func TestRecordsOfOneMoment(t *testing.T) {
	t.Parallel()
	store := bifrosttest.NewStore()
	for n := range 3 {
		for range 2 { // the second is the repetition of a lost answer
			if _, err := WriteRecord(t.Context(), store, "g", Record{At: sunday, Summary: Summary{Partitions: n}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := LastRecords(t.Context(), store, "g", 10)
	if err != nil || len(got) != 3 || got[0].Summary.Partitions != 2 {
		t.Errorf("%d records, the last %+v, %v", len(got), got, err)
	}
}

// A record lists the first violations and counts all. One that cannot be read is named.
func TestARecordIsBounded(t *testing.T) {
	t.Parallel()
	store := bifrosttest.NewStore()
	r := Record{At: sunday, Violations: make([]Violation, mostRecorded+1), Summary: Summary{Violations: int64(mostRecorded) + 1}}
	if _, err := WriteRecord(t.Context(), store, "g", r); err != nil {
		t.Fatal(err)
	}
	got, err := LastRecords(t.Context(), store, "g", 1)
	if err != nil || len(got[0].Violations) != mostRecorded || got[0].Summary.Violations != int64(mostRecorded)+1 || got[0].Clean() {
		t.Errorf("%d violations of %d, %v", len(got[0].Violations), got[0].Summary.Violations, err)
	}
	for i, content := range [][]byte{[]byte("no JSON"), make([]byte, mostRecordBytes+1)} {
		key := recordKey("g", sunday.AddDate(i+1, 0, 0)) // each is the last one now
		store.Put(key, content)
		if _, err := LastRecords(t.Context(), store, "g", 1); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// The rule of infra/data.yaml that deletes old objects spares what is as small as a marker:
// up to 400 bytes. No record is, so that they go when objects of their age go.
func TestARecordIsLargerThanAMarker(t *testing.T) {
	t.Parallel()
	store := bifrosttest.NewStore()
	key, err := WriteRecord(t.Context(), store, "g", Record{At: sunday, EndedAt: sunday})
	if err != nil {
		t.Fatal(err)
	}
	if size := len(store.Versions(key)[0]); size <= 400 {
		t.Errorf("the smallest record has %d bytes", size)
	}
}
