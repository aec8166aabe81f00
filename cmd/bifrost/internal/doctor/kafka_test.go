package doctor

import (
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
)

// How the brokers are reached is said as it is set, and a warning only where others may read a password.
func TestHowTheBrokersAreReached(t *testing.T) {
	t.Parallel()
	for want, k := range map[string]config.Kafka{
		"plaintext":                   {},
		"TLS":                         {TLS: true},
		"TLS, PLAIN":                  {TLS: true, SASL: true, Mechanism: "PLAIN"},
		"SCRAM-SHA-512, without TLS":  {SASL: true, Mechanism: "SCRAM-SHA-512"},
		"PLAIN without TLS: warning!": {SASL: true, Mechanism: "PLAIN"},
	} {
		got := kafkaSecurity(k)
		text := got.found
		if got.warning {
			text += ": warning!"
		}
		if text != want {
			t.Errorf("%+v: %+v, want %q", k, got, want)
		}
	}
}

// A cluster without topics is no fault of the globs, and globs that select none are.
func TestDoctorTellsAnEmptyClusterFromGlobsThatSelectNone(t *testing.T) {
	t.Parallel()
	filter, err := bifrost.NewTopicFilter([]string{"orders*"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		topics      []bifrost.Topic
		found, next string
	}{
		"no topic": {nil, "there is no topic", "allow Describe"},
		"globs":    {[]bifrost.Topic{{Name: "payments"}}, "none of 1 is selected", "BIFROST_INCLUDE_TOPICS"},
		"one":      {[]bifrost.Topic{{Name: "payments"}, {Name: "orders"}}, "1 of 2", ""},
	} {
		got := selected(c.topics, filter)
		if !strings.Contains(got.found, c.found) || !strings.Contains(got.next, c.next) || got.warning != (c.next != "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
