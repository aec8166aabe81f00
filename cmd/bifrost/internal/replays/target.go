// What replay asks of its target topics before it writes.

package replays

import (
	"context"
	"fmt"
	"strings"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/replay"
	"github.com/bifrost-archive/bifrost/internal/target"
)

// mayWrite looks at the target: what it takes, what it has, and what is left to do.
func (r *replayer) mayWrite(ctx context.Context, request replay.Request) (*replay.Outlook, error) {
	if err := r.lookInto(ctx); err != nil {
		return nil, err
	}
	reasons := r.look.Refused(r.force)
	for _, reason := range reasons {
		r.Refuse("%s", reason)
	}
	if n := len(r.look.Refused(true)); n > 0 {
		return nil, app.Unhealthyf("nothing was written: %d things have to be settled first", n)
	}
	outlook, err := replay.Look(ctx, request, r.readSource, r.replayOptions())
	if err != nil {
		return nil, r.explainRefusal(err)
	}
	r.warnOf(outlook)
	answers := answersTo(reasons, outlook.Objections())
	if len(answers) == 0 {
		return outlook, nil
	}
	return nil, app.Unhealthyf("nothing was written: %s goes on all the same", strings.Join(answers, " and "))
}

// lookInto looks at the target topics, made or to be made, and says what is worth knowing.
func (r *replayer) lookInto(ctx context.Context) (err error) {
	r.look, err = target.LookInto(ctx, r.cluster.Options, target.Request{
		Needs:      r.planned.Needs,
		Create:     r.create,
		Codec:      r.codec,
		StateTopic: bifrost.ReplayStateTopic,
		Probe:      !r.dryRun,
		Now:        r.Now(),
	})
	if err != nil {
		return r.cluster.Explain(err)
	}
	if err := r.look.Measure(ctx); err != nil {
		return err
	}
	if err := r.tellArchivedAgain(ctx); err != nil {
		return err
	}
	for i := range r.look.Topics {
		t := &r.look.Topics[i]
		switch reason, never := r.planned.IntoItself(r.look.ClusterID, t.Topic, t.ID); {
		case never:
			t.Obstacles = append(t.Obstacles, reason)
		case reason != "":
			t.Problems = append(t.Problems, reason)
		}
		for _, note := range t.Notes {
			r.Say("Topic %s: %s.", t.Topic, note)
		}
		if r.force {
			for _, problem := range t.Problems {
				r.Warn("topic %s: %s", t.Topic, problem)
			}
		}
		if r.dryRun && !t.Exists && len(t.Obstacles) == 0 {
			r.Say("Topic %s would be made, with %d partitions and no retention.", t.Topic, t.Partitions)
		}
	}
	return nil
}

// makeTargets makes the topics that do not exist, all of them or none.
func (r *replayer) makeTargets(ctx context.Context) (err error) {
	if r.made, err = r.look.Make(ctx); err != nil {
		return fmt.Errorf("%w; %w", err, replay.ErrRefused)
	}
	for _, t := range r.look.Topics {
		if !t.Exists {
			r.Say("Made topic %s with %d partitions and no retention.", t.Topic, t.Partitions)
		}
	}
	return nil
}

// takeBack deletes topics again that this run has made and written nothing into.
func (r *replayer) takeBack(ctx context.Context) {
	if r.made == nil || ctx.Err() != nil {
		return // or the person stopped it, and may go on
	}
	removed, left, err := r.made.TakeBack(ctx)
	for _, name := range removed {
		r.Say("Deleted topic %s again, which was made a moment ago and is empty.", name)
	}
	for _, name := range left {
		r.Say("Topic %s was made, and is left.", name)
	}
	if err != nil {
		r.Warn("%v", err)
	}
}

// tellArchivedAgain says which targets are archived by the very archive that is
// replayed, because they are in its cluster and the ticks select them.
func (r *replayer) tellArchivedAgain(ctx context.Context) error {
	ticks, err := r.parts.Ledger.Ticks(ctx)
	if err != nil {
		return err
	}
	for _, t := range r.look.Topics {
		if archivedAgain(r.planned.Rows, ticks, r.parts.Config.Topics, r.look.ClusterID, t.Topic) {
			r.Warn("topic %s is in the cluster that is archived, so what is written there is archived again; "+
				"exclude it (ExcludeTopics) if you do not want that", t.Topic)
		}
	}
	return nil
}

// archivedAgain asks the record of the ticks which topics they select, and only
// without one the settings of this process, which may be others than the stack's.
func archivedAgain(
	rows []bifrost.Progress, ticks []bifrost.TickRecord, settings bifrost.TopicFilter, clusterID, target string,
) bool {
	same := false
	for _, p := range rows {
		same = same || p.ClusterID == clusterID
	}
	for _, tick := range ticks {
		if tick.ClusterID == clusterID && !tick.CompleteAt.IsZero() {
			settings = tick.Filter
		}
	}
	return same && settings.Archives(target)
}
