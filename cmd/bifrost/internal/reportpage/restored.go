// The section of the page that tells of a restore.

package reportpage

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/restore"
)

// Restored is the section of the page that tells of a restore, as text.
type Restored struct {
	Summary, Verdict, Class string
	Size                    string // what the sizes are of
	Lifted                  string // what the numbers of settings are of
	Topics, Differences     [][]pageCell
	Groups                  [][]pageCell // a line for each position
	MoreGroups              string       // positions that are not listed; empty for none
	NotRestored             []string
}

// pageCell is a cell of a table.
type pageCell struct{ Text, Class string }

// ReadRestored reads what restore --json printed.
func ReadRestored(file string) (*Restored, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--restore: %w", err)
	}
	var r restore.Report
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&r); err != nil || r.Capture == "" {
		return nil, usage.Errorf("--restore %s: that is not what bifrost restore --json prints", file)
	}
	return newRestoredPage(r), nil
}

func newRestoredPage(r restore.Report) *Restored {
	done, size, lifted := "restored into", "keys and values", "Settings lifted"
	switch {
	case r.Finish && r.Plan:
		done, lifted = "whose topics' settings would be put back in", "Settings to put back"
	case r.Finish:
		done, lifted = "whose topics' settings were put back in", "Settings still lifted"
	case r.Plan:
		done, size = "planned for", "raw"
	}
	p := &Restored{
		Summary: fmt.Sprintf("Cluster %s as it was at %s, %s cluster %s: %s records, %s (%s).",
			r.Cluster, r.At, done, r.Target, human.Count(r.Records), human.Size(r.Bytes), size),
		Size:    strings.ToUpper(size[:1]) + size[1:],
		Lifted:  lifted,
		Verdict: "All that was asked for is as it was captured.", Class: "good", NotRestored: r.NotRestored,
	}
	if r.Plan {
		p.Verdict, p.Class = "Nothing was written.", ""
	}
	if n := len(r.Differences); n > 0 {
		p.Verdict, p.Class = human.InNumber(fmt.Sprintf("%s things are not as captured.", human.Count(int64(n)))), "bad"
	}
	for _, t := range r.Topics {
		p.Topics = append(p.Topics, []pageCell{
			{t.Topic, ""},
			{human.Count(int64(t.Partitions)), "r"},
			{human.Count(t.Records), "r"},
			{human.Size(t.Bytes), "r"},
			{human.Count(int64(len(t.Lifted))), "r " + warnIf(len(t.Lifted) > 0)},
			{t.FinishDoes, ""},
		})
	}
	for _, d := range r.Differences {
		p.Differences = append(p.Differences, []pageCell{{d.Kind, ""}, {d.Name, ""}, {d.Reason, "bad"}})
	}
	p.listGroups(r.Groups)
	return p
}

// mostPositions is how many positions of groups the page lists.
const mostPositions = 1000

// listGroups lists the positions, those with something against them first. A group of which
// none is known has a line, too.
func (p *Restored) listGroups(groups []restore.GroupReport) {
	var against, standing [][]pageCell
	add := func(g restore.GroupReport, partition, stood, image, committed, reason string) {
		line := []pageCell{{g.Group, ""}, {g.State, ""}, {partition, ""}, {stood, "r"}, {image, "r"}, {committed, "r"}}
		if reason == "" {
			standing = append(standing, append(line, pageCell{"nothing", ""}))
			return
		}
		against = append(against, append(line, pageCell{reason, "w bad"}))
	}
	for _, g := range groups {
		if len(g.Positions) == 0 {
			add(g, "–", "–", "–", "–", g.Reason)
		}
		for _, at := range g.Positions {
			image, committed := "–", "–"
			if at.Target >= 0 {
				image = human.Count(at.Target)
			}
			if at.Committed != nil {
				committed = human.Count(*at.Committed)
			}
			add(g, fmt.Sprintf("%s/%d", at.Topic, at.Partition), human.Count(at.Source), image, committed,
				cmp.Or(at.Reason, g.Reason))
		}
	}
	all := append(against, standing...)
	p.Groups = all[:min(len(all), mostPositions)]
	if more := len(all) - len(p.Groups); more > 0 {
		p.MoreGroups = human.Some(int64(more), "more position")
	}
}
