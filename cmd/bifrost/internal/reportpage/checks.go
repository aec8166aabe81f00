// What the bucket says of captures, of verifications.

package reportpage

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// Checks are what the bucket has beside records. An error says why that is not known, and
// the page says so.
type Checks struct {
	Captures         map[string][]capture.Listed // of each cluster, in order
	CaptureErr       error
	Verifications    []verify.Record // the newest first
	VerificationsErr error
	// BucketErr is why nobody knows whether the bucket has what the tables name, or that it has not.
	BucketErr error
}

// How many of them are read, for what they found and no later one has looked for again, and shown.
const (
	mostVerifications  = 40
	shownVerifications = 5
)

// shown are the verifications that the page lists.
func (c Checks) shown() []verify.Record {
	return c.Verifications[:min(shownVerifications, len(c.Verifications))]
}

// ReadChecks reads what there is of captures and verifications.
func ReadChecks(ctx context.Context, bucket verify.BucketReader, group string) Checks {
	var c Checks
	c.Captures, c.CaptureErr = capture.Clusters(ctx, bucket, group)
	c.Verifications, c.VerificationsErr = verify.LastRecords(ctx, bucket, group, mostVerifications)
	return c
}

// captureLine is what there is of a cluster's captures.
type captureLine struct{ Cluster, Last, Ago, Class, First, Count string }

// verifiedLine is one verification.
type verifiedLine struct{ At, Ago, What, Topics, Looked, Result, Class string }

func (p *Page) checkSection(f Facts) {
	c := f.Checks
	if c.CaptureErr != nil {
		p.CaptureError = "Not known: " + c.CaptureErr.Error()
	}
	if c.VerificationsErr != nil {
		p.VerifiedError = "Not known in full: " + c.VerificationsErr.Error()
	}
	newest := newestCapture(c.Captures)
	for _, id := range slices.Sorted(maps.Keys(c.Captures)) {
		all := c.Captures[id]
		first, last := all[0].At, all[len(all)-1].At
		class := ""
		if last.Equal(newest) && isLate(f, last) {
			class = "warn"
		}
		p.Captures = append(p.Captures, captureLine{cmp.Or(id, "without an ID"), human.Moment(last),
			human.Ago(last, f.Now), class, human.Moment(first), human.Count(int64(len(all)))})
	}
	for _, r := range c.shown() {
		p.Verifications = append(p.Verifications, newVerifiedLine(r, f.Now))
	}
}

// capturesLate is how many captures may be missed before somebody should know.
const capturesLate = 4

func isLate(f Facts, last time.Time) bool {
	return f.Config.CaptureEvery > 0 && f.Now.Sub(last) > capturesLate*f.Config.CaptureEvery
}

func newestCapture(captures map[string][]capture.Listed) (newest time.Time) {
	for _, all := range captures {
		if last := all[len(all)-1].At; last.After(newest) {
			newest = last
		}
	}
	return newest
}

// findCaptures says what is wrong with captures. A cluster that was left is captured no
// more: the newest of all counts.
func (p *Page) findCaptures(f Facts) {
	if f.Checks.CaptureErr != nil || f.Config.CaptureEvery == 0 || len(f.Seen.Rows) == 0 {
		return
	}
	newest := newestCapture(f.Checks.Captures)
	switch {
	case newest.IsZero():
		p.Findings = append(p.Findings, finding{"", "No capture of the cluster",
			"Without one, a restore brings back no topic settings, groups and ACLs.",
			"Discover makes captures; bifrost capture makes one at once. docs/capture.md has the permissions."})
	case isLate(f, newest):
		p.Findings = append(p.Findings, finding{"warn", "The last capture is old",
			fmt.Sprintf("It was made %s, and there should be one every %s.", human.Ago(newest, f.Now),
				human.Span(f.Config.CaptureEvery)), "The last tick's log line says why: capture."})
	}
}

// findVerification says what verifications found that no later one has looked for again: one of some
// topics says nothing of the others, and one of tables and ends of objects nothing of what is inside them.
func (p *Page) findVerification(f Facts) {
	if len(f.Seen.Rows) == 0 || f.Checks.VerificationsErr != nil {
		return
	}
	all := f.Checks.Verifications
	if len(all) == 0 {
		p.Findings = append(p.Findings, finding{"", "No verification is on record",
			"Nobody has compared tables and bucket and kept the result.", "bifrost verify --record"})
	} else if !slices.ContainsFunc(all, func(r verify.Record) bool { return len(r.Topics) == 0 }) {
		p.Findings = append(p.Findings, finding{"", "No verification of all topics is among the last on record",
			"They looked at some topics only.", "bifrost verify --record"})
	}
	for i, r := range all {
		lookedAgain := func(later verify.Record) bool {
			return later.Covers(r) && (later.Complete || r.Summary.Violations == 0)
		}
		if !slices.ContainsFunc(all[:i], lookedAgain) {
			p.judgeVerification(r, f)
		}
	}
}

// judgeVerification says what a verification found.
func (p *Page) judgeVerification(last verify.Record, f Facts) {
	name, again := "last verification", "bifrost verify"
	if last.Deep {
		name, again = "last deep verification", again+" --deep"
	}
	if last.Kafka {
		name, again = name+" against Kafka", again+" --kafka"
	}
	if len(last.Topics) > 0 {
		name, again = name+" of "+strings.Join(last.Topics, ", "), again+" "+strings.Join(last.Topics, " ")
	}
	switch {
	case last.Summary.Violations > 0:
		p.Findings = append(p.Findings, finding{"bad",
			human.Some(last.Summary.Violations, "violation") + " in the " + name,
			fmt.Sprintf("%s: %s. %s", human.Ago(last.At, f.Now), kindsOf(last),
				knownSince(f.Checks.Verifications, last)),
			again + " names each, with what to do; --fix puts right what the bucket proves. This page tells of what " +
				"is on record: what is put right or accepted by now goes from here with " + again + " --record."})
	case !last.Complete:
		p.Findings = append(p.Findings, finding{"warn", "The " + name + " could not look at everything",
			last.Error, again + " --record"})
	case !last.Clean():
		p.Findings = append(p.Findings, finding{"warn", "The " + name + " looked at nothing",
			"It found no partition, so it says nothing of the archive.", again + " --record"})
	}
}

// knownSince says since when verifications find something of what the last one looked at, of those that were
// read, the newest first.
func knownSince(all []verify.Record, last verify.Record) string {
	older := slices.DeleteFunc(slices.Clone(all), func(r verify.Record) bool { return r.At.After(last.At) })
	clean := slices.IndexFunc(older, func(r verify.Record) bool { return r.Covers(last) && r.Clean() })
	if clean >= 0 {
		older = older[:clean]
	}
	since := last.At
	for _, r := range older {
		if r.Summary.Violations > 0 && slices.Equal(r.Topics, last.Topics) {
			since = r.At
		}
	}
	if clean < 0 && len(all) == mostVerifications {
		return fmt.Sprintf("There were some on record already at %s.", human.Moment(since))
	}
	return fmt.Sprintf("There have been some on record since %s.", human.Moment(since))
}

func kindsOf(r verify.Record) string {
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(r.Summary.Kinds)) {
		kinds = append(kinds, fmt.Sprintf("%s %s", human.Count(r.Summary.Kinds[kind]), kind))
	}
	return strings.Join(kinds, ", ")
}

func newVerifiedLine(r verify.Record, now time.Time) verifiedLine {
	depth := []string{"tables and ends of objects"}
	if r.Deep {
		depth = []string{"every byte of every object"}
	}
	if r.Kafka {
		depth = append(depth, "compared with Kafka")
	}
	l := verifiedLine{
		At:     human.Moment(r.At),
		Ago:    human.Ago(r.At, now),
		What:   strings.Join(depth, ", "),
		Topics: cmp.Or(strings.Join(r.Topics, ", "), "all topics"),
		Looked: fmt.Sprintf("%s, %s, %s", human.Some(int64(r.Summary.Partitions), "partition"),
			human.Some(r.Summary.Objects, "object"), human.Some(r.Summary.Records, "record")),
		Result: "as the tables say", Class: "good",
	}
	switch {
	case r.Summary.Violations > 0:
		l.Result, l.Class = kindsOf(r), "bad"
	case !r.Complete:
		l.Result, l.Class = "not everything could be looked at: "+r.Error, "warn"
	case !r.Clean():
		l.Result, l.Class = "there was nothing to look at", "warn"
	}
	return l
}
