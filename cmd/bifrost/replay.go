package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

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
transaction carries the position, on the topic ` + bifrost.ReplayStateTopic + ` of the
target cluster. A record is written once into a topic whatever the command lines
were; --again writes it once more.

Before it writes, it looks what the target has of it, whether an order would be
broken, and whether records would be lost, and refuses.`,
		Example: `  bifrost replay orders:orders-restored --create
  bifrost replay orders --to-brokers other:9092 --since 2026-01-31 --until 2026-02-01
  bifrost replay orders:orders-copy --rekey --throttle 20MB --offset-map map.jsonl
  bifrost replay orders:orders-restored --dry-run`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeTopics,
		Annotations:       map[string]string{unhealthyMeaning: "the target would lose records, or get them in another order, so nothing was written"},
		RunE:              func(c *cobra.Command, args []string) error { return r.run(c.Context(), args) },
	}
	flags := c.Flags()
	r.into.addTo(c)
	flags.StringSliceVar(&r.only, "partitions", nil, "only these partitions: 0,3-5")
	r.selection.addBounds(c)
	flags.BoolVar(&r.rekey, "rekey", false, "choose partitions by key, instead of keeping them")
	flags.BoolVar(&r.create, "create", false, "make target topics that do not exist, with as many partitions and no retention")
	flags.BoolVar(&r.force, "force", false, "write even if the target would lose records, or get them in another order")
	flags.BoolVar(&r.again, "again", false, "write what was written before once more, behind what is there; if it is interrupted, go on without this flag")
	flags.BoolVar(&r.dryRun, "dry-run", false, "look and say what would be written, but write nothing")
	flags.StringVar(&r.throttle, "throttle", "", "at most so many bytes a second, such as 20MB")
	flags.IntVar(&r.parallel, "parallel", 4, "partitions replayed side by side")
	flags.StringVar(&r.id, "id", "", "a name for messages and --json; nothing else depends on it")
	flags.StringVar(&r.offsetMap, "offset-map", "", "write old and new offsets to this file, as JSON lines")
	addJSON(c, &r.json)
	return c
}

type replayer struct {
	*app
	selection
	into                                      targetFlags
	throttle, id, offsetMap                   string
	only                                      []string
	rekey, create, force, again, dryRun, json bool
	parallel                                  int

	parts   *wiring.Parts
	target  connection
	needs   []replay.Need
	targets []replay.Target
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
	request, err := r.plan(ctx, args)
	if err != nil {
		return err
	}
	outlook, err := r.mayWrite(ctx, request)
	if err != nil {
		return err
	}
	if r.dryRun {
		return r.showPlan(ctx, outlook)
	}
	return r.do(ctx, request, outlook, rate)
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

// plan turns the arguments into a request. Bounds that move, such as --since 1h, are
// fixed here, and what is archived now is where partitions end.
func (r *replayer) plan(ctx context.Context, args []string) (replay.Request, error) {
	request := replay.Request{Rekey: r.rekey, Again: r.again, Force: r.force}
	args = slices.Clone(args)
	slices.Sort(args)
	args = slices.Compact(args)
	if len(args) > 1 && (r.from != 0 || r.to != 0) {
		return request, usagef("--from and --to are offsets of one topic, and %d are given", len(args))
	}
	all, err := r.parts.Ledger.ListProgress(ctx)
	if err != nil {
		return request, err
	}
	for _, arg := range args {
		source, target, renamed := strings.Cut(arg, ":")
		if !renamed {
			target = bifrost.Partition{Name: source}.Topic()
		}
		if err := r.planTopic(ctx, &request, all, source, target); err != nil {
			return request, err
		}
	}
	return request, nil
}

func (r *replayer) planTopic(ctx context.Context, request *replay.Request, all []bifrost.Progress, source, target string) error {
	rows, err := archive.Topic(all, source)
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
		request.Parts = append(request.Parts, replay.NewPart(p, target, spanOf(bifrost.Range{Start: r.from, End: end}, r.times), all))
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

// mayWrite looks at the target: what it takes, what it has, and what is left to do.
func (r *replayer) mayWrite(ctx context.Context, request replay.Request) (*replay.Outlook, error) {
	clusterID, targets, err := replay.Preflight(ctx, r.target.options, r.needs, r.now())
	if err != nil {
		return nil, r.target.explain(err)
	}
	r.batches = map[string]replay.Batches{}
	problems, missing := 0, 0
	for i, t := range targets {
		if t.Exists {
			r.batches[t.Topic] = t.Batches
		}
		if !t.Exists && !r.create {
			missing++
			r.warn("topic %s does not exist: make it, or give --create", t.Topic)
		}
		if source := r.sourceOf(request, t.Topic); source.ClusterID == clusterID && source.Topic() == t.Topic {
			t.Problems = append(t.Problems, "it is the topic that is archived, so that its records would be there and in the archive twice: name another, as TOPIC:TARGET")
		}
		problems += len(t.Problems)
		for _, p := range t.Problems {
			r.warn("topic %s: %s", t.Topic, p)
		}
		targets[i] = t
	}
	r.targets = targets
	outlook, err := replay.Look(ctx, request, r.source, r.options())
	if err != nil {
		return nil, r.refused(err)
	}
	r.warnOf(outlook)
	objections := outlook.Objections()
	answers := answersTo(objections)
	if problems > 0 && !r.force {
		answers = append(answers, string(replay.AnswerForce))
	}
	if missing == 0 && len(answers) == 0 {
		return outlook, nil
	}
	if missing == 0 {
		slices.Sort(answers)
		r.say("Nothing was written. %s goes on all the same.", strings.Join(slices.Compact(answers), " and "))
	} else {
		r.say("Nothing was written.")
	}
	return nil, errUnhealthy
}

func (r *replayer) sourceOf(request replay.Request, target string) bifrost.Progress {
	for _, p := range request.Parts {
		for _, row := range r.rows {
			if p.Target == target && p.Source == row.Partition && row.Topic() == target {
				return row
			}
		}
	}
	return bifrost.Progress{}
}

func (r *replayer) makeTargets(ctx context.Context) error {
	for _, t := range r.targets {
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

func (r *replayer) options() replay.Options {
	return replay.Options{Client: r.target.options, Parallel: r.parallel, Batches: r.batches, MakeTargets: r.makeTargets}
}

// do replays, and shows how far it is.
func (r *replayer) do(ctx context.Context, request replay.Request, outlook *replay.Outlook, rate int64) error {
	for _, row := range r.lost {
		r.warn("%s: offsets %s are a recorded gap: %s", row.Partition, row.Range, row.GapReason)
	}
	left, err := r.count(ctx, outlook, false)
	if err != nil {
		return err
	}
	begun := r.now()
	var shown meter
	var written replayed
	options := r.options()
	options.Throttle = rate
	options.Begun = func(o *replay.Outlook) {
		done, _ := o.Written()
		r.sayWhereItStands(o)
		shown = r.newMeter("replay", done+left.total(), done)
	}
	options.Committed = func(records, bytes int64) {
		written.records += records
		written.bytes += bytes
		shown.add(records, bytes)
	}
	outlook, err = replay.Start(ctx, request, r.source, options)
	if shown != nil {
		shown.end()
	}
	switch {
	case errors.Is(err, replay.ErrRefused):
		return r.refused(err)
	case errors.Is(err, replay.ErrShutOut):
		return err
	case err != nil:
		return errors.Join(err, errors.New("run the same command again to go on"+r.withoutAgain()))
	}
	if r.offsetMap != "" {
		if err := r.writeOffsetMap(ctx, outlook); err != nil {
			return err
		}
	}
	return r.show(outlook, written, r.now().Sub(begun))
}

// withoutAgain says how a second writing is gone on with: --again would begin another.
func (r *replayer) withoutAgain() string {
	if !r.again {
		return ""
	}
	return ", without --again once it has written something"
}

// refused makes a refusal an end with exit code 3.
func (r *replayer) refused(err error) error {
	if errors.Is(err, replay.ErrRefused) {
		r.warn("%v", err)
		return errUnhealthy
	}
	return err
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
