package main

import (
	"context"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
)

// A tick in a process of its own, against the pretended cluster, tables and bucket.
func TestTicksInSmall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		load    load
		planned int
	}{
		{idle, 0},
		{busy, 2}, // one partition of each topic
		{unseen, 20},
	} {
		t.Run(c.load.name, func(t *testing.T) {
			t.Parallel()
			const partitions = 2 * partitionsPerTopic
			s, err := newStage(partitions, c.load)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			planned := 0
			for range 3 { // new partitions get their rows in one tick, and are planned in the next
				r, err := s.child.tick(60)
				if err != nil {
					t.Fatal(err)
				}
				planned = max(planned, r.Summary.Planned)
				if r.Summary.Partitions != partitions || r.Summary.Failures != 0 || r.Peak == 0 {
					t.Errorf("a tick over %d partitions: %+v", partitions, r)
				}
			}
			if planned != c.planned {
				t.Errorf("%d ranges were planned, want %d", planned, c.planned)
			}
			if b := s.tables.takeBill(); b.Requests == 0 || b.ReadUnits == 0 {
				t.Errorf("the bill of three ticks is %+v", b)
			}
		})
	}
}

// The rows that are loaded are those that the adapter reads, over several pages.
func TestFakeTablesHaveTheirRows(t *testing.T) {
	t.Parallel()
	tables, err := startFakeTables(0)
	if err != nil {
		t.Fatal(err)
	}
	defer tables.close()
	const topics = 500
	if err := tables.load(topics); err != nil {
		t.Fatal(err)
	}
	tables.takeBill()
	rows, err := dynamoledger.New(tables.config(), dynamoledger.Tables{Progress: "progress", Objects: "objects"}).
		ListProgress(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, row := range rows {
		seen[row.Partition.String()] = true
		if row.NextOffset != archivedUpTo {
			t.Fatalf("%s is archived to %d, want %d", row.Partition, row.NextOffset, archivedUpTo)
		}
	}
	if len(seen) != topics*partitionsPerTopic {
		t.Errorf("%d different rows, want %d", len(seen), topics*partitionsPerTopic)
	}
	if b := tables.takeBill(); b.Requests < 2 {
		t.Errorf("%d requests: the rows fit into one page, and nothing was seen of the second", b.Requests)
	}
}
