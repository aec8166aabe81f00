package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/scale"
)

// Who edits the prices runs "make figures", or the page says other prices than the
// figures rest on.
func TestCostPageHasThePrices(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/cost.md")
	if err != nil {
		t.Fatal(err)
	}
	if refreshPrices(string(page)) != string(page) || !strings.Contains(string(page), priceTable()) {
		t.Error("docs/cost.md has other prices than prices.go; go run ./cmd/bench -docs docs -run none puts them right")
	}
}

func TestFiguresGoIntoTheirTables(t *testing.T) {
	t.Parallel()
	page := "Before.\n\n<!-- figures a/ b/x -->\n" + tableHead +
		"| `a/old` | 1 | s |  | kept |\n| `a/new` | 2 | s |  | replaced |\n" + blockEnd +
		"\nBetween.\n<!-- figures c/ -->\n" + blockEnd + "\nAfter.\n"
	want := "Before.\n\n<!-- figures a/ b/x -->\n" + tableHead + "| `a/old` | 1 | s |  | kept |\n" +
		"| `a/new` | 3.14 | s | at most 4 | measured |\n| `b/x` | 1235 | s |  |  |\n" + blockEnd +
		"\nBetween.\n<!-- figures c/ -->\n" + tableHead + "| `c/1` | 0.00123 | s |  |  |\n" + blockEnd + "\nAfter.\n"
	got := refreshFigures(page, []figure{
		{Name: "a/new", Value: 3.14159, Unit: "s", Target: "at most 4", Note: "measured"},
		{Name: "b/x", Value: 1234.6, Unit: "s"},
		{Name: "b/y", Value: 1, Unit: "s"},
		{Name: "c/1", Value: 0.001234, Unit: "s"},
	})
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again := refreshFigures(got, nil); again != got {
		t.Errorf("without figures the page becomes\n%s", again)
	}
}

// Every scenario, with a thousandth of its partitions and bytes, is played in a
// moment; it catches up, and its picture has a curve with every point.
func TestScenariosInSmall(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			s.Partitions, s.BytesPerHour, s.Brokers = max(10, s.Partitions/1000), s.BytesPerHour/1000, s.Brokers/1000
			s.Slots = min(8, s.Slots)
			s.Speed = scale.Speed{
				BytesPerSecond: 60e6,
				PerObject:      400 * time.Millisecond,
				Start:          300 * time.Millisecond,
				PlansPerSecond: 500,
				PerPartition:   100 * time.Microsecond,
			}
			s.Timeout = workerLife
			r := scale.Run(s)
			if _, ok := r.CaughtUp(); !ok || r.LostBytes > 0 {
				t.Errorf("caught up %v, lost %v bytes, bound by %s", ok, r.LostBytes, r.Binding())
			}
			checkPicture(t, draw(r), len(r.Points))
		})
	}
}

func checkPicture(t *testing.T, picture string, points int) {
	t.Helper()
	curves := 0
	for decoder := xml.NewDecoder(strings.NewReader(picture)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "polyline" {
			continue
		}
		curves++
		for _, a := range start.Attr {
			if a.Name.Local == "points" && len(strings.Fields(a.Value)) != points {
				t.Errorf("a curve has %d points, the play %d", len(strings.Fields(a.Value)), points)
			}
		}
	}
	if curves != 3 {
		t.Errorf("%d curves, want 3", curves)
	}
}

func TestDecimal(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0.2e-6: "0.0000002", 0.0000133334: "0.0000133334", 0.11: "0.11", 20: "20"} {
		if got := decimal(v); got != want {
			t.Errorf("decimal(%v) = %s, want %s", v, got, want)
		}
	}
}
