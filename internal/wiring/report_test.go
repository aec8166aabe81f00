package wiring

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/metrics"
)

// What a tick and a run say in the log is what they answer, and each adds one
// line of metrics.
func TestReports(t *testing.T) {
	t.Parallel()
	var lines, measured bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&lines, nil))
	parts := &Parts{Log: log, metrics: metrics.Emitter{Stack: "test", To: &measured, Now: time.Now}}
	archived := bifrost.RangeResult{Topic: "orders", Partition: 2, StartOffset: 10, EndOffset: 20, Outcome: bifrost.OutcomeArchived, Records: 9, TickID: "one"}
	parts.ReportTick(t.Context(), bifrost.TickSummary{ID: "one", Topics: 3, Lag: 7})
	parts.ReportRanges(t.Context(), []bifrost.RangeResult{archived}, errors.New("the next one failed"))
	decoder := json.NewDecoder(&lines)
	var tick struct{ Tick bifrost.TickSummary }
	if err := decoder.Decode(&tick); err != nil || tick.Tick.ID != "one" || tick.Tick.Topics != 3 || tick.Tick.Lag != 7 {
		t.Errorf("tick %+v, error %v", tick, err)
	}
	var got bifrost.RangeResult
	if err := decoder.Decode(&got); err != nil || got != archived {
		t.Errorf("range %+v, error %v; want the fields of the function's answer: %+v", got, err, archived)
	}
	for _, want := range []string{`"Lag":7`, `"ArchivedRecords":9`, `"FailedRanges":1`} {
		if !strings.Contains(measured.String(), want) {
			t.Errorf("the metrics do not say %s:\n%s", want, measured.String())
		}
	}
	if n := strings.Count(measured.String(), "\n"); n != 2 {
		t.Errorf("%d lines of metrics, want one a tick and one a run", n)
	}
}
