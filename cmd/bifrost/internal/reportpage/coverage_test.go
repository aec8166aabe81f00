package reportpage

import (
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

func TestCoverageTellsGapsFromWork(t *testing.T) {
	t.Parallel()
	ledger := bifrosttest.NewLedger()
	p := bifrost.Progress{Partition: bifrost.Partition{Name: "<orders>"}, Status: bifrost.StatusOpen}
	put := func(start, end int64, state bifrost.State, first, last int64) {
		ledger.Poke(bifrost.Row{Partition: p.Partition, Range: bifrost.Range{Start: start, End: end}, State: state,
			Facts: bifrost.Facts{FirstTimestamp: first, LastTimestamp: last, RawBytes: 1000, Records: 1}})
	}
	put(0, 10, bifrost.StateArchived, 0, 40_000)
	put(10, 20, bifrost.StateLost, -1, -1)
	put(20, 30, bifrost.StateArchived, 80_000, 120_000)
	put(30, 40, bifrost.StateArchived, 120_000, 160_000)
	put(40, 50, bifrost.StatePlanned, 0, 0)
	c, err := NewCoverage(t.Context(), ledger, condition.Unjudged([]bifrost.Progress{p}), readback.Times{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for n := 5; n < columns; n += 10 {
		got += string("-awg"[c.lines[0].cells[n]])
	}
	if want := "aaaaggggaaaaaaaa"; got != want {
		t.Errorf("columns %s, want %s", got, want)
	}
	if c.lines[0].cells[columns-1] != stateInFlight {
		t.Error("what is planned is not at the end")
	}
	total := 0.0
	for _, bytes := range c.bytes {
		total += bytes
	}
	if total < 2999 || total > 3001 {
		t.Errorf("%f bytes over all columns, want 3000", total)
	}
	var out strings.Builder
	if err := PageTemplate.Execute(&out, NewPage(config.Config{Group: "g", Bucket: "b"}, condition.Overview{Rows: condition.Unjudged([]bifrost.Progress{p})}, c, 0.023, time.Now())); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "<orders>") {
		t.Error("a topic's name is not escaped")
	}
}

func TestAnEmptyArchiveHasAReport(t *testing.T) {
	t.Parallel()
	c, err := NewCoverage(t.Context(), bifrosttest.NewLedger(), nil, readback.Times{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := PageTemplate.Execute(&out, NewPage(config.Config{}, condition.Overview{}, c, 0.023, time.Now())); err != nil {
		t.Fatal(err)
	}
}
