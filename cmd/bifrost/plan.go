// The command plan: what the next tick would do.

package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/dryrun"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

func newPlan(a *app.App) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "plan [TOPIC ...]",
		GroupID: groupLook,
		Short:   "Say what the next tick would do, and why",
		Long: `Plan runs a tick of discover over the real tables, bucket and Kafka, and writes
nothing. It lists the ranges that would be planned or started, and for partitions
where nothing would happen, why. Topics may be globs.`,
		Example:           "  bifrost plan\n  BIFROST_MAX_AGE_SECONDS=0 bifrost plan orders",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.CompleteTopics,
		RunE: func(c *cobra.Command, topics []string) error {
			return runPlan(c.Context(), a, topics,
				asJSON)
		},
	}
	app.AddJSON(c, &asJSON)
	return c
}

// planJSON is what plan --json prints.
type planJSON struct {
	Summary bifrost.TickSummary `json:"summary"`
	Steps   []stepJSON          `json:"steps"`
}

// stepJSON is a range that a tick would plan or start, or a partition that it
// would leave alone: then there is no range.
type stepJSON struct {
	Topic string `json:"topic"` // as Name
	bifrost.TopicNames
	Partition   int32  `json:"partition"`
	StartOffset *int64 `json:"start_offset,omitempty"`
	EndOffset   *int64 `json:"end_offset,omitempty"`
	Action      string `json:"action"` // start, plan, wait
	Reason      string `json:"reason"`
}

// The actions of a step.
const (
	actionStart = "start" // a worker begins at once
	actionPlan  = "plan"  // a range that waits for a slot
	actionWait  = "wait"  // nothing happens
)

// includeTopics leaves all topics out but those that are named, for a tick by hand; none stands for all that the
// stack archives. An empty name would do the same.
func includeTopics(a *app.App, topics []string) error {
	if slices.Contains(topics, "") {
		return usage.Errorf("the name of a topic is empty: give it a value, or leave it out for all topics")
	}
	if len(topics) > 0 {
		a.SetVariable("BIFROST_INCLUDE_TOPICS", strings.Join(topics, ","))
	}
	return nil
}

func runPlan(ctx context.Context, a *app.App, topics []string, asJSON bool) error {
	if err := includeTopics(a, topics); err != nil {
		return err
	}
	parts, err := a.OpenParts(ctx, config.Archiver)
	if err != nil {
		return err
	}
	defer parts.Close()
	ledger, store, dispatcher := dryrun.NewLedger(parts.Ledger), dryrun.NewStore(parts.Store), &dryrun.Dispatcher{}
	discover := parts.Discoverer(dispatcher)
	discover.Ledger, discover.Store, discover.Bucket, discover.Journal = ledger, store, store, nil
	discover.Log = slog.New(slog.DiscardHandler) // which would say that ranges are dispatched
	if err := checkKafkaTopics(ctx, parts.Kafka, topics); err != nil {
		return err
	}
	summary, err := discover.Tick(ctx, time.Time{})
	if err != nil {
		return err
	}
	p := planner{
		now: a.Now(), settings: discover.Settings, planned: ledger.Planned(), tasks: ledger.Started(),
		older: summary.Older,
	}
	steps, err := p.planSteps(ctx, ledger, parts.Kafka)
	if err != nil {
		return err
	}
	if asJSON {
		return a.PrintJSON(planJSON{summary, steps})
	}
	for _, made := range ledger.Made() {
		a.Say("%s is new to these tables: its progress row would be made.", made)
	}
	for _, dropped := range ledger.Dropped() {
		a.Say("%s has lost rows: it would be made anew along its objects.", dropped)
	}
	t := &console.Table{Columns: []console.Column{
		{Title: "topic"},
		{Title: "part", Right: true},
		{Title: "start", Right: true},
		{Title: "end", Right: true},
		{Title: "action"},
		{Title: "why", Shrink: true},
	}}
	for _, s := range steps {
		t.AddRow(s.rowCells()...)
	}
	if err := a.PrintTable(t); err != nil {
		return err
	}
	if summary.Topics == 0 {
		a.Say("No topic in Kafka is selected by %s, of those that these credentials may describe: see "+
			"BIFROST_INCLUDE_TOPICS and BIFROST_EXCLUDE_TOPICS.", discover.Settings.Topics)
	}
	functions := len(dispatcher.Tasks())
	a.Say("It would plan %d ranges and start %d in %d functions; %d functions are at work, "+
		"%d ranges wait for a slot; lag %s.",
		summary.Planned, summary.Dispatched, functions, summary.InFlight-functions, summary.Waiting,
		human.Count(summary.Lag))
	tellFailed(a, summary.Failed, summary.Failures)
	return nil
}

// checkKafkaTopics refuses a name or glob that matches no topic in Kafka, and says what there is.
func checkKafkaTopics(ctx context.Context, cluster bifrost.Cluster, globs []string) error {
	if len(globs) == 0 {
		return nil
	}
	_, topics, err := cluster.Topics(ctx)
	if err != nil {
		return err
	}
	return unmatchedInKafka(topics, globs)
}

func unmatchedInKafka(topics []bifrost.Topic, globs []string) error {
	var names []string
	for _, t := range topics {
		names = append(names, t.Name)
	}
	i := readback.FirstUnmatched(names, globs)
	switch {
	case i < 0:
		return nil
	case len(names) == 0:
		return fmt.Errorf("no topic in Kafka matches %s: there is none, or none that these credentials may describe",
			globs[i])
	}
	return fmt.Errorf("no topic in Kafka matches %s; these credentials may describe %s", globs[i],
		readback.SuchAs(names, globs[i]))
}

func (s stepJSON) rowCells() []console.Cell {
	cells := []console.Cell{console.Plain(s.Topic), console.Plain(fmt.Sprint(s.Partition)), {}, {}}
	if s.StartOffset != nil {
		cells[2], cells[3] = console.Plain(fmt.Sprint(*s.StartOffset)), console.Plain(fmt.Sprint(*s.EndOffset))
	}
	return append(cells, console.Styled(s.Action, map[string]console.Style{
		actionStart: console.StyleGood,
		actionPlan:  console.StyleWarn,
	}[s.Action]), console.Plain(s.Reason))
}

// planner explains a rehearsed tick.
type planner struct {
	now      time.Time
	settings bifrost.Settings
	planned  []bifrost.Row
	tasks    []bifrost.Task
	older    bool // than the bucket are the tables
}

// planSteps are the ranges of the tick, then the partitions that it leaves alone.
func (p *planner) planSteps(ctx context.Context, ledger *dryrun.Ledger, cluster bifrost.Cluster) ([]stepJSON, error) {
	steps, busy := []stepJSON{}, map[bifrost.Partition]bool{}
	type start struct {
		bifrost.Partition
		offset int64
	}
	started := map[start]bool{}
	for _, t := range p.tasks {
		started[start{t.Key(), t.StartOffset}] = true
		busy[t.Key()] = true
		steps = append(steps, newStep(t.Key(), t.Range(), actionStart, p.whyRange(t)))
	}
	for _, r := range p.planned {
		busy[r.Partition] = true
		if !started[start{r.Partition, r.Start}] {
			steps = append(steps,
				newStep(r.Partition, r.Range, actionPlan, cmp.Or(gapWords(r.GapReason), "waits for a slot")))
		}
	}
	rows, err := ledger.ListProgress(ctx)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(row bifrost.Progress) bool {
		return busy[row.Partition] || !p.settings.Topics.Archives(row.Topic())
	})
	if err := condition.ObserveLive(ctx, cluster, rows, p.now); err != nil {
		return nil, err
	}
	readback.SortProgress(rows)
	for _, row := range rows {
		steps = append(steps, stepJSON{
			Topic:      row.Name,
			TopicNames: row.TopicNames(),
			Partition:  row.Number,
			Action:     actionWait,
			Reason:     p.whyNot(row),
		})
	}
	return steps, nil
}

func newStep(p bifrost.Partition, r bifrost.Range, action, reason string) stepJSON {
	return stepJSON{
		Topic:       p.Name,
		TopicNames:  p.TopicNames(),
		Partition:   p.Number,
		StartOffset: &r.Start,
		EndOffset:   &r.End,
		Action:      action,
		Reason:      reason,
	}
}

func gapWords(reason string) string {
	if reason == "" {
		return ""
	}
	return "a gap: " + reason
}

// whyRange says why a range is started now.
func (p *planner) whyRange(t bifrost.Task) string {
	for _, r := range p.planned {
		if r.Partition == t.Key() && r.Start == t.StartOffset {
			return cmp.Or(gapWords(r.GapReason), "planned by this tick: enough for an object, or old enough")
		}
	}
	if t.Attempt > 1 {
		return fmt.Sprintf("attempt %d: the one before failed or ran out of time", t.Attempt)
	}
	return "planned earlier, and nobody works on it"
}

// atRest says why nothing is planned where no error does.
var atRest = map[bifrost.Status]string{
	bifrost.StatusFencing: "waits for uploads that S3 may still complete",
	bifrost.StatusClosed:  "the topic is gone, and all of it is archived",
}

// whyNot says why nothing happens in a partition.
func (p *planner) whyNot(row bifrost.Progress) string {
	unread := row.LastStable - row.PlannedOffset
	wait := row.LastPlannedAt.Add(p.settings.SizingOf(row.Topic()).TailAge(row, row.Observation, p.now)).Sub(p.now)
	switch {
	case !row.Status.Workable():
		return fmt.Sprintf("%s: %s", row.Status, cmp.Or(row.Error, atRest[row.Status], "see bifrost status"))
	case row.Trouble.Error != "":
		return "cannot be looked at: " + row.Trouble.Error
	case row.Suspicion != "":
		return "must be seen by two ticks: " + row.Suspicion
	case p.older:
		return "nothing is planned: " + bifrost.ErrTablesOlder.Error()
	case unread > 0 && wait > 0:
		return fmt.Sprintf("%s offsets wait for an object of full size, or %s longer",
			human.Count(unread), human.Span(wait))
	case unread > 0:
		return fmt.Sprintf("%s offsets wait for a slot", human.Count(unread))
	case row.NextOffset < row.PlannedOffset:
		return "all is planned, workers are at it"
	}
	return "all is archived"
}
