// What restore prints, for people or as JSON.

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/restore"
)

// show prints a report, and says by the exit code whether everything stands.
func (r *restorer) show(report *restore.Report) error {
	var err error
	if r.json {
		err = r.PrintJSON(report)
	} else {
		err = r.showText(report)
	}
	if err == nil && !report.Stands() {
		return app.Unhealthyf("%d things are not as captured", len(report.Differences))
	}
	return err
}

func (r *restorer) showText(report *restore.Report) error {
	switch {
	case report.Plan && r.finish:
		return r.showFinish(report)
	case report.Plan:
		r.Say("%s with %s, %s raw: %s. Nothing was written.", human.Some(int64(len(report.Topics)), "topic"),
			human.Some(report.Records, "record"), human.Size(report.Bytes), leftToWrite(report))
		tellCodecs(r.App, report)
	case r.finish:
		r.Say("Settings are put back.")
	default:
		r.Say("%s records are there, %s of keys and values; this run took %s.", human.Count(report.Records),
			human.Size(report.Bytes), human.Seconds(report.Seconds))
	}
	for _, a := range report.ACLs {
		r.Say("ACL: %s%s", a.ACL, suffix(a.Reason))
	}
	if err := r.PrintTable(restoredTopics(report)); err != nil {
		return err
	}
	if len(report.Groups) > 0 {
		fmt.Fprintln(r.Out)
		if err := r.PrintTable(restoredGroups(report)); err != nil {
			return err
		}
	}
	for _, text := range report.NotRestored {
		r.Say("No restore puts back: %s.", text)
	}
	for _, d := range report.Differences {
		r.Differ("%s %s: %s", d.Kind, d.Name, d.Reason)
	}
	if n := report.QuietTails; n > 0 {
		r.Say("%d of these are tails of quiet partitions, which had waited for their objects: "+
			"they were in Kafka alone.", n)
	}
	r.tellLifted(report)
	if report.Stands() && !report.Plan {
		r.Say("All that was asked for is as it was captured.")
	}
	return nil
}

// leftToWrite says what a restore would still have to do.
func leftToWrite(plan *restore.Report) string {
	took := human.Seconds(plan.Seconds) + " at 100 MB/s"
	switch {
	case plan.LeftRecords == 0 && plan.Records > 0:
		return "all are there already"
	case plan.LeftBytes < plan.Bytes:
		return fmt.Sprintf("about %s, %s, are not there yet: about %s", human.Some(plan.LeftRecords, "record"),
			human.Size(plan.LeftBytes), took)
	}
	return "about " + took
}

// tellCodecs says how the batches of a plan would be compressed.
func tellCodecs(a *app.App, plan *restore.Report) {
	topics := map[string]int64{}
	for _, t := range plan.Topics {
		if t.Compression != "" {
			topics[t.Compression]++
		}
	}
	for _, codec := range slices.Sorted(maps.Keys(topics)) {
		a.Say("Records of %s would be compressed with %s (--compression).", human.Some(topics[codec], "topic"), codec)
	}
}

// showFinish shows what --finish would put back.
func (r *restorer) showFinish(report *restore.Report) error {
	t := &console.Table{Columns: []console.Column{
		{Title: "topic", Shrink: true}, {Title: "setting"}, {Title: "now"}, {Title: "then"},
	}}
	valueOf := func(value *string) string {
		if value == nil {
			return "as the brokers have it"
		}
		return *value
	}
	settings, topics := 0, 0
	for _, topic := range report.Topics {
		for _, s := range topic.Lifted {
			t.AddRow(console.Plain(topic.Topic), console.Plain(s.Name), console.Plain(valueOf(s.Target)),
				console.Plain(valueOf(s.Captured)))
		}
		if settings += len(topic.Lifted); len(topic.Lifted) > 0 {
			topics++
		}
	}
	r.Say("%s of %s would be put back. Nothing was written.", human.Some(int64(settings), "setting"),
		human.Some(int64(topics), "topic"))
	if settings > 0 {
		if err := r.PrintTable(t); err != nil {
			return err
		}
	}
	for _, topic := range report.Topics {
		if topic.FinishDoes != "" {
			r.Say("Topic %s: once its settings are put back, %s.", topic.Topic, topic.FinishDoes)
		}
	}
	for _, d := range report.Differences {
		r.Differ("%s %s: %s", d.Kind, d.Name, d.Reason)
	}
	return nil
}

func suffix(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// tellLifted says that the restore is not the end, and what the end does.
func (r *restorer) tellLifted(report *restore.Report) {
	lifted := 0
	for _, t := range report.Topics {
		if len(t.Lifted) > 0 {
			lifted++
		}
		if t.FinishDoes != "" {
			r.Say("Topic %s: once its settings are put back, %s.", t.Topic, t.FinishDoes)
		}
	}
	if lifted > 0 {
		r.Say("Retention, compaction and what else would change old records are lifted on %d topics: "+
			"restore --finish puts them back, once applications are through with what is old.", lifted)
	}
}

func restoredTopics(report *restore.Report) *console.Table {
	size := "keys, values" // which is what a replay counts
	if report.Plan {
		size = "raw" // which is what the archive counts
	}
	t := &console.Table{Columns: []console.Column{
		{Title: "topic", Shrink: true},
		{Title: "parts", Right: true},
		{Title: "replicas", Right: true, Spare: 2},
		{Title: "records", Right: true},
		{Title: size, Right: true},
		{Title: "not restored", Right: true}, // offsets; missing ones had no record in Kafka either
		{Title: "lifted", Spare: 1},
	}}
	for _, topic := range report.Topics {
		var missing int64
		for _, p := range topic.Ranges {
			for _, gap := range p.Missing {
				missing += gap.End - gap.Start
			}
		}
		var lifted []string
		for _, s := range topic.Lifted {
			lifted = append(lifted, s.Name)
		}
		t.AddRow(console.Plain(topic.Topic), console.Number(topic.Partitions), console.Number(topic.Replicas),
			console.Plain(human.Count(topic.Records)), console.Plain(human.Size(topic.Bytes)),
			console.Plain(human.Count(missing)), console.Plain(strings.Join(lifted, " ")))
	}
	return t
}

func restoredGroups(report *restore.Report) *console.Table {
	t := &console.Table{Columns: []console.Column{
		{Title: "group", Shrink: true}, {Title: "was", Spare: 1}, {Title: "positions", Right: true},
		{Title: "stand", Right: true}, {Title: "reason", Shrink: true},
	}}
	for _, g := range report.Groups {
		stand := 0
		for _, p := range g.Positions {
			if p.Stands {
				stand++
			}
		}
		standing := console.Number(stand)
		if report.Plan {
			standing = console.Plain("")
		}
		t.AddRow(console.Plain(g.Group), console.Plain(g.State), console.Number(len(g.Positions)), standing,
			console.Plain(g.Reason))
	}
	return t
}
