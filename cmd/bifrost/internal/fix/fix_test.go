package fix

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/repair"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// All that would be done is shown before anybody is asked, and all that is left as it is.
func TestAPlanIsShownInFull(t *testing.T) {
	t.Parallel()
	var talk bytes.Buffer
	f := &Fixer{App: app.New(nil, nil, &talk)}
	p := func(n int32) bifrost.Partition { return bifrost.Partition{Name: "orders", Number: n} }
	left := func(topic string, partition int32) repair.LeftViolation {
		return repair.LeftViolation{Violation: verify.Violation{Kind: verify.ObjectDamaged, Topic: topic,
			Partition: partition}, Reason: "not proven"}
	}
	f.show(repair.FixPlan{
		Left:     []repair.LeftViolation{left("orders", 1), left("payments", -1)},
		Unproven: []bifrost.Partition{p(1), p(2)},
		Hidden:   []repair.HiddenObject{{Key: "g/x", Markers: []string{"m1", "m2"}, Proof: "its only version"}},
		Rows:     []bifrost.Row{{Partition: p(3), Range: bifrost.Range{Start: 70, End: 80}}},
		Anew:     []bifrost.Partition{p(4), p(5)},
		Whole:    []bifrost.Partition{p(6), p(7)},
	})
	for _, want := range []string{
		"leave      object_damaged of orders/1 as it is: not proven", "leave      object_damaged of payments as it is",
		"leave      all rows of orders/1 as", "leave      all rows of orders/2 as",
		"unhide     g/x: remove 2 delete markers (m1, m2); its only version",
		`make again row partition_key "orders/3", start_offset 70, of the objects table`,
		`make again row topic "orders", partition 4, of`, `make again row topic "orders", partition 5, of`,
		"rebuild    orders/6,", "rebuild    orders/7,",
	} {
		if strings.Count(talk.String(), want) != 1 {
			t.Errorf("not told once %q:\n%s", want, &talk)
		}
	}
}

// Nothing is done unless somebody says yes, and where nobody can, that is said.
func TestNothingIsDoneWithoutAYes(t *testing.T) {
	t.Parallel()
	for text, agreed := range map[string]bool{"y\n": true, " Yes \n": true, "n\n": false, "\n": false, "yes, no\n": false} {
		var talk bytes.Buffer
		f := &Fixer{App: app.New(strings.NewReader(text), nil, &talk)}
		if got, err := f.readAnswer(); err != nil || got != agreed || agreed == strings.Contains(talk.String(), "Nothing was done") {
			t.Errorf("%q: %v, error %v, said %q", text, got, err, &talk)
		}
		if got, err := f.ask(); got || err != nil || !strings.Contains(talk.String(), "give --yes to do this") {
			t.Errorf("%q from a pipe: %v, error %v, said %q", text, got, err, &talk)
		}
	}
	f := &Fixer{App: app.New(iotest.ErrReader(io.ErrClosedPipe), nil, io.Discard)}
	if got, err := f.readAnswer(); got || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("without an answer: %v, error %v", got, err)
	}
}
