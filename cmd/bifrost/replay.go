package main

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/archive"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/replay"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newReplay(a *app) *cobra.Command {
	r := &replayer{app: a}
	c := &cobra.Command{
		Use:     "replay TOPIC[:TARGET] ...",
		GroupID: groupRead,
		Short:   "Write records of the archive back into Kafka, exactly once",
		Long: `Replay writes archived records into topics of the same cluster or of another one:
keys, headers, timestamps and nulls as they were, in order for each partition.
What is archived when it begins is replayed; run it again after it was
interrupted, or killed, and it goes on where it stopped, without duplicates: each
transaction carries the position, on the topic bifrost-replay-state of the target
cluster. The same arguments are the same replay; --id gives it a name of its own.

Before it writes, it looks whether the target would lose records, and refuses.`,
		Example: `  bifrost replay orders:orders-restored --create
  bifrost replay orders --to-brokers other:9092 --since 2026-01-31 --until 2026-02-01
  bifrost replay orders:orders-copy --rekey --throttle 20MB --offset-map map.jsonl
  bifrost replay orders:orders-restored --dry-run`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeTopics,
		Annotations:       map[string]string{unhealthyMeaning: "the target would lose records, so nothing was written"},
		RunE:              func(c *cobra.Command, args []string) error { return r.run(c.Context(), args) },
	}
	flags := c.Flags()
	r.into.addTo(c)
	flags.StringSliceVar(&r.only, "partitions", nil, "only these partitions: 0,3-5")
	r.selection.addBounds(c)
	flags.BoolVar(&r.rekey, "rekey", false, "choose partitions by key, instead of keeping them")
	flags.BoolVar(&r.create, "create", false, "make target topics that do not exist, with as many partitions and no retention")
	flags.BoolVar(&r.force, "force", false, "write even if the target would lose records")
	flags.BoolVar(&r.dryRun, "dry-run", false, "look and say what would be written, but write nothing")
	flags.StringVar(&r.throttle, "throttle", "", "at most so many bytes a second, such as 20MB")
	flags.IntVar(&r.parallel, "parallel", 4, "partitions replayed side by side")
	flags.StringVar(&r.id, "id", "", "name of the replay; the same name goes on with it")
	flags.StringVar(&r.stateTopic, "state-topic", replay.DefaultStateTopic, "topic in the target cluster that keeps positions")
	flags.StringVar(&r.offsetMap, "offset-map", "", "write old and new offsets to this file, as JSON lines")
	addJSON(c, &r.json)
	return c
}

type replayer struct {
	*app
	selection
	into                                targetFlags
	throttle, id, stateTopic, offsetMap string
	only                                []string
	rekey, create, force, dryRun, json  bool
	parallel                            int

	parts   *wiring.Parts
	target  connection
	records int64 // to replay, by the catalogue
	needs   []replay.Need
	batches map[string]replay.Batches // by target topic
	rows    []bifrost.Progress
	lost    []bifrost.Row
}

// run goes through the steps: what, whether it may, and do it.
func (r *replayer) run(ctx context.Context, args []string) error {
	rate, err := r.check()
	if err != nil {
		return err
	}
	if err := r.connect(ctx); err != nil {
		return err
	}
	defer r.parts.Close()
	job, err := r.plan(ctx, args)
	if err != nil {
		return err
	}
	if err := r.mayWrite(ctx, &job); err != nil {
		return err
	}
	if r.dryRun {
		return r.showPlan(job)
	}
	return r.do(ctx, job, rate)
}

func (r *replayer) check() (rate int64, err error) {
	if err := r.selection.parse(r.only, r.now()); err != nil {
		return 0, err
	}
	if r.parallel < 1 {
		return 0, usagef("--parallel %d: want at least 1", r.parallel)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9._-]*$`).MatchString(r.id) {
		return 0, usagef("--id %q: want letters, digits, '.', '_' and '-'", r.id)
	}
	return parseRate(r.throttle)
}

func (r *replayer) connect(ctx context.Context) (err error) {
	role := config.Archiver
	if r.into.Brokers != "" {
		role = config.Reader
	}
	if r.parts, err = r.open(ctx, role); err != nil {
		return err
	}
	r.target, err = r.into.connect(ctx, r.parts, r.settings.lookup)
	return err
}

// plan turns the arguments into a job with absolute bounds.
func (r *replayer) plan(ctx context.Context, args []string) (replay.Job, error) {
	job := replay.Job{Rekey: r.rekey, Since: r.times.Since, Until: r.times.Until}
	if len(args) > 1 && (r.from != 0 || r.to != 0) {
		return job, usagef("--from and --to are offsets of one topic, and %d are given", len(args))
	}
	for _, arg := range args {
		source, target, renamed := strings.Cut(arg, ":")
		if !renamed {
			target = bifrost.Partition{Name: source}.Topic()
		}
		if err := r.planTopic(ctx, &job, source, target); err != nil {
			return job, err
		}
	}
	return job, nil
}

func (r *replayer) planTopic(ctx context.Context, job *replay.Job, source, target string) error {
	rows, err := progress(ctx, r.parts.Ledger, []string{source})
	if err != nil {
		return err
	}
	if rows, err = r.selection.partitions(rows); err != nil {
		return err
	}
	need := replay.Need{Topic: target, Oldest: -1, Newest: -1}
	for _, p := range rows {
		end := p.NextOffset
		if r.to != 0 {
			end = min(end, r.to)
		}
		if end <= r.from {
			continue
		}
		job.Partitions = append(job.Partitions, replay.Partition{Source: p.Name, Number: p.Number, Start: r.from, End: end, Target: target})
		if err := r.measure(ctx, p.Partition, bifrost.Range{Start: r.from, End: end}, &need); err != nil {
			return err
		}
		if !r.rekey {
			need.Partitions = max(need.Partitions, p.Number+1)
		}
	}
	r.rows = append(r.rows, rows...)
	r.needs = append(r.needs, need)
	return nil
}

// measure adds up what the catalogue says of the range.
func (r *replayer) measure(ctx context.Context, p bifrost.Partition, offsets bifrost.Range, need *replay.Need) error {
	var bytes int64
	for row, err := range archive.Rows(ctx, r.parts.Ledger, p, offsets) {
		if err != nil {
			return err
		}
		if row.State == bifrost.StateLost {
			r.lost = append(r.lost, row)
		}
		if row.State != bifrost.StateArchived || !r.times.Overlaps(row) {
			continue
		}
		r.records += min(row.Facts.Records, min(row.End, offsets.End)-max(row.Start, offsets.Start))
		bytes += row.Facts.RawBytes
		if first := row.Facts.FirstTimestamp; first >= 0 {
			if need.Oldest < 0 || first < need.Oldest {
				need.Oldest = first
			}
			need.Newest = max(need.Newest, row.Facts.LastTimestamp)
		}
	}
	need.MostBytes = max(need.MostBytes, bytes)
	return nil
}

// mayWrite looks at the target, and what it takes. It gives the job its ID, which
// names the cluster too.
func (r *replayer) mayWrite(ctx context.Context, job *replay.Job) error {
	clusterID, targets, err := replay.Preflight(ctx, r.target.options, r.needs, r.now())
	if err != nil {
		return r.target.explain(err)
	}
	if job.ID = r.id; r.id == "" {
		job.ID = r.derivedID(clusterID, *job)
	}
	r.batches = map[string]replay.Batches{}
	problems := 0
	for i, t := range targets {
		if t.Exists {
			r.batches[t.Topic] = t.Batches
		}
		if !t.Exists && !r.create && !r.dryRun {
			return fmt.Errorf("the target topic %s does not exist: make it, or give --create", t.Topic)
		}
		if source := r.sourceOf(*job, t.Topic); source.ClusterID == clusterID && source.Topic() == t.Topic {
			t.Problems = append(t.Problems, "it is the topic that is archived, so that its records would be there and in the archive twice: name another, as TOPIC:TARGET")
		}
		problems += len(t.Problems)
		for _, p := range t.Problems {
			r.warn("topic %s: %s", t.Topic, p)
		}
		targets[i] = t
	}
	if problems > 0 && !r.force && !r.dryRun {
		r.say("Nothing was written. --force goes on all the same.")
		return errUnhealthy
	}
	if r.dryRun {
		return nil
	}
	return r.makeTargets(ctx, targets)
}

func (r *replayer) sourceOf(job replay.Job, target string) bifrost.Progress {
	for _, p := range job.Partitions {
		for _, row := range r.rows {
			if p.Target == target && p.Key() == row.Partition && row.Topic() == target {
				return row
			}
		}
	}
	return bifrost.Progress{}
}

func (r *replayer) makeTargets(ctx context.Context, targets []replay.Target) error {
	for _, t := range targets {
		if t.Exists {
			continue
		}
		partitions := max(t.Partitions, int32(len(r.rows)))
		if err := replay.Create(ctx, r.target.options, t.Topic, partitions); err != nil {
			return err
		}
		r.say("Made topic %s with %d partitions and no retention.", t.Topic, partitions)
	}
	return nil
}

// derivedID names a replay by what was asked for, as it was asked: the same
// command line goes on with the same replay.
func (r *replayer) derivedID(clusterID string, job replay.Job) string {
	text := fmt.Sprint(clusterID, r.rekey, r.from, r.to, r.since, r.until)
	for _, p := range job.Partitions {
		text += fmt.Sprint(" ", p.Source, p.Number, p.Target)
	}
	sum := sha256.Sum256([]byte(text))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

// source reads the archive for the replay. Partitions side by side keep the cores
// busy already.
func (r *replayer) source(ctx context.Context, job replay.Job, p replay.Partition, from int64) iter.Seq2[baldr.Record, error] {
	return reader(r.parts, max(1, runtime.GOMAXPROCS(0)/r.parallel)).Records(ctx, archive.Query{
		Partition: p.Key(), Offsets: bifrost.Range{Start: from, End: p.End}, Times: archive.Times{Since: job.Since, Until: job.Until},
	})
}

// do replays, and shows how far it is.
func (r *replayer) do(ctx context.Context, job replay.Job, rate int64) error {
	for _, row := range r.lost {
		r.warn("%s: offsets %s are a recorded gap: %s", row.Partition, row.Range, row.GapReason)
	}
	begun := r.now()
	var shown meter
	state, err := replay.Start(ctx, job, r.source, replay.Options{
		Client: r.target.options, StateTopic: r.stateTopic, Parallel: r.parallel, Batches: r.batches, Throttle: rate,
		Begun: func(s replay.State) {
			done, _ := s.Totals()
			if done > 0 {
				r.say("Replay %s goes on: %s records are there already.", s.Job.ID, count(done))
			} else {
				r.say("Replay %s begins.", s.Job.ID)
			}
			shown = r.newMeter("replay", r.records, done)
		},
		Committed: func(s replay.Stretch) { shown.add(s.Records, s.Bytes) },
	})
	if shown != nil {
		shown.end()
	}
	if err != nil {
		return errors.Join(err, errors.New("run the same command again to go on"))
	}
	if r.offsetMap != "" {
		if err := writeOffsetMap(r.offsetMap, state); err != nil {
			return err
		}
	}
	return r.show(state, r.now().Sub(begun))
}

// parseRate reads bytes a second: 500kB, 20MB, 1GB, or a plain number.
func parseRate(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	var n float64
	var unit string
	if _, err := fmt.Sscanf(strings.TrimSuffix(text, "/s")+" ", "%f%s", &n, &unit); err != nil && unit == "" && n == 0 {
		return 0, usagef("--throttle %q: want bytes a second, such as 500kB or 20MB", text)
	}
	factor, ok := map[string]float64{"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9}[strings.ToLower(unit)]
	if !ok || n*factor < 1 {
		return 0, usagef("--throttle %q: want bytes a second, such as 500kB or 20MB", text)
	}
	return int64(n * factor), nil
}
