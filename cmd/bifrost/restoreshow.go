package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/restore"
)

// show prints a report, and says by the exit code whether everything stands.
func (r *restorer) show(report *restore.Report) error {
	var err error
	if r.json {
		err = r.printJSON(report)
	} else {
		err = r.showText(report)
	}
	if err == nil && !report.Stands() {
		return errUnhealthy
	}
	return err
}

func (r *restorer) showText(report *restore.Report) error {
	switch {
	case report.Plan:
		r.say("%d topics with %s records, %s: about %s at 100 MB/s. Nothing was written.", len(report.Topics),
			count(report.Records), size(report.Bytes), span(time.Duration(report.Seconds*float64(time.Second))))
	case r.finish:
		r.say("Settings are put back.")
	default:
		r.say("%s records are there, %s; this run took %s.", count(report.Records), size(report.Bytes),
			span(time.Duration(report.Seconds*float64(time.Second))))
	}
	for _, a := range report.ACLs {
		r.say("ACL: %s%s", a.ACL, suffix(a.Reason))
	}
	if err := r.print(restoredTopics(report)); err != nil {
		return err
	}
	if len(report.Groups) > 0 {
		fmt.Fprintln(r.out)
		if err := r.print(restoredGroups(report)); err != nil {
			return err
		}
	}
	for _, text := range report.NotRestored {
		r.say("No restore puts back: %s.", text)
	}
	for _, d := range report.Differences {
		r.warn("%s %s: %s", d.Kind, d.Name, d.Reason)
	}
	if n := report.QuietTails; n > 0 {
		r.say("%d of these are tails of quiet partitions, which had waited for their objects: they were in Kafka alone.", n)
	}
	r.tellLifted(report)
	if report.Stands() && !report.Plan {
		r.say("All that was asked for stands where it stood.")
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
			r.say("Topic %s: once its settings are put back, %s.", t.Topic, t.FinishDoes)
		}
	}
	if lifted > 0 {
		r.say("Retention, compaction and what else would change old records are lifted on %d topics: "+
			"restore --finish puts them back, once applications are through with what is old.", lifted)
	}
}

func restoredTopics(report *restore.Report) *table {
	t := &table{columns: []column{
		{title: "topic", shrink: true}, {title: "parts", right: true}, {title: "replicas", right: true, spare: 2},
		{title: "records", right: true}, {title: "size", right: true}, {title: "missing offsets", right: true}, {title: "lifted", spare: 1},
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
		t.add(plain(topic.Topic), number(topic.Partitions), number(topic.Replicas), plain(count(topic.Records)),
			plain(size(topic.Bytes)), plain(count(missing)), plain(strings.Join(lifted, " ")))
	}
	return t
}

func restoredGroups(report *restore.Report) *table {
	t := &table{columns: []column{
		{title: "group", shrink: true}, {title: "was", spare: 1}, {title: "positions", right: true},
		{title: "stand", right: true}, {title: "reason", shrink: true},
	}}
	for _, g := range report.Groups {
		stand := 0
		for _, p := range g.Positions {
			if p.Stands {
				stand++
			}
		}
		standing := number(stand)
		if report.Plan {
			standing = plain("")
		}
		t.add(plain(g.Group), plain(g.State), number(len(g.Positions)), standing, plain(g.Reason))
	}
	return t
}
