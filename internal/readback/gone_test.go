package readback

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// someRanges is a catalogue that has one range of each of the partitions.
type someRanges struct {
	Catalogue
	of map[bifrost.Partition]bool
}

func (c someRanges) Rows(_ context.Context, p bifrost.Partition, _ int64, _ int) ([]bifrost.Row, error) {
	if c.of[p] {
		return []bifrost.Row{{Partition: p}}, nil
	}
	return nil, nil
}

// TestGoneRows: below the highest number a partition without a row is gone, and behind it one
// that has ranges; what a cut log goes on with has no other partitions.
func TestGoneRows(t *testing.T) {
	t.Parallel()
	at := func(name string, number int32) bifrost.Partition {
		return bifrost.Partition{Name: name, Number: number}
	}
	var rows []bifrost.Progress
	for _, p := range []bifrost.Partition{at("orders", 3), at("orders", 1), at("whole", 0), at("tail", 0),
		at("cut@AAAAAAAAQACAAAAAAAAAAA.1", 2)} {
		rows = append(rows, bifrost.Progress{Partition: p, ClusterID: "of " + p.Name, TopicID: bifrost.TopicID{7}})
	}
	catalogue := someRanges{of: map[bifrost.Partition]bool{at("orders", 0): true, at("tail", 1): true,
		at("tail", 2): true}}
	gone, err := GoneRows(t.Context(), catalogue, rows)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, p := range gone {
		got += fmt.Sprintf("%s %s%d, ", p.Partition, p.ClusterID, p.TopicID[0])
	}
	if want := "orders/0 of orders7, orders/2 of orders7, tail/1 of tail7, tail/2 of tail7, "; got != want {
		t.Errorf("gone are %s; want %s", got, want)
	}
	if err := CheckRows(t.Context(), catalogue, rows); !errors.Is(err, ErrRowGone) {
		t.Errorf("rows of which four are gone: %v", err)
	}
	if err := CheckRows(t.Context(), catalogue, rows[2:3]); err != nil {
		t.Errorf("rows of which none is gone: %v", err)
	}
}
