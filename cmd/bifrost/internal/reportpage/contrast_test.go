package reportpage

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// luminance is the relative luminance of a colour #rgb or #rrggbb (WCAG 2.2).
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	digits := strings.TrimPrefix(colour, "#")
	if len(digits) == 3 {
		digits = strings.Repeat(digits[:1], 2) + strings.Repeat(digits[1:2], 2) + strings.Repeat(digits[2:], 2)
	}
	sum := 0.0
	for n, weight := range []float64{0.2126, 0.7152, 0.0722} {
		value, err := strconv.ParseUint(digits[2*n:2*n+2], 16, 8)
		if err != nil {
			t.Fatalf("%q: %v", colour, err)
		}
		c := float64(value) / 255
		if c <= 0.04045 {
			sum += weight * c / 12.92
		} else {
			sum += weight * math.Pow((c+0.055)/1.055, 2.4)
		}
	}
	return sum
}

// Text is told from what is behind it by 4.5 to 1, and what a strip shows from its track and
// from the card by 3 to 1, light and dark (WCAG 2.2, 1.4.3 and 1.4.11).
func TestColoursAreToldApart(t *testing.T) {
	t.Parallel()
	roots := regexp.MustCompile(`:root \{([^}]*)\}`).FindAllStringSubmatch(pageText, -1)
	if len(roots) != 2 {
		t.Fatalf("%d palettes, want a light and a dark one", len(roots))
	}
	for n, root := range roots {
		colours := map[string]string{}
		for _, c := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]+);`).FindAllStringSubmatch(root[1], -1) {
			colours[c[1]] = c[2]
		}
		check := func(front, back string, least float64) {
			a, b := luminance(t, colours[front]), luminance(t, colours[back])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < least {
				t.Errorf("palette %d: %s on %s has %.2f to 1, want %.1f", n, front, back, ratio, least)
			}
		}
		for _, front := range []string{"text", "dim", "good", "warn", "bad", "link"} {
			check(front, "card", 4.5)
			check(front, "back", 4.5)
		}
		for _, class := range []string{"good", "warn", "bad"} {
			check(class, class+"-back", 4.5)
		}
		for _, state := range []string{"archived", "lost"} {
			check(state, "track", 3)
			check(state, "card", 3)
		}
	}
}

// Every table has a name, every heading cell a direction, and every region a name of its own.
func TestTablesSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	for _, part := range strings.Split(pageText, "<table")[1:] {
		_, inside, _ := strings.Cut(part, ">")
		if !strings.HasPrefix(strings.TrimSpace(inside), "<caption>") {
			t.Errorf("a table without a caption: %.80q", part)
		}
	}
	for _, cell := range regexp.MustCompile(`<th[ >][^<{]*`).FindAllString(pageText, -1) {
		if !strings.Contains(cell, ` scope="`) || strings.HasSuffix(strings.TrimSpace(cell), `scope="col">`) &&
			!strings.Contains(pageText, cell+"{{") {
			t.Errorf("a heading cell without a scope or a name: %q", cell)
		}
	}
	for _, tag := range regexp.MustCompile(`<[a-z]+ [^>]*(?:role="region"|<svg )[^>]*>`).FindAllString(pageText, -1) {
		if !strings.Contains(tag, "aria-label") {
			t.Errorf("a region without a name: %s", tag)
		}
	}
	for _, tag := range regexp.MustCompile(`<svg [^>]*>(?:<title>)?`).FindAllString(pageText, -1) {
		if !strings.Contains(tag, "aria-hidden") && !strings.Contains(tag, "aria-label") && !strings.Contains(tag, "<title>") {
			t.Errorf("a picture without words: %s", tag)
		}
	}
}
