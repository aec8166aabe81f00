package console_test

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
)

// What the parts log is said in words, with its attributes, from the level on that is set.
func TestTheLogIsInWords(t *testing.T) {
	t.Parallel()
	var talk bytes.Buffer
	log := console.New(nil, nil, &talk).Logger(slog.LevelInfo)
	log.Debug("nobody hears this")
	log.Info("1 objects are there")
	log.With("topic", "orders").WithGroup("range").Warn("it failed", "start", 7, "error", errors.New("no\x1bway"))
	want := "1 object is there\nwarning: it failed: topic orders, range.start 7, range.error no\\x1bway\n"
	if got := talk.String(); got != want {
		t.Errorf("said\n%swant\n%s", got, want)
	}
}
