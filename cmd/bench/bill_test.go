package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The worked bill is what the figures of the cost page make of it, and adds up.
func TestTheWorkedBill(t *testing.T) {
	t.Parallel()
	costs, err := os.ReadFile("../../docs/cost.md")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/questions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, bill, _ := strings.Cut(string(page), "<!-- bill -->")
	bill, _, _ = strings.Cut(bill, "<!-- end -->")
	cents := func(dollars string) int {
		n, err := strconv.ParseFloat(dollars, 64)
		if err != nil {
			t.Fatal(err)
		}
		return int(n*100 + 0.5)
	}
	sum, priced := 0, 0
	factor := regexp.MustCompile("([0-9.]+) × `([a-z0-9/]+)`")
	for _, row := range regexp.MustCompile(`(?m)^\| (.+) \| ([0-9.]+) \| (.*)\|$`).FindAllStringSubmatch(bill, -1) {
		dollars := cents(row[2])
		if strings.HasPrefix(row[1], "together") {
			if dollars != sum {
				t.Errorf("together %d cents, the rows are %d", dollars, sum)
			}
			continue
		}
		sum += dollars
		if part := factor.FindStringSubmatch(row[3]); part != nil {
			priced++
			cost := regexp.MustCompile("\\| `" + regexp.QuoteMeta(part[2]) + "` \\| ([0-9.]+) \\|")
			figure := cost.FindSubmatch(costs)
			if figure == nil {
				t.Fatalf("docs/cost.md has no figure %s", part[2])
			}
			times, err := strconv.ParseFloat(part[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			if want := cents(fmt.Sprint(times * float64(cents(string(figure[1]))) / 100)); dollars != want {
				t.Errorf("%s: %d cents, %s makes %d", row[1], dollars, part[0], want)
			}
		}
	}
	if priced != 2 || sum == 0 {
		t.Errorf("%d rows come from figures, %d cents in all", priced, sum)
	}
}
