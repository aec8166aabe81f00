// The command restore: brings a cluster back from a capture.

package main

import (
	"context"
	"errors"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/jobs"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
	"github.com/bifrost-archive/bifrost/internal/replay"
	"github.com/bifrost-archive/bifrost/internal/restore"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newRestore(a *app.App) *cobra.Command {
	r := &restorer{App: a}
	c := &cobra.Command{
		Use:     "restore --at TIME|latest --to-brokers HOST:PORT",
		GroupID: groupRead,
		Short:   "Bring a cluster back: topics, records, groups, ACLs",
		Long: `Restore makes the topics of a capture in another cluster, with their partitions and
settings, writes their records as they were at the time of the capture, exactly
once, and puts consumer groups before the record that they would have read next.
Interrupted or killed, it is run again and goes on.

Retention and compaction are lifted meanwhile, or Kafka would delete old records at
once; restore --finish puts them back. --plan writes nothing and shows everything.
docs/restore.md leads through it.

` + whichCapture,
		Example: `  bifrost restore --at latest --to-brokers other:9092 --groups --plan
  bifrost restore --at 2026-01-31T12:00:00Z --to-brokers other:9092 --topics 'orders*,payments' --groups --acls --yes
  bifrost restore --at latest --to-brokers other:9092 --finish --yes`,
		Args: cobra.NoArgs,
		Annotations: map[string]string{app.UnhealthyMeaning: "something is not as it was captured, " +
			"or something prevented the restore and nothing was written"},
		RunE: func(c *cobra.Command, _ []string) error {
			if r.asJob {
				return r.startAsJob(c)
			}
			return r.run(c.Context())
		},
	}
	flags := c.Flags()
	r.from.addTo(c)
	flags.BoolVar(&r.groups, "groups", false, "put consumer groups where they stood")
	flags.BoolVar(&r.acls, "acls", false, "create ACLs that the target lacks")
	flags.BoolVar(&r.plan, "plan", false,
		"show what would be done, also by --finish, with sizes and time, and write nothing")
	flags.BoolVar(&r.finish, "finish", false, "put retention, compaction and the other settings back that were lifted")
	flags.BoolVar(&r.yes, "yes", false, "do it")
	jobs.AddFlag(c, &r.asJob)
	app.AddJSON(c, &r.json)
	return c
}

// restoreFlags say which capture is restored, what of it, and how.
type restoreFlags struct {
	into                          settings.TargetFlags
	at, topics, exclude, throttle string
	compression                   string
	parallel                      int
}

func (f *restoreFlags) addTo(c *cobra.Command) {
	flags := c.Flags()
	f.into.AddTo(c)
	flags.Lookup("to-brokers").Usage = "brokers of the cluster to restore into"
	flags.StringVar(&f.at, "at", "", "which capture: a time, latest, or CLUSTER@TIME")
	flags.StringVar(&f.topics, "topics", "", "only these topics: globs with commas between, as in IncludeTopics")
	flags.StringVar(&f.exclude, "exclude", "", "not these topics: globs with commas between, as in ExcludeTopics")
	flags.StringVar(&f.compression, "compression", "",
		"none, gzip, snappy, lz4 or zstd; as each topic keeps it if not given, snappy where it keeps what producers send")
	flags.StringVar(&f.throttle, "throttle", "", "at most so many bytes a second, such as 20MB")
	flags.IntVar(&f.parallel, "parallel", 4, "partitions written side by side")
}

// open reads the capture and prepares a restore of it.
func (f *restoreFlags) open(
	ctx context.Context, a *app.App,
) (*restore.Restorer, *wiring.Parts, settings.Connection, error) {
	fail := func(err error) (*restore.Restorer, *wiring.Parts, settings.Connection, error) {
		return nil, nil, settings.Connection{}, err
	}
	switch {
	case f.at == "":
		return fail(usage.Errorf("--at is missing: which capture? bifrost clusters list shows " +
			"them; latest is the last one"))
	case f.into.Brokers == "":
		return fail(usage.Errorf("--to-brokers is missing: into which cluster?"))
	case f.parallel < 1:
		return fail(usage.Errorf("--parallel %d: want at least 1", f.parallel))
	}
	rate, err := human.ParseRate(f.throttle)
	if err != nil {
		return fail(err)
	}
	codec, err := recordbatch.ParseChoice(f.compression)
	if err != nil {
		return fail(usage.Errorf("--compression: %w", err))
	}
	filter, err := f.filter()
	if err != nil {
		return fail(err)
	}
	parts, err := a.OpenParts(ctx, config.Reader)
	if err != nil {
		return fail(err)
	}
	cluster, snapshot, err := f.openBoth(ctx, a, parts)
	if err != nil {
		parts.Close()
		return fail(err)
	}
	return &restore.Restorer{
		Scope: restore.Scope{Topics: filter}, Snapshot: snapshot, Client: cluster.Options,
		Archive:  settings.NewReader(parts, max(1, runtime.GOMAXPROCS(0)/f.parallel)),
		Codec:    codec,
		Parallel: f.parallel, Throttle: rate, Now: a.Now,
	}, parts, cluster, nil
}

func (f *restoreFlags) openBoth(
	ctx context.Context, a *app.App, parts *wiring.Parts,
) (settings.Connection, capture.Snapshot, error) {
	cluster, err := f.into.ConnectTarget(ctx, parts, a.LookupVariable)
	if err != nil {
		return settings.Connection{}, capture.Snapshot{}, err
	}
	name := f.at
	if _, isKey := capture.ParseCaptureKey(parts.Config.Group, name); !isKey && name != "latest" &&
		!strings.Contains(name, "@") {
		name = "@" + name
	}
	snapshot, err := openCapture(ctx, a, parts, name)
	if err == nil {
		err = f.checkTopics(snapshot)
	}
	return cluster, snapshot, err
}

// checkTopics refuses a glob of --topics that the capture has no topic for.
func (f *restoreFlags) checkTopics(snapshot capture.Snapshot) error {
	globs, err := parseGlobs("--topics", f.topics)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range snapshot.Configuration.Topics {
		names = append(names, t.Name)
	}
	if i := readback.FirstUnmatched(names, globs); i >= 0 && len(names) > 0 {
		return usage.Errorf("--topics %s: the capture of %s has no such topic; it has %s (bifrost clusters show lists "+
			"them)", globs[i], human.Moment(snapshot.Positions.At), readback.SuchAs(names, globs[i]))
	}
	return nil
}

// filter reads the globs; none select every topic, and one that excludes wins.
func (f *restoreFlags) filter() (bifrost.TopicFilter, error) {
	include, err := parseGlobs("--topics", f.topics)
	if err != nil {
		return bifrost.TopicFilter{}, err
	}
	exclude, err := parseGlobs("--exclude", f.exclude)
	return bifrost.TopicFilter{Include: include, Exclude: exclude}, err
}

// parseGlobs reads the globs of a flag, with commas between.
func parseGlobs(flag, text string) (globs []string, err error) {
	for glob := range strings.SplitSeq(text, ",") {
		if glob = strings.TrimSpace(glob); glob != "" {
			globs = append(globs, glob)
		}
	}
	_, err = bifrost.NewTopicFilter(globs, nil)
	if err == nil && text != "" && len(globs) == 0 {
		err = errors.New("it names none")
	}
	if err != nil {
		return nil, usage.Errorf("%s %q: %w", flag, text, err)
	}
	return globs, nil
}

type restorer struct {
	*app.App
	from                            restoreFlags
	groups, acls, plan, finish, yes bool
	asJob, json                     bool
}

// run looks, and then does what it was asked for, or says why not.
func (r *restorer) run(ctx context.Context) error {
	if r.finish && (r.groups || r.acls) {
		return usage.Errorf("--finish puts settings back, and nothing else: leave out --groups and --acls")
	}
	rule, parts, cluster, err := r.from.open(ctx, r.App)
	if err != nil {
		return err
	}
	defer parts.Close()
	rule.Groups, rule.ACLs = r.groups, r.acls
	plan, err := rule.Look(ctx, r.yes && !r.plan)
	if err != nil {
		return cluster.Explain(err)
	}
	if len(plan.Topics) == 0 {
		return usage.Errorf("--topics %q, --exclude %q: the capture of %s has no such topic; "+
			"bifrost clusters show lists them",
			r.from.topics, r.from.exclude, human.Moment(rule.Snapshot.Positions.At))
	}
	r.tell(rule, plan)
	if !r.finish && len(plan.Refusals) > 0 {
		if r.plan {
			if err := r.showPlan(ctx, rule, plan); err != nil && !app.IsUnhealthy(err) {
				return err
			}
		}
		return app.Unhealthyf("nothing was written: %d things have to be settled first", len(plan.Refusals))
	}
	if r.finish && r.yes && !r.plan {
		return r.finishNow(ctx, rule, plan)
	}
	if r.plan || !r.yes {
		return r.showPlan(ctx, rule, plan)
	}
	report, err := r.do(ctx, rule, plan)
	if err != nil {
		return explainEnd(err)
	}
	return r.show(report)
}

// explainEnd says what to do about an end before the end. Whom another run has shut out has nothing to do.
func explainEnd(err error) error {
	switch {
	case errors.Is(err, replay.ErrShutOut):
		return err
	case bifrost.IsDamage(err):
		return errors.Join(err, errors.New("what is written stays; bifrost verify --deep lists all that is missing or "+
			"damaged: run the command again with --exclude and the topic, to go on with the others"))
	}
	return errors.Join(err, errors.New("run the same command again to go on"))
}

func (r *restorer) finishNow(ctx context.Context, rule *restore.Restorer, plan *restore.Plan) error {
	report, err := rule.Finish(ctx, plan)
	if err != nil {
		return err
	}
	return r.show(report)
}

func (r *restorer) do(ctx context.Context, rule *restore.Restorer, plan *restore.Plan) (*restore.Report, error) {
	var shown console.Meter
	rule.Begun = func(total, done int64) { shown = r.NewMeter("restore", total, done) }
	rule.Committed = func(records, bytes int64) { shown.AddRecords(records, bytes) }
	report, err := rule.Run(ctx, plan)
	if shown != nil {
		shown.EndMeter(err == nil)
	}
	return report, err
}

// tell says what the look has found.
func (r *restorer) tell(rule *restore.Restorer, plan *restore.Plan) {
	at := rule.Snapshot.Positions.At
	r.Say("Capture of cluster %s at %s, %s: %d topics.",
		rule.Snapshot.Positions.ClusterID, human.Moment(at), human.Ago(at, r.Now()), len(plan.Topics))
	for _, warning := range plan.Warnings {
		r.Say("%s.", warning)
	}
	if r.finish {
		return
	}
	for _, refusal := range plan.Refusals {
		r.Refuse("%s", refusal)
	}
}

// showPlan is the end without --yes: what would be done.
func (r *restorer) showPlan(ctx context.Context, rule *restore.Restorer, plan *restore.Plan) error {
	look := rule.Planned
	if r.finish {
		look = rule.PlannedFinish
	}
	report, err := look(ctx, plan)
	if err != nil {
		return err
	}
	err = r.show(report)
	if !r.plan && (err == nil || app.IsUnhealthy(err)) {
		return usage.Errorf("this writes into the cluster %s: give --yes to do it, or --plan to see it alone",
			report.Target)
	}
	return err
}

// startAsJob restores by a job. The capture is chosen here: the latest may be another
// one when the job is planned.
func (r *restorer) startAsJob(c *cobra.Command) error {
	if err := jobs.RefuseFlags(c, "plan", "finish", "parallel"); err != nil {
		return err
	}
	if !r.yes {
		return usage.Errorf("this writes into the cluster %s: give --yes to do it, "+
			"or leave out --as-job and give --plan to see it", r.from.into.Brokers)
	}
	ctx := c.Context()
	rule, parts, _, err := r.from.open(ctx, r.App)
	if err != nil {
		return err
	}
	defer parts.Close()
	return jobs.Start(r.App, ctx, job.Spec{
		ID:             jobs.NewID(r.App, job.KindRestore),
		Kind:           job.KindRestore,
		Topics:         rule.Topics.Include,
		Exclude:        rule.Topics.Exclude,
		BytesPerSecond: rule.Throttle,
		To:             r.from.into.JobTarget(r.LookupVariable),
		Restore: &job.Restore{
			Capture: rule.Snapshot.Key, Groups: r.groups, ACLs: r.acls, Compression: r.from.compression,
		},
	}, r.json)
}
