// Package replays is the command replay, which writes archived records back into Kafka: its
// flags, what it prints, what it asks before it writes. What a replay is, is in
// internal/replay.
package replays

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/jobs"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
	"github.com/bifrost-archive/bifrost/internal/replay"
	"github.com/bifrost-archive/bifrost/internal/replayplan"
	"github.com/bifrost-archive/bifrost/internal/target"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// New returns the command, for a group of the help.
func New(a *app.App, group string) *cobra.Command {
	r := &replayer{App: a}
	c := &cobra.Command{
		Use:     "replay TOPIC[:TARGET] ... | replay --all",
		GroupID: group,
		Short:   "Write records of the archive back into Kafka, exactly once",
		Long: `Replay writes archived records into topics of the same cluster or of another one:
keys, headers, timestamps and nulls as they were, in order for each partition.
What is archived when it begins is replayed; run it again after it was
interrupted, or killed, and it goes on where it stopped, without duplicates: each
transaction carries the position, on the topic ` + bifrost.ReplayStateTopic + ` of the
target cluster. A record is written once into a topic whatever the command lines
were; --again writes it once more.

TOPIC may be a glob, which stands for every topic of the archive that it matches,
each into the topic of its own name; --all is every topic.

Before it writes, it looks what the target has of it, whether an order would be
broken, and whether records would be lost, and refuses.`,
		Example: `  bifrost replay orders:orders-restored --create
  bifrost replay orders --to-brokers other:9092 --since 2026-01-31 --until 2026-02-01
  bifrost replay orders:orders-copy --rekey --throttle 20MB --offset-map map.jsonl
  bifrost replay orders:orders-restored --dry-run`,
		Args: func(c *cobra.Command, args []string) error {
			if r.all && len(args) > 0 {
				return errors.New("--all is every topic: name none beside it")
			}
			if r.all {
				return nil
			}
			if err := replayplan.CheckArguments(args...); err != nil {
				return err
			}
			return cobra.MinimumNArgs(1)(c, args)
		},
		ValidArgsFunction: a.CompleteTopics,
		Annotations: map[string]string{
			app.UnhealthyMeaning: "the target would lose records, or get them in another order, or the row of " +
				"a partition is gone, so nothing was written",
		},
		RunE: func(c *cobra.Command, args []string) error {
			if r.all {
				args = []string{"*"}
			}
			if r.asJob {
				return r.startAsJob(c, args)
			}
			return r.run(c.Context(), args)
		},
	}
	flags := c.Flags()
	r.into.AddTo(c)
	flags.StringSliceVar(&r.only, "partitions", nil, "only these `PARTITIONS`, such as 0,3-5")
	r.Selection.AddBounds(c)
	flags.BoolVar(&r.rekey, "rekey", false, "choose partitions by key, instead of keeping them")
	flags.BoolVar(&r.create, "create", false,
		"make target topics that do not exist, with as many partitions as their sources, and no retention")
	flags.StringVar(&r.compression, "compression", "",
		"none, gzip, snappy, lz4 or zstd; as the target topic keeps it if not given")
	flags.BoolVar(&r.force, "force", false, "write even if the target would lose records, or get them in another order")
	flags.BoolVar(&r.again, "again", false,
		"write what was written before once more, behind what is there; if it is interrupted, go on without this flag")
	flags.BoolVar(&r.dryRun, "dry-run", false, "look and say what would be written, but write nothing")
	flags.StringVar(&r.throttle, "throttle", "", "at most so many bytes a second, such as 20MB")
	flags.IntVar(&r.parallel, "parallel", 4, "partitions replayed side by side")
	flags.StringVar(&r.id, "id", "", "a name for messages and --json, and the ID of a job; nothing else depends on it")
	flags.StringVar(&r.offsetMap, "offset-map", "", "write old and new offsets to this file, as JSON lines")
	flags.BoolVar(&r.all, "all", false, "every topic of the archive, each into the topic of its own name")
	jobs.AddFlag(c, &r.asJob)
	app.AddJSON(c, &r.json)
	return c
}

type replayer struct {
	*app.App
	settings.Selection
	into                                      settings.TargetFlags
	throttle, id, offsetMap, compression      string
	only                                      []string
	rekey, create, force, again, dryRun, json bool
	all, asJob                                bool
	parallel                                  int

	codec   *recordbatch.Codec // chosen by --compression
	parts   *wiring.Parts
	cluster settings.Connection
	planned *replayplan.Plan
	look    *target.Look
	made    *target.Made
	lost    []bifrost.Row
}

// run goes through the steps: what, whether it may, and do it.
func (r *replayer) run(ctx context.Context, args []string) error {
	rate, err := r.checkFlags()
	if err != nil {
		return err
	}
	if err := r.connectTarget(ctx); err != nil {
		return err
	}
	defer r.parts.Close()
	request, err := r.planRequest(ctx, args)
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
	return r.writeRecords(ctx, request, outlook, rate)
}

func (r *replayer) checkFlags() (rate int64, err error) {
	if err := r.Selection.ParseFlags(r.only, r.Now()); err != nil {
		return 0, err
	}
	if r.parallel < 1 {
		return 0, usage.Errorf("--parallel %d: want at least 1", r.parallel)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9._-]*$`).MatchString(r.id) {
		return 0, usage.Errorf("--id %q: want letters, digits, '.', '_' and '-'", r.id)
	}
	if r.codec, err = recordbatch.ParseChoice(r.compression); err != nil {
		return 0, usage.Errorf("--compression: %w", err)
	}
	return human.ParseRate(r.throttle)
}

func (r *replayer) connectTarget(ctx context.Context) (err error) {
	role := config.Archiver
	if r.into.Brokers != "" {
		role = config.Reader
	}
	if r.parts, err = r.OpenParts(ctx, role); err != nil {
		return err
	}
	r.cluster, err = r.into.ConnectTarget(ctx, r.parts, r.LookupVariable)
	return err
}

// planRequest turns the arguments into a request. Bounds that move, such as --since 1h, are
// fixed here, and what is archived now is where partitions end.
func (r *replayer) planRequest(ctx context.Context, args []string) (replay.Request, error) {
	request := replay.Request{Rekey: r.rekey, Again: r.again, Force: r.force}
	if topics := slices.Compact(slices.Sorted(slices.Values(args))); len(topics) > 1 && (r.From != 0 || r.To != 0) {
		return request, usage.Errorf("--from and --to are offsets of one topic, and %d are given", len(topics))
	}
	if (r.From != 0 || r.To != 0) && strings.ContainsAny(strings.Join(args, ""), "*?[") {
		return request, usage.Errorf("--from and --to are offsets of one topic: name it, without a glob or --all")
	}
	all, err := r.parts.Ledger.ListProgress(ctx)
	if err != nil {
		return request, err
	}
	planner := replayplan.Planner{
		Reader: settings.NewReader(r.parts, 1),
		Bounds: replayplan.Bounds{From: r.From, To: r.To, Times: r.Times},
		Rekey:  r.rekey, Numbered: len(r.Numbers) > 0, SelectPartitions: r.Selection.SelectPartitions,
	}
	if r.planned, err = planner.Plan(ctx, all, args); err != nil {
		return request, err
	}
	request.Parts = r.planned.Requested()
	var sources []string
	for _, part := range r.planned.Parts {
		sources = append(sources, part.Source.Name)
	}
	r.TellLives(all, sources...)
	for _, part := range r.planned.Parts {
		r.lost = append(r.lost, part.Lost...)
	}
	return request, nil
}

func (r *replayer) replayOptions() replay.Options {
	return replay.Options{
		Client:      r.cluster.Options,
		Parallel:    r.parallel,
		Batches:     r.look.Batches(),
		MakeTargets: r.makeTargets,
	}
}

// writeRecords replays, and shows how far it is.
func (r *replayer) writeRecords(
	ctx context.Context, request replay.Request, outlook *replay.Outlook, rate int64,
) error {
	for _, row := range r.lost {
		r.Warn("%s: offsets %s are a recorded gap: %s", row.Partition, row.Range, row.GapReason)
	}
	left, err := r.newCounter(false).countLeft(ctx, outlook)
	if err != nil {
		return err
	}
	begun := r.Now()
	var shown console.Meter
	var written replayed
	options := r.replayOptions()
	options.Throttle = rate
	options.Begun = func(o *replay.Outlook) {
		done, _ := o.Written()
		r.sayWhereItStands(o)
		shown = r.NewMeter("replay", done+left.totalRecords(), done)
	}
	options.Committed = func(records, bytes int64) {
		written.records += records
		written.bytes += bytes
		shown.AddRecords(records, bytes)
	}
	outlook, err = replay.Start(ctx, request, r.readSource, options)
	if shown != nil {
		shown.EndMeter(err == nil)
	}
	if err != nil {
		r.takeBack(ctx)
		return r.explainEnd(err)
	}
	if r.offsetMap != "" {
		if err := r.writeOffsetMap(ctx, outlook); err != nil {
			return err
		}
	}
	return r.showReport(outlook, written, r.Now().Sub(begun))
}

// explainEnd says what to do about an end before the end. Whom another run has shut out has nothing to do.
func (r *replayer) explainEnd(err error) error {
	switch {
	case errors.Is(err, replay.ErrRefused):
		return r.explainRefusal(err)
	case errors.Is(err, replay.ErrShutOut):
		return err
	case bifrost.IsDamage(err):
		return errors.Join(err, errors.New("what is written stays; bifrost verify --deep names all that is missing or "+
			"damaged, each with what to do: after that the same command goes on"+r.withoutAgain()))
	}
	return errors.Join(err, errors.New("run the same command again to go on"+r.withoutAgain()))
}

// withoutAgain says how a second writing is gone on with: --again would begin another.
func (r *replayer) withoutAgain() string {
	if !r.again {
		return ""
	}
	return ", without --again once it has written something"
}

// explainRefusal makes a refusal an end with exit code 3.
func (r *replayer) explainRefusal(err error) error {
	if errors.Is(err, replay.ErrRefused) {
		return app.Unhealthyf("%w", err)
	}
	return err
}

// startAsJob replays by a job.
func (r *replayer) startAsJob(c *cobra.Command, topics []string) error {
	if err := jobs.RefuseFlags(c, "again", "dry-run", "parallel", "offset-map"); err != nil {
		return err
	}
	rate, err := r.checkFlags()
	if err != nil {
		return err
	}
	id := r.id
	if id == "" {
		id = jobs.NewID(r.App, job.KindReplay)
	}
	return jobs.Start(r.App, c.Context(), job.Spec{
		ID: id, Kind: job.KindReplay, Topics: topics, BytesPerSecond: rate, To: r.into.JobTarget(r.LookupVariable),
		Replay: &job.Replay{
			Partitions: r.Numbers, From: r.From, To: r.To, Since: r.Times.Since, Until: r.Times.Until,
			Rekey: r.rekey, Create: r.create, Force: r.force, Compression: r.compression,
		},
	}, r.json)
}
