// What of the archive a person should know, the worst first.

package reportpage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// finding is one thing that a person should know. Class is bad for what needs somebody,
// warn for what should be known, good, or empty for a remark.
type finding struct {
	Class string `json:"class"`
	Title string `json:"title"`
	Text  string `json:"text"`
	Next  string `json:"next"`
}

// mostNamed is how many partitions a finding names.
const mostNamed = 5

// findingSection says first whether anything needs a person, then what. Nothing is called
// good beside records that are lost.
func (p *Page) findingSection(f Facts, sum condition.Judged) {
	if problem := f.Seen.TickProblem(); problem != "" {
		p.Findings = append(p.Findings, finding{"bad", "Nobody knows how the archive is", problem,
			"bifrost doctor says what keeps ticks from working."})
	}
	if err := f.Checks.BucketErr; err != nil {
		p.Findings = append(p.Findings, finding{"bad", "Nobody knows whether the bucket has what the tables say",
			human.PlainError(err.Error()), "Look at BIFROST_BUCKET and at who may read it; bifrost doctor tries both."})
	}
	sick := p.findUnhealthy(f)
	p.findThreats(f)
	p.findLosses(f.Scan)
	if sum.Blind > 0 {
		p.Findings = append(p.Findings, finding{"warn", "Lag and end are not known",
			fmt.Sprintf("No tick has looked at %s since the rows were made, as after a rebuild.",
				human.Some(int64(sum.Blind), "partition")), "The next tick does."})
	}
	p.findCaptures(f)
	p.findVerification(f)
	p.Verdict = verdictOf(f, sick, p.Findings)
}

func verdictOf(f Facts, sick int, findings []finding) finding {
	count := map[string]int{}
	for _, one := range findings {
		count[one.Class]++
	}
	partitions := human.Count(int64(len(f.Seen.Rows))) + " partitions"
	well := human.InNumber(partitions + " are archived as planned, and nothing is lost.")
	switch {
	case sick > 0:
		return finding{"bad", "A person has to look", fmt.Sprintf("Unhealthy: %s of %s.",
			human.Some(int64(sick), "partition"), human.Count(int64(len(f.Seen.Rows)))), ""}
	case !f.Seen.IsHealthy() && f.Seen.NothingYet() == "" || f.Checks.BucketErr != nil:
		return finding{"bad", "It is not known whether the archive is healthy", "See below.", ""}
	case count["bad"] > 0:
		return finding{"bad", "A person has to look", "No partition is unhealthy. To look at: " +
			titlesOf("bad", findings) + ".", ""}
	case len(f.Seen.Rows) == 0:
		return finding{"", "Nothing is archived yet", "No tick has made a row.", ""}
	case f.Scan.total.lost > 0:
		return finding{"warn", "Archiving works, and records were lost",
			human.InNumber(fmt.Sprintf("%s are archived as planned. %s offsets are gone that were never archived: see below.",
				partitions, human.Count(f.Scan.total.lost))), ""}
	case count["warn"] > 0:
		return finding{"warn", "Archiving works", well + inGaps(f.Scan) + " There is something to know, though.", ""}
	}
	return finding{"good", "All is well", well + inGaps(f.Scan), ""}
}

// titlesOf names the findings of a class.
func titlesOf(class string, findings []finding) string {
	var titles []string
	for _, one := range findings {
		if one.Class == class {
			titles = append(titles, one.Title)
		}
	}
	return strings.Join(titles, "; ")
}

// inGaps says how many offsets are in gaps, and why, as a sentence after another one; nothing
// if there is no gap.
func inGaps(s *Scan) string {
	t := s.total
	gaps := t.lost + t.apart + t.removed
	if gaps == 0 {
		return ""
	}
	var why []string
	for _, reason := range s.gaps.reasons() {
		_, words := bifrost.ExplainGap(reason)
		why = append(why, fmt.Sprintf("%s %s (%s)", human.Count(s.gaps.byReason[reason]), reason, words))
	}
	return fmt.Sprintf(" In gaps: %s of %s offsets (%s), %s.", human.Count(gaps), human.Count(gaps+t.archived),
		percent(gaps, gaps+t.archived), strings.Join(why, ", "))
}

// findUnhealthy names the partitions that need a person, those with one error together.
func (p *Page) findUnhealthy(f Facts) (sick int) {
	type trouble struct {
		text       string
		partitions []string
	}
	var all []trouble
	for _, row := range f.Seen.Rows {
		if !condition.Unhealthy(row) {
			continue
		}
		sick++
		text := condition.ErrorCell(row).Text
		if text == "" {
			text = "status " + string(row.Status)
		}
		at := slices.IndexFunc(all, func(t trouble) bool { return t.text == text })
		if at < 0 {
			if len(all) == mostNamed {
				continue
			}
			at, all = len(all), append(all, trouble{text: text})
		}
		all[at].partitions = append(all[at].partitions, row.String())
	}
	for _, t := range all {
		p.Findings = append(p.Findings, finding{"bad", nameSome(t.partitions), t.text,
			"bifrost status --partitions lists all; docs/operations.md says what to do."})
	}
	return sick
}

// nameSome names a few and counts the others.
func nameSome(names []string) string {
	if len(names) <= mostNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %s more", strings.Join(names[:mostNamed], ", "),
		human.Count(int64(len(names)-mostNamed)))
}

// findThreats names what is nearer to loss than the alarm allows.
func (p *Page) findThreats(f Facts) {
	var near []string
	nearest := condition.Judged{}
	for _, row := range f.Seen.Rows {
		if row.Threat.IsZero() || row.Threat.Sub(f.Now) >= f.Config.TimeToLoss {
			continue
		}
		near = append(near, row.String())
		if nearest.Threat.IsZero() || row.Threat.Before(nearest.Threat) {
			nearest = row
		}
	}
	if len(near) == 0 {
		return
	}
	when := "at any moment"
	if nearest.Threat.After(f.Now) {
		when = "in " + untilLoss(nearest, f.Now)
	}
	p.Findings = append(p.Findings, finding{"bad", "Near to loss: " + nameSome(near),
		fmt.Sprintf("Kafka may delete records that are not archived %s, of %s first.", when, nearest.String()),
		"Raise the topic's retention first, then find out why it is behind: docs/operations.md, Near to loss."})
}

// findLosses says what is gone.
func (p *Page) findLosses(s *Scan) {
	if s.total.lost == 0 {
		return
	}
	p.Findings = append(p.Findings, finding{"warn",
		human.InNumber(fmt.Sprintf("%s offsets are lost", human.Count(s.total.lost))),
		fmt.Sprintf("They are in %s, the last of which was recorded %s, %s. Nothing brings them back from Kafka.",
			human.Some(int64(s.gaps.losses), "gap"), human.Moment(s.gaps.lastLoss), human.Ago(s.gaps.lastLoss, s.now)),
		"If producers or another cluster have them, produce them again."})
}
