// The same as JSON, for programs.

package reportpage

import (
	"maps"
	"slices"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// JSON is what report --json prints. docs/cli.md documents it.
type JSON struct {
	Group         string             `json:"group"`
	Bucket        string             `json:"bucket"`
	At            *string            `json:"at"`
	From          *string            `json:"from"` // of the time that is shown
	To            *string            `json:"to"`
	Verdict       finding            `json:"verdict"`
	Findings      []finding          `json:"findings"`
	Topics        []topicJSON        `json:"topics"`
	Gaps          []gapJSON          `json:"gaps"` // losses first, then the newest
	MoreGaps      int                `json:"more_gaps"`
	Verifications []verificationJSON `json:"verifications"`
	Captures      []clusterJSON      `json:"captures"`
	Dollars       dollarsJSON        `json:"dollars_a_month"`
}

// topicJSON is one life of a topic. Offsets are in one of archived, lost, apart (a gap that is no
// loss) and removed (taken out on purpose), or wait.
type topicJSON struct {
	bifrost.TopicNames
	Partitions  int      `json:"partitions"`
	Status      string   `json:"status"`
	Error       string   `json:"error"`
	Archived    int64    `json:"archived_offsets"`
	Lost        int64    `json:"lost_offsets"`
	Apart       int64    `json:"apart_offsets"`
	Removed     int64    `json:"removed_offsets"`
	Lag         *int64   `json:"lag"`
	LossAt      *string  `json:"loss_at"`
	Records     int64    `json:"records"`
	RawBytes    int64    `json:"raw_bytes"`
	StoredBytes int64    `json:"stored_bytes"`
	Growth      *float64 `json:"stored_bytes_a_day"` // null before there are records of a day
}

type gapJSON struct {
	bifrost.TopicNames
	Partition int32   `json:"partition"`
	Start     int64   `json:"start_offset"`
	End       int64   `json:"end_offset"`
	Reason    string  `json:"reason"`
	Lost      bool    `json:"lost"`
	At        *string `json:"recorded_at"`
}

type verificationJSON struct {
	At         *string  `json:"at"`
	Topics     []string `json:"topics"` // none for all
	Deep       bool     `json:"deep"`
	Kafka      bool     `json:"kafka"`
	Complete   bool     `json:"complete"`
	Violations int64    `json:"violations"`
}

type clusterJSON struct {
	ClusterID string  `json:"cluster_id"`
	FirstAt   *string `json:"first_at"`
	LastAt    *string `json:"last_at"`
	Captures  int     `json:"captures"`
}

type dollarsJSON struct {
	Storage    float64 `json:"storage"`
	Archiving  float64 `json:"archiving"`
	Ticks      float64 `json:"ticks"`
	Monitoring float64 `json:"monitoring"`
}

// JSON is what the page tells, with numbers. The page is of the same facts.
func (p *Page) JSON(f Facts) JSON {
	s := f.Scan
	j := JSON{
		Group:         f.Config.Group,
		Bucket:        f.Config.Bucket,
		At:            human.Timestamp(f.Now),
		From:          human.Timestamp(s.from),
		To:            human.Timestamp(s.to),
		Verdict:       p.Verdict,
		Findings:      append([]finding{}, p.Findings...),
		Topics:        []topicJSON{},
		Gaps:          []gapJSON{},
		Verifications: []verificationJSON{},
		Captures:      []clusterJSON{},
		Dollars:       p.bill,
	}
	for _, g := range groupsOf(f) {
		t := topicJSON{
			TopicNames: g.sum.TopicNames(), Partitions: len(g.rows), Status: string(g.sum.Status),
			Error:    condition.ErrorCell(g.sum).Text,
			Archived: g.tally.archived, Lost: g.tally.lost, Apart: g.tally.apart, Removed: g.tally.removed,
			Lag: g.sum.IfKnown(g.sum.Lag()), LossAt: human.Timestamp(condition.NotPast(g.sum.Threat, f.Now)),
			Records: g.sum.Records, RawBytes: g.sum.RawBytes, StoredBytes: g.sum.StoredBytes,
		}
		if bytes, known := s.aDay(g.tally.growth); known {
			t.Growth = &bytes
		}
		j.Topics = append(j.Topics, t)
	}
	for _, g := range newestGaps(slices.Clone(s.gaps.kept), mostGaps) {
		j.Gaps = append(j.Gaps, gapJSON{g.TopicNames(), g.Number, g.Start, g.End, g.reason,
			kindOf(g.reason) == bifrost.GapLost, human.Timestamp(g.at)})
	}
	j.MoreGaps = s.gaps.count - len(j.Gaps)
	for _, r := range f.Checks.shown() {
		j.Verifications = append(j.Verifications, verificationJSON{human.Timestamp(r.At),
			append([]string{}, r.Topics...), r.Deep, r.Kafka, r.Complete, r.Summary.Violations})
	}
	for _, id := range slices.Sorted(maps.Keys(f.Checks.Captures)) {
		all := f.Checks.Captures[id]
		j.Captures = append(j.Captures, clusterJSON{id, human.Timestamp(all[0].At),
			human.Timestamp(all[len(all)-1].At), len(all)})
	}
	return j
}
