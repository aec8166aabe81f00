//go:build real || soak

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// log returns all that a function, by its output of the template, has written to
// its log.
func (e *endToEnd) log(output string) string {
	e.Helper()
	var all strings.Builder
	for next := ""; ; {
		body := map[string]any{"logGroupName": "/aws/lambda/" + e.stack.Outputs[output]}
		if next != "" {
			body["nextToken"] = next
		}
		var page struct {
			Events    []struct{ Message string }
			NextToken string
		}
		e.check(request{service: "logs", target: "Logs_20140328.FilterLogEvents", body: body}.send(e.Context(), e.stack.AWS, &page))
		for _, event := range page.Events {
			all.WriteString(strings.TrimSuffix(event.Message, "\n") + "\n")
		}
		if page.NextToken == "" || page.NextToken == next {
			return all.String()
		}
		next = page.NextToken
	}
}

// A logLine is a line of a log that is JSON.
type logLine map[string]any

// lines are those of a function's log that are JSON.
func (e *endToEnd) lines(output string) []logLine {
	e.Helper()
	var found []logLine
	for text := range strings.Lines(e.log(output)) {
		var line logLine
		if json.Unmarshal([]byte(text), &line) == nil {
			found = append(found, line)
		}
	}
	return found
}

// eventually waits until something is so.
func (e *endToEnd) eventually(what string, so func() bool) {
	e.Helper()
	ctx, cancel := context.WithTimeout(e.Context(), time.Minute)
	defer cancel()
	for !so() {
		if err := pause(ctx); err != nil {
			e.Fatalf("%s: %v", what, err)
		}
	}
}

// followTick goes from each object back to the range in the log of archive that
// made it, to the tick that started that run of archive, and to the line in which
// the tick says so. A range that a run found by itself when it had time left
// belongs to no tick; the request ID leads to the range that the run was for.
func (e *endToEnd) followTick() {
	e.Helper()
	objects := e.objects()
	var ranges map[string]logLine // by key of the object
	e.eventually("not every object has its range in the log of archive", func() bool {
		ranges = map[string]logLine{}
		for _, l := range e.lines("ArchiveFunction") {
			if key, ok := l["object"].(string); ok && l["msg"] == "range" && l["outcome"] == "archived" {
				ranges[key] = l
			}
		}
		return !slices.ContainsFunc(objects, func(o archivedObject) bool { return ranges[o.key] == nil })
	})
	runs := map[any]logLine{} // by request ID, what they were started for
	for _, r := range ranges {
		if r.has("tick_id") {
			runs[r["request_id"]] = r
		}
	}
	// A tick of the schedule may be at its end still, and its lines come after it.
	var missing string
	defer func() {
		if e.Failed() {
			e.Log(missing)
		}
	}()
	e.eventually("not every object has its tick in the log of discover", func() bool {
		discover := e.lines("DiscoverFunction")
		return !slices.ContainsFunc(objects, func(o archivedObject) bool {
			run := runs[ranges[o.key]["request_id"]]
			dispatched := slices.ContainsFunc(discover, func(l logLine) bool {
				return l["msg"] == "dispatched" && l.agrees(run, "tick_id", "topic", "partition", "start_offset")
			})
			ticked := slices.ContainsFunc(discover, func(l logLine) bool {
				summary, _ := l["tick"].(map[string]any)
				return l["msg"] == "tick" && logLine(summary).agrees(run, "tick_id") && l.has("request_id")
			})
			if !dispatched || !ticked {
				missing = fmt.Sprintf("%s: tick found: %v, dispatch found: %v, for the run %v", o.key, ticked, dispatched, run)
			}
			return !dispatched || !ticked
		})
	})
	e.Logf("%d objects lead back to their tick, of them %d that a run found by itself", len(objects), len(objects)-len(runs))
	e.metric("DiscoverFunction", "Lag")
	e.metric("ArchiveFunction", "ArchivedRanges")
}

func (l logLine) has(key string) bool { return l[key] != nil && l[key] != "" }

// agrees reports whether both lines have the keys, with the same values.
func (l logLine) agrees(other logLine, keys ...string) bool {
	return !slices.ContainsFunc(keys, func(k string) bool { return l[k] == nil || l[k] != other[k] })
}

// metric sums what the function has written of one, in lines that are one metric
// document each.
func (e *endToEnd) metric(output, name string) (sum float64) {
	e.Helper()
	found := false
	for _, l := range e.lines(output) {
		if l["_aws"] == nil {
			continue
		}
		if l["Stack"] != "bifrost" {
			e.Errorf("metrics of stack %v", l["Stack"])
		}
		if value, ok := l[name].(float64); ok {
			sum, found = sum+value, true
		}
	}
	if !found {
		e.Errorf("%s wrote no %s", output, name)
	}
	return sum
}
