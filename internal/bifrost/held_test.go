package bifrost_test

import (
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// What is held is in the hand of somebody who is alive, or pauses after a failure; a dead worker holds nothing.
func TestWhatIsHeld(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 23, 27, 0, 0, time.UTC)
	in := func(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }
	row := func(state bifrost.State, invocation, failed string, lease int) bifrost.Row {
		return bifrost.Row{State: state, Invocation: invocation, Error: failed, LeaseUntil: in(lease)}
	}
	at := []bifrost.Invocation{{ID: "0.a", AliveUntil: in(40)}, {ID: "1.dead", AliveUntil: in(-1)}}
	planned := bifrost.StatePlanned
	hand, older := row(planned, "0.a", "", 900), row(planned, "", "", 60)
	killer := row(planned, "1.dead", "", 895) // given away five seconds ago
	killer.Attempts = 7
	paused := row(planned, "", "throttled", 100)
	for name, c := range map[string]struct {
		rows []bifrost.Row
		want bifrost.Held
	}{
		"nothing":              {nil, bifrost.Held{}},
		"in hand":              {[]bifrost.Row{hand, hand}, bifrost.Held{InHand: 2, Until: in(40)}},
		"by an older lease":    {[]bifrost.Row{older, hand}, bifrost.Held{InHand: 2, Until: in(60)}},
		"paused":               {[]bifrost.Row{paused, row(planned, "", "throttled", 90)}, bifrost.Held{Paused: 2, Until: in(100)}},
		"both":                 {[]bifrost.Row{paused, hand}, bifrost.Held{InHand: 1, Paused: 1, Until: in(40)}},
		"a pause is over":      {[]bifrost.Row{row(planned, "", "throttled", 0)}, bifrost.Held{}},
		"a dead worker":        {[]bifrost.Row{row(planned, "1.dead", "", 900)}, bifrost.Held{}},
		"a forgotten worker":   {[]bifrost.Row{row(planned, "7.gone", "", 900)}, bifrost.Held{}},
		"one that killed many": {[]bifrost.Row{killer}, bifrost.Held{Paused: 1, Until: in(55)}},
		"settled":              {[]bifrost.Row{row(bifrost.StateLost, "0.a", "throttled", 900)}, bifrost.Held{}},
	} {
		if got := bifrost.FindHeld(c.rows, at, 900*time.Second, now); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
