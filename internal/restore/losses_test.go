package restore

import (
	"fmt"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// TestWhatRetentionWouldDelete: Kafka deletes a segment when its newest record is too
// old, and the oldest of what is more than a partition may hold. Each limit has two sides.
func TestWhatRetentionWouldDelete(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(10_000_000)
	for name, c := range map[string]struct {
		settings, inherited map[string]string
		records             int64
		does                string
	}{
		"nothing is deleted":        {map[string]string{"retention.ms": "-1"}, nil, 0, ""},
		"the newest are of an hour": {map[string]string{"retention.ms": "1000"}, nil, 300, "about 300 records are older than retention.ms=1000"},
		"older than the second":     {map[string]string{"retention.ms": "3999"}, nil, 200, "about 200 records are older than retention.ms=3999"},
		"as old as the second":      {map[string]string{"retention.ms": "4000"}, nil, 100, "about 100 records are older than retention.ms=4000"},
		"the first begins too soon": {map[string]string{"retention.ms": "7000"}, nil, 0, ""},
		"by the brokers' settings":  {nil, map[string]string{"retention.ms": "3999"}, 200, "about 200 records are older than retention.ms=3999"},
		"by its own before theirs":  {map[string]string{"retention.ms": "-1"}, map[string]string{"retention.ms": "1"}, 0, ""},
		"Kafka keeps a week":        {nil, nil, 0, ""},
		"all of its bytes":          {map[string]string{"retention.bytes": "300", "retention.ms": "-1"}, nil, 0, ""},
		"a byte less":               {map[string]string{"retention.bytes": "299", "retention.ms": "-1"}, nil, 100, "about 100 records are more than retention.bytes=299 keeps of their partition"},
		"a third of them":           {map[string]string{"retention.bytes": "100", "retention.ms": "-1"}, nil, 200, "about 200 records are more than retention.bytes=100 keeps of their partition"},
		"both":                      {map[string]string{"retention.bytes": "100", "retention.ms": "4000"}, nil, 200, "about 100 records are older than retention.ms=4000; about 200 records are more than retention.bytes=100 keeps of their partition"},
		"compacted alone":           {map[string]string{"cleanup.policy": "compact", "retention.ms": "1"}, nil, 0, "it is compacted: of the records of a key the last stays"},
		"compacted and deleted":     {map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "1000"}, nil, 300, "it is compacted: of the records of a key the last stays; about 300 records are older than retention.ms=1000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			archived := catalogue{rows: map[bifrost.Partition][]bifrost.Row{}}
			p := archived.life("t", lifeA, 0, 300)
			for n := range int64(3) { // records of 3000 to 5000, 4000 to 6000, and 5000 to 7000 before now
				archived.span(p, 100*n, 100*n+100, bifrost.StateArchived)
				facts := &archived.rows[p][n].Facts
				facts.FirstTimestamp, facts.LastTimestamp = now.UnixMilli()-7000+1000*n, now.UnixMilli()-5000+1000*n
			}
			archived.span(p, 300, 400, bifrost.StateLost) // which no limit takes away once more
			r := &Restorer{Archive: &readback.Reader{Catalogue: archived}, Now: func() time.Time { return now }}
			topic := Topic{Topic: capture.Topic{Name: "t", Settings: c.settings, Inherited: c.inherited}, Partitions: []Partition{{
				Bytes: 300, branches: []branch{{archived.progress[0], bifrost.Range{Start: 0, End: 400}}},
			}}}
			l, err := r.lossOf(t.Context(), topic)
			if got, want := fmt.Sprint(l.records, " ", l.why, err), fmt.Sprint(c.records, " ", c.does, nil); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
			// Of several partitions it is the sum of all, and one that loses nothing takes nothing away.
			nothing := Partition{branches: []branch{{archived.progress[0], bifrost.Range{Start: 300, End: 400}}}}
			topic.Partitions = []Partition{topic.Partitions[0], nothing, topic.Partitions[0], nothing}
			if twice, err := r.lossOf(t.Context(), topic); err != nil || twice.records != 2*c.records {
				t.Errorf("of two such partitions %d records, want %d; %v", twice.records, 2*c.records, err)
			}
		})
	}
}

// Of an object that is restored in part only that part has bytes, and what lies behind it is counted on from there.
func TestWhatAPartOfAnObjectHas(t *testing.T) {
	t.Parallel()
	archived := catalogue{rows: map[bifrost.Partition][]bifrost.Row{}}
	p := archived.life("t", lifeA, 0, 300)
	for n := range int64(3) {
		archived.span(p, 100*n, 100*n+100, bifrost.StateArchived)
	}
	r := &Restorer{Archive: &readback.Reader{Catalogue: archived}, Now: func() time.Time { return time.UnixMilli(1) }}
	of := Partition{Bytes: 250, branches: []branch{
		{archived.progress[0], bifrost.Range{Start: 0, End: 50}}, {archived.progress[0], bifrost.Range{Start: 100, End: 300}},
	}}
	for most, want := range map[int64]int64{250: 0, 249: 50, 200: 50, 199: 150, 150: 150, 99: 250} {
		if _, beyond, err := r.lossesOf(t.Context(), of, -1, most); err != nil || beyond != want {
			t.Errorf("of %d bytes that are kept: %d records go, want %d, error %v", most, beyond, want, err)
		}
	}
}
