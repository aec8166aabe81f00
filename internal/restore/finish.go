// How settings are put back once all records are there.

package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// kafkaRetention is Kafka's default of retention.ms, in milliseconds.
const kafkaRetention = int64(7 * 24 * time.Hour / time.Millisecond)

// loss is about how many records a topic loses once its retention is put back, and why.
// Kafka deletes whole segments, so that it may keep some of them for longer.
type loss struct {
	records int64
	why     string // empty if nothing changes
}

// losses are those of all topics, in their order.
func (r *Restorer) losses(ctx context.Context, topics []Topic) ([]loss, error) {
	all := make([]loss, len(topics))
	var reads []func(context.Context) error
	for i := range topics {
		reads = append(reads, func(ctx context.Context) (err error) {
			all[i], err = r.lossOf(ctx, topics[i])
			return err
		})
	}
	return all, sideBySide(ctx, reads)
}

func (r *Restorer) lossOf(ctx context.Context, t Topic) (l loss, err error) {
	setting := func(name, otherwise string) string {
		return cmp.Or(t.Settings[name], t.Inherited[name], otherwise)
	}
	policy := setting("cleanup.policy", "delete")
	var does []string
	if strings.Contains(policy, "compact") {
		does = append(does, "it is compacted: of the records of a key the last stays")
	}
	if !strings.Contains(policy, "delete") {
		return loss{0, strings.Join(does, "; ")}, nil
	}
	keep, _ := strconv.ParseInt(setting("retention.ms", strconv.FormatInt(kafkaRetention, 10)), 10, 64)
	most, _ := strconv.ParseInt(setting("retention.bytes", "-1"), 10, 64)
	var old, beyond int64
	for _, p := range t.Partitions {
		tooOld, tooMuch, err := r.lossesOf(ctx, p, keep, most)
		if err != nil {
			return loss{}, err
		}
		old, beyond, l.records = old+tooOld, beyond+tooMuch, l.records+max(tooOld, tooMuch)
	}
	if old > 0 {
		does = append(does, fmt.Sprintf("about %d records are older than retention.ms=%d", old, keep))
	}
	if beyond > 0 {
		does = append(does,
			fmt.Sprintf("about %d records are more than retention.bytes=%d keeps of their partition", beyond, most))
	}
	l.why = strings.Join(does, "; ")
	return l, nil
}

// lossesOf goes through the catalogue, the newest records last.
func (r *Restorer) lossesOf(ctx context.Context, p Partition, keep, most int64) (old, beyond int64, err error) {
	if keep < 0 && (most < 0 || p.Bytes <= most) {
		return 0, 0, nil // Kafka keeps all of it
	}
	oldest := r.Now().UnixMilli() - keep
	bytes := p.Bytes
	for _, b := range p.branches {
		for row, err := range readback.Rows(ctx, r.Archive.Catalogue, b.row.Partition, b.Range) {
			if err != nil {
				return 0, 0, err
			}
			if row.State != bifrost.StateArchived {
				continue
			}
			of := row.Range.Within(b.Range)
			records := min(row.Facts.Records, of.Len())
			if keep >= 0 && row.Facts.LastTimestamp < oldest {
				old += records
			}
			if most >= 0 && bytes > most {
				beyond += records
			}
			bytes -= row.Facts.RawBytes * of.Len() / row.Len()
		}
	}
	return old, beyond, nil
}

// Finish gives every topic of the plan the settings that it had. From then on Kafka
// deletes and compacts as it did. Topics that lack records are left as they are.
func (r *Restorer) Finish(ctx context.Context, plan *Plan) (*Report, error) {
	if err := plan.checkFinish(); err != nil {
		return nil, err
	}
	admin, done, err := r.admin()
	if err != nil {
		return nil, err
	}
	defer done()
	now, err := ask(ctx, admin, names(plan.Topics))
	if err != nil {
		return nil, err
	}
	wrong := make([]string, len(plan.Topics))
	var puts []func(context.Context) error
	for i, t := range plan.Topics {
		of, there := now[t.Name]
		switch {
		case !there: // the report says so
		case plan.todo[t.Name]: // the report says so too
		default:
			puts = append(puts, func(ctx context.Context) error {
				if err := putBack(ctx, admin, t.Topic, of); err != nil {
					wrong[i] = err.Error()
				}
				return nil
			})
		}
	}
	if err := sideBySide(ctx, puts); err != nil {
		return nil, err
	}
	report, err := r.newReport(ctx, plan)
	if err != nil {
		return nil, err
	}
	report.Finish, report.NotRestored = true, r.notRestored(true)
	for i, reason := range wrong {
		if _, there := now[plan.Topics[i].Name]; there {
			plan.tellLeft(report, i)
		}
		if reason != "" {
			report.differs("topic", plan.Topics[i].Name, "%s", reason)
		}
	}
	report.Complete = plan.isComplete()
	r.conclude(report)
	return report, nil
}

// checkFinish refuses to put anything back if nobody can say whether all records are there.
func (p *Plan) checkFinish() error {
	if len(p.look.Obstacles) > 0 {
		return fmt.Errorf("whether all records are there cannot be known, so that nothing is put back: %s",
			strings.Join(p.look.Obstacles, "; "))
	}
	return nil
}

// PlannedFinish is what Finish would do: Lifted are the settings that it would put back. It
// writes nothing, and ends with the same error and the same differences.
func (r *Restorer) PlannedFinish(ctx context.Context, plan *Plan) (*Report, error) {
	if err := plan.checkFinish(); err != nil {
		return nil, err
	}
	report, err := r.newReport(ctx, plan)
	if err != nil {
		return nil, err
	}
	report.Plan, report.Finish, report.NotRestored = true, true, r.notRestored(true)
	for i := range report.Topics {
		if !plan.look.Topics[i].Exists {
			continue
		}
		if plan.tellLeft(report, i) {
			t := &report.Topics[i]
			t.Lifted, t.FinishLoses, t.FinishDoes = []Setting{}, 0, ""
		}
	}
	report.Complete = plan.isComplete()
	r.conclude(report)
	return report, nil
}

// tellLeft tells of a topic that lacks records, and why its settings are not put back if some
// are lifted.
func (p *Plan) tellLeft(report *Report, i int) (left bool) {
	t := report.Topics[i]
	switch {
	case !p.todo[t.Topic]:
		return false
	case len(t.Lifted) > 0:
		report.differs("topic", t.Topic, "records are left to restore, so that its settings stay lifted")
	default:
		report.differs("topic", t.Topic, "records are left to restore")
	}
	return true
}

// isComplete reports whether all topics have their records.
func (p *Plan) isComplete() bool {
	return !slices.ContainsFunc(p.Topics, func(t Topic) bool { return p.todo[t.Name] })
}

// putBack sets what was lifted. A setting that the topic inherited is no longer its own,
// unless the brokers here would give it another value.
func putBack(ctx context.Context, admin *kadm.Client, t capture.Topic, now actual) error {
	lifted, _ := compare(t, now, nil)
	var changes []kadm.AlterConfig
	for _, s := range lifted {
		change := kadm.AlterConfig{Op: kadm.SetConfig, Name: s.Name, Value: s.Captured}
		inherited, inherits := t.Inherited[s.Name]
		switch {
		case s.Captured != nil:
		case inherits && withoutOwn(now.settings[s.Name]) != inherited: // or the brokers here would decide
			change.Value = &inherited
		default:
			change.Op = kadm.DeleteConfig
		}
		changes = append(changes, change)
	}
	if len(changes) == 0 {
		return nil
	}
	answers, err := admin.AlterTopicConfigs(ctx, changes, t.Name)
	if err == nil {
		var of kadm.AlterConfigsResponse
		of, err = answers.On(t.Name, nil)
		if err = errors.Join(err, of.Err); err != nil && of.ErrMessage != "" {
			err = fmt.Errorf("%w (%s)", err, of.ErrMessage)
		}
	}
	if err != nil {
		return fmt.Errorf("put its settings back: %w", err)
	}
	return awaitSettings(ctx, admin, t, len(lifted))
}

// awaitSettings returns when the broker that is asked knows of the change, or it is
// clear that it does not come.
func awaitSettings(ctx context.Context, admin *kadm.Client, t capture.Topic, before int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		now, err := ask(ctx, admin, []string{t.Name})
		if err != nil {
			return err
		}
		if lifted, _ := compare(t, now[t.Name], nil); len(lifted) < before {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("the brokers did not take over its settings")
		case <-time.After(settingsPause):
		}
	}
}

const settingsPause = 50 * time.Millisecond

func names(topics []Topic) (all []string) {
	for _, t := range topics {
		all = append(all, t.Name)
	}
	return all
}
