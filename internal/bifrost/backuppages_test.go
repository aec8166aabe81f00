package bifrost_test

import (
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// TestPlannedRowsOfABackupOnLaterPages: what a backup had planned is dropped to its
// end, not to that of a first page. Else a worker would put an object around one that
// began inside a range of the backup.
func TestPlannedRowsOfABackupOnLaterPages(t *testing.T) {
	t.Parallel()
	for _, start := range []int64{2, 11, 20} { // on the first, the second and the third page of the backup's rows
		s := newStack(t)
		log := s.kafka.CreateTopic("orders", 1).Logs[0]
		log.Produce("one")
		s.settle()
		s.target = 33 // three records like the first one, with their frames
		for range 21 {
			log.Produce("r")
		}
		if summary := s.tick(); summary.Planned != 7 {
			t.Fatalf("planned %d ranges, want seven of three records", summary.Planned)
		}
		s.dropTasks()
		backup := s.ledger.Backup()
		s.ledger.Lose(anyProgress, anyRow)
		s.target = 1
		p := bifrost.Partition{Name: "orders"}
		for range 60 {
			s.tick()
			if _, err := s.ledger.Row(t.Context(), p, start); err == nil {
				break
			}
		}
		row, err := s.ledger.Row(t.Context(), p, start)
		if err != nil {
			t.Fatalf("no range begins at %d: %v", start, err)
		}
		if _, err := s.archiver().Archive(t.Context(), bifrost.NewTask(row), time.Time{}); err != nil {
			t.Fatal(err)
		}
		s.dropTasks()
		s.ledger.Restore(backup)
		if !s.tick().Older {
			t.Error("the tables are older, and the tick does not see it")
		}
		s.rebuild()
		s.settle()
		s.ended()
	}
}
