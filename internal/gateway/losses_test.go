package gateway

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// A gap is called what its reason makes it, in the log and in errors: what somebody took out is no loss.
func TestAGapIsCalledByItsReason(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		bifrost.ReasonRetention: "lost (retention)",
		bifrost.ReasonRequest:   "in a gap, taken out (deleted_by_request)",
		bifrost.ReasonSkipped:   "in a gap, no loss (skipped)",
	} {
		row := bifrost.Row{Partition: partitionOf("orders", 0), Range: bifrost.Range{Start: 10, End: 15},
			State: bifrost.StateLost, GapReason: reason}
		for name, tell := range map[string]func(*lossLog){
			"refused": func(l *lossLog) { l.refused(row) }, "skipped": func(l *lossLog) { l.skipped(row) },
		} {
			var out bytes.Buffer
			tell(newLossLog(slog.New(slog.NewJSONHandler(&out, nil))))
			var line struct{ Msg, Reason, Gap string }
			if err := json.Unmarshal(out.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(line.Msg, "recorded gap") || strings.Contains(line.Msg, "recorded loss") || line.Reason != reason ||
				!strings.HasPrefix(line.Gap, want+": ") {
				t.Errorf("%s, %s: %s", reason, name, &out)
			}
		}
		if err := (lost{row}).Error(); !strings.Contains(err, "[10, 15) of orders/0 are "+want) {
			t.Errorf("%s: %s", reason, err)
		}
	}
}
