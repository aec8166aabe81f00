// The pictures of plays for the pages.

package main

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/scale"
)

const (
	pictureWidth = 760
	plotLeft     = 70
	plotRight    = 20
	panelHeight  = 110
	panelGap     = 44
	pictureTop   = 64
)

// A panel is one curve over the time of a play.
type panel struct {
	title string
	value func(scale.Point) float64
	color string
}

// panelsOf are the curves of a play, each with the unit that suits it.
func panelsOf(r scale.Result) []panel {
	lag := panel{"lag, GB", func(p scale.Point) float64 { return p.LagBytes / 1e9 }, "#c2410c"}
	if peak(r, lag.value) >= 1000 {
		lag = panel{"lag, TB", func(p scale.Point) float64 { return p.LagBytes / 1e12 }, lag.color}
	}
	const waits = "age of the oldest record that waits, "
	age := panel{waits + "minutes", func(p scale.Point) float64 { return p.OldestAge.Minutes() }, "#7c3aed"}
	if peak(r, age.value) >= 600 {
		age = panel{waits + "hours", func(p scale.Point) float64 { return p.OldestAge.Hours() }, age.color}
	}
	title := fmt.Sprintf("workers on average, of %d", r.Slots)
	return []panel{lag, age, {title, func(p scale.Point) float64 { return p.Worked }, "#0369a1"}}
}

func peak(r scale.Result, value func(scale.Point) float64) float64 {
	most := 0.0
	for _, p := range r.Points {
		most = max(most, value(p))
	}
	return most
}

// draw is a play as a picture (SVG 1.1): lag, age and workers over time, one below
// the other. It takes its colors of text and background from the reader's scheme.
func draw(r scale.Result) string {
	panels := panelsOf(r)
	height := pictureTop + len(panels)*(panelHeight+panelGap)
	var b strings.Builder
	fmt.Fprintf(&b,
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" `+
			`font-family="system-ui, sans-serif" font-size="12" role="img">`+"\n",
		pictureWidth, height)
	b.WriteString("<style>text{fill:#334155}.line{fill:none;stroke-width:1.8}" +
		".grid{stroke:#94a3b8;stroke-opacity:.35}.back{fill:#fff}" +
		"@media(prefers-color-scheme:dark){text{fill:#cbd5e1}.back{fill:#0f172a}}</style>\n")
	fmt.Fprintf(&b, "<title>%s</title>\n<rect class=\"back\" width=\"100%%\" height=\"100%%\"/>\n",
		html.EscapeString(r.About))
	for i, line := range wrapped(r.About, 108) {
		fmt.Fprintf(&b, "<text x=\"16\" y=\"%d\">%s</text>\n", 20+16*i, html.EscapeString(line))
	}
	for i, p := range panels {
		p.draw(&b, r, float64(pictureTop+i*(panelHeight+panelGap)))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p panel) draw(b *strings.Builder, r scale.Result, top float64) {
	most := roundUp(peak(r, p.value))
	x := func(at time.Duration) float64 {
		return plotLeft + float64(at)/float64(r.Length)*(pictureWidth-plotLeft-plotRight)
	}
	y := func(v float64) float64 { return top + panelHeight - v/most*panelHeight }
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%.0f\" font-weight=\"600\">%s</text>\n", plotLeft, top-6, p.title)
	for _, v := range []float64{0, most / 2, most} {
		fmt.Fprintf(b, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>",
			plotLeft, pictureWidth-plotRight, y(v), y(v))
		fmt.Fprintf(b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n", plotLeft-8, y(v)+4, v)
	}
	for at := time.Duration(0); at <= r.Length; at += hourStep(r.Length) {
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%.0f h</text>\n",
			x(at), top+panelHeight+16, at.Hours())
	}
	fmt.Fprintf(b, "<polyline class=\"line\" stroke=\"%s\" points=\"", p.color)
	for _, point := range r.Points {
		fmt.Fprintf(b, "%.1f,%.1f ", x(point.At), y(p.value(point)))
	}
	b.WriteString("\"/>\n")
}

// roundUp is the next of 1, 2, 5, 10, 20 ... that is not below v.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 5} {
		if v <= n*unit {
			return n * unit
		}
	}
	return 10 * unit
}

func hourStep(length time.Duration) time.Duration {
	for _, hours := range []time.Duration{1, 2, 3, 6, 12, 24} {
		if length/(hours*time.Hour) <= 12 {
			return hours * time.Hour
		}
	}
	return 48 * time.Hour
}

// wrapped breaks text into lines of at most so many characters.
func wrapped(text string, most int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		last := &lines[len(lines)-1]
		if len(*last)+1+len(word) > most {
			lines = append(lines, word)
			continue
		}
		*last = strings.TrimSpace(*last + " " + word)
	}
	return lines
}
