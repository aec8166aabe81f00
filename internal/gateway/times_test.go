package gateway

import (
	"context"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
)

// What the time indexes take is counted once, however often they are asked, grow and are dropped: or
// none would be kept in the end, and each question read the tables from their beginning.
func TestTimeIndexesAreCountedOnce(t *testing.T) {
	t.Parallel()
	a := newArchive()
	for number := range int32(2) {
		a.archive(partitionOf("orders", number), 10, baldr.Options{}, some(0, 10)...)
	}
	s := serve(t, a)
	partitions := s.topics.current().byName["orders"].sorted()
	counted := func(want int64) {
		t.Helper()
		if got := s.indexed.bytes.Load(); got != want {
			t.Fatalf("%d bytes are counted, want %d", got, want)
		}
	}
	counted(0)
	for ranges := int64(1); ranges < 5; ranges++ {
		for range 3 {
			for _, p := range partitions {
				if _, err := p.timesUpToNow(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			counted(int64(len(partitions)) * ranges * timeBytes)
		}
		for number := range int32(2) {
			p := partitionOf("orders", number)
			a.archive(p, a.end(p)+10, baldr.Options{}, some(a.end(p), a.end(p)+10)...)
		}
		if err := s.topics.refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	partitions[0].forget()
	counted(4 * timeBytes)
	partitions[0].forget()
	counted(4 * timeBytes)
	partitions[1].forget()
	counted(0)
}
