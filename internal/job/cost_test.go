package job

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

// What a job costs are its plans, items and sums, of all executions, each once.
func TestCost(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 1)
	a.archive("orders", 3, 30)
	a.before = func(e Event) error {
		if e.Step == "work" && e.Item.Number == 2 {
			return a.runner.failItem(context.Background(), e, errors.New("the broker has gone fishing"))
		}
		return nil
	}
	if _, err := a.execute(replayOf("one", "orders:copy")); err == nil {
		t.Fatal("it did not fail")
	}
	a.before = nil
	report, err := a.execute(map[string]any{"id": "one"})
	if err != nil {
		t.Fatal(err)
	}
	// Two plans, two sums and three works that did something; each asks a.requests twice, which
	// counts one between.
	if c := report.Cost; c.Invocations != 7 || c.Puts != 7 || c.Gets != 7 || c.ReadUnits != 7 || c.Transitions != 2*3+2*3+2*3 {
		t.Errorf("cost %+v", c)
	}
	var sum Cost
	for range 3 { // an item of several invocations has said what they took together
		sum.addSpent(Spent{Seconds: 5, Invocations: 4, Requests: Requests{Puts: 1, Gets: 2, ReadUnits: 3}})
	}
	if want := (Cost{FunctionSeconds: 15, Invocations: 12, Requests: Requests{Puts: 3, Gets: 6, ReadUnits: 9}}); sum != want {
		t.Errorf("cost %+v, want %+v", sum, want)
	}
	c := Cost{FunctionSeconds: 1e6, Invocations: 1e6, Requests: Requests{Puts: 1e6, Gets: 1e6, ReadUnits: 1e6}}
	c.addTotal(1, 100_000, 1<<30)
	if want := 13.3334 + 0.2 + 0.025*2199.999 + 5 + 0.4 + 0.125; c.Transitions != 2_199_999 || math.Abs(c.Dollars-want) > 1e-6 {
		t.Errorf("cost %+v, want %f dollars", c, want)
	}
}

// The prices are those of the page.
func TestPrices(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/cost.md")
	if err != nil {
		t.Fatal(err)
	}
	for what, dollars := range map[string]float64{
		"Lambda, arm64": dollarsPerGBSecond, "Lambda, start of a function": dollarsPerInvocation,
		"Step Functions, state transition of a standard workflow": dollarsPerTransition,
		"S3 Standard, PUT, POST, LIST":                            dollarsPerPut, "S3 Standard, GET, HEAD": dollarsPerGet,
		"DynamoDB on demand, read": dollarsPerReadUnit,
	} {
		price := strings.TrimRight(fmt.Sprintf("%.12f", dollars), "0")
		if line := fmt.Sprintf("| %s | %s |", what, price); !strings.Contains(string(page), line) {
			t.Errorf("docs/cost.md has no %q", line)
		}
	}
}
