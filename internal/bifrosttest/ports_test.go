package bifrosttest

import (
	"context"
	"errors"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// ports are the twins as one process sees them: each call is a point where the
// scheduler may run others, and where it may fail.
type ports struct{ *process }

// read is a call that changes nothing.
func read[T any](p *process, name string, work func() (T, error)) (value T, err error) {
	err = p.do(name, false, nil, func() error {
		value, err = work()
		return err
	})
	return withoutValue(value, err)
}

// effect is a call that changes something. retried is what the caller hears when
// it was done, the answer was lost, and the SDK tried again.
func effect[T any](p *process, name string, retried error, work func() (T, error)) (value T, err error) {
	err = p.do(name, true, retried, func() error {
		value, err = work()
		return err
	})
	return withoutValue(value, err)
}

func withoutValue[T any](value T, err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return value, nil
}

// write is an effect of the ledger, whose conditions a retry does not meet.
func (p ports) write(name string, work func() error) error {
	return p.do(name, true, bifrost.ErrConflict, work)
}

// ---- Cluster, History

func (p ports) Topics(ctx context.Context) (string, []bifrost.Topic, error) {
	var id string
	topics, err := read(p.process, "kafka: topics", func() (topics []bifrost.Topic, err error) {
		id, topics, err = p.world.kafka.Topics(ctx)
		return topics, err
	})
	return id, topics, err
}

func (p ports) Find(ctx context.Context, names []string) (map[string]bifrost.TopicAnswer, error) {
	return read(p.process, "kafka: find", func() (map[string]bifrost.TopicAnswer, error) { return p.world.kafka.Find(ctx, names) })
}

func (p ports) Offsets(ctx context.Context, topics []bifrost.Topic) (map[bifrost.TopicPartition]bifrost.OffsetAnswer, error) {
	return read(p.process, "kafka: offsets", func() (map[bifrost.TopicPartition]bifrost.OffsetAnswer, error) {
		return p.world.kafka.Offsets(ctx, topics)
	})
}

func (p ports) OffsetsAt(ctx context.Context, partitions []bifrost.TopicPartition, at time.Time) (map[bifrost.TopicPartition]bifrost.OffsetAtAnswer, error) {
	return read(p.process, "kafka: offsets at", func() (map[bifrost.TopicPartition]bifrost.OffsetAtAnswer, error) {
		return p.world.kafka.OffsetsAt(ctx, partitions, at)
	})
}

func (p ports) EpochEnds(ctx context.Context, epochs map[bifrost.TopicPartition]int32) (map[bifrost.TopicPartition]bifrost.EpochAnswer, error) {
	return read(p.process, "kafka: epoch ends", func() (map[bifrost.TopicPartition]bifrost.EpochAnswer, error) {
		return p.world.kafka.EpochEnds(ctx, epochs)
	})
}

func (p ports) Retention(ctx context.Context, topics []string) (map[string]bifrost.Retention, error) {
	return read(p.process, "kafka: retention", func() (map[string]bifrost.Retention, error) {
		return p.world.kafka.Retention(ctx, topics)
	})
}

// ---- Source

func (p ports) ClusterID(ctx context.Context) (string, error) {
	return read(p.process, "kafka: cluster ID", func() (string, error) { return p.world.kafka.ClusterID(ctx) })
}

func (p ports) Read(ctx context.Context, topic string, id bifrost.TopicID, partition int32, r bifrost.Range) (bifrost.Records, error) {
	records, err := p.world.kafka.Read(ctx, topic, id, partition, r)
	return &recordsPort{p, records}, err
}

type recordsPort struct {
	ports
	records bifrost.Records
}

func (r *recordsPort) Next(ctx context.Context) (bifrost.Batch, error) {
	return read(r.process, "kafka: fetch", func() (bifrost.Batch, error) { return r.records.Next(ctx) })
}

func (r *recordsPort) Close() {}

// ---- Store, Bucket

func (p ports) Create(ctx context.Context, key string) (bifrost.Upload, error) {
	upload, err := effect(p.process, "s3: create upload "+key, nil, func() (bifrost.Upload, error) { return p.world.store.Create(ctx, key) })
	return &uploadPort{p, upload, key}, err
}

type uploadPort struct {
	ports
	upload bifrost.Upload
	key    string
}

func (u *uploadPort) Write(b []byte) (int, error) {
	return read(u.process, "s3: write part", func() (int, error) { return u.upload.Write(b) })
}

func (u *uploadPort) Complete(ctx context.Context) (bifrost.Stored, error) {
	return effect(u.process, completes+u.key, bifrost.ErrExists, func() (bifrost.Stored, error) {
		if o := u.outcome; o == landsLate || o == landsLateDead {
			before := u.world.store.Completing()
			u.world.store.BeginCompletion(u.upload)
			if u.world.store.Completing() > before {
				u.world.decideLater(u.world.lateIn())
			}
			return bifrost.Stored{}, errInjected
		}
		return u.upload.Complete(ctx)
	})
}

// completes is how the name of a call begins that may land late.
const completes = "s3: complete "

func (u *uploadPort) Abort(ctx context.Context) error {
	return u.do("s3: abort", true, nil, func() error { return u.upload.Abort(ctx) })
}

func (p ports) Open(ctx context.Context, key string) (bifrost.Object, error) {
	object, err := read(p.process, "s3: open "+key, func() (bifrost.Object, error) { return p.world.store.Open(ctx, key) })
	return &objectPort{p, object}, err
}

type objectPort struct {
	ports
	object bifrost.Object
}

func (o *objectPort) Stored() bifrost.Stored { return o.object.Stored() }

func (o *objectPort) ReadAt(b []byte, off int64) (int, error) {
	var n int
	var eof error
	_, err := read(o.process, "s3: read", func() (int, error) {
		n, eof = o.object.ReadAt(b, off)
		return n, nil
	})
	if err != nil {
		return 0, err
	}
	return n, eof
}

func (p ports) CreateOnce(ctx context.Context, key string, content []byte) ([]byte, error) {
	return effect(p.process, "s3: create once "+key, nil, func() ([]byte, error) { return p.world.store.CreateOnce(ctx, key, content) })
}

func (p ports) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	return read(p.process, "s3: list "+prefix, func() ([]string, error) { return p.world.store.List(ctx, prefix, after, limit) })
}

func (p ports) AbortUploads(ctx context.Context, prefix string) error {
	return p.do("s3: abort uploads "+prefix, true, nil, func() error { return p.world.store.AbortUploads(ctx, prefix) })
}

// ---- Dispatcher

func (p ports) Dispatch(ctx context.Context, t bifrost.Task) error {
	return p.do("lambda: invoke", true, nil, func() error { return p.lambda.Dispatch(ctx, t) })
}

// ---- Ledger

func (p ports) ListProgress(ctx context.Context) ([]bifrost.Progress, error) {
	return read(p.process, "ledger: list progress", func() ([]bifrost.Progress, error) { return p.ledger.ListProgress(ctx) })
}

func (p ports) ListPlanned(ctx context.Context) ([]bifrost.Row, error) {
	return read(p.process, "ledger: list planned", func() ([]bifrost.Row, error) { return p.ledger.ListPlanned(ctx) })
}

func (p ports) SomePlanned(ctx context.Context, now time.Time, limit int) ([]bifrost.Row, error) {
	return read(p.process, "ledger: some planned", func() ([]bifrost.Row, error) { return p.ledger.SomePlanned(ctx, now, limit) })
}

func (p ports) Rows(ctx context.Context, partition bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	return read(p.process, "ledger: rows", func() ([]bifrost.Row, error) { return p.ledger.Rows(ctx, partition, from, limit) })
}

func (p ports) Row(ctx context.Context, partition bifrost.Partition, start int64) (bifrost.Row, error) {
	return read(p.process, "ledger: row", func() (bifrost.Row, error) { return p.ledger.Row(ctx, partition, start) })
}

func (p ports) Progress(ctx context.Context, partition bifrost.Partition) (bifrost.Progress, error) {
	return read(p.process, "ledger: progress", func() (bifrost.Progress, error) { return p.ledger.Progress(ctx, partition) })
}

func (p ports) Plan(ctx context.Context, w bifrost.PlanWrite) error {
	return p.write("ledger: plan", func() error { return p.ledger.Plan(ctx, w) })
}

func (p ports) ChangeStatus(ctx context.Context, w bifrost.StatusWrite) error {
	p.world.checkSuspicion(w)
	return p.write("ledger: change status to "+string(w.Status)+" "+w.Suspicion, func() error { return p.ledger.ChangeStatus(ctx, w) })
}

func (p ports) CreateProgress(ctx context.Context, row bifrost.Progress) error {
	return p.write("ledger: create progress", func() error { return p.ledger.CreateProgress(ctx, row) })
}

func (p ports) Mark(ctx context.Context) (bifrost.TablesMark, error) {
	return read(p.process, "ledger: mark", func() (bifrost.TablesMark, error) { return p.ledger.Mark(ctx) })
}

func (p ports) SetMark(ctx context.Context, before, after bifrost.TablesMark) error {
	return p.write("ledger: set mark", func() error { return p.ledger.SetMark(ctx, before, after) })
}

func (p ports) FenceProgress(ctx context.Context, row bifrost.Progress) error {
	return p.write("ledger: fence progress", func() error { return p.ledger.FenceProgress(ctx, row) })
}

func (p ports) OpenProgress(ctx context.Context, row bifrost.Progress) error {
	return p.write("ledger: open progress", func() error { return p.ledger.OpenProgress(ctx, row) })
}

func (p ports) DeleteProgress(ctx context.Context, row bifrost.Progress) error {
	return p.write("ledger: delete progress", func() error { return p.ledger.DeleteProgress(ctx, row) })
}

func (p ports) DropPlanned(ctx context.Context, as bifrost.Progress, r bifrost.Row) error {
	return p.write("ledger: drop planned", func() error { return p.ledger.DropPlanned(ctx, as, r) })
}

func (p ports) MarkGap(ctx context.Context, as bifrost.Progress, r bifrost.Row, reason string) error {
	return p.write("ledger: mark gap", func() error { return p.ledger.MarkGap(ctx, as, r, reason) })
}

func (p ports) Lease(ctx context.Context, r bifrost.Row, invocation string, attempt int, until time.Time) (bifrost.Row, error) {
	return effect(p.process, "ledger: lease", bifrost.ErrConflict, func() (bifrost.Row, error) { return p.ledger.Lease(ctx, r, invocation, attempt, until) })
}

func (p ports) PutInvocation(ctx context.Context, i bifrost.Invocation, now time.Time) error {
	return p.do("ledger: put invocation", true, nil, func() error { return p.ledger.PutInvocation(ctx, i, now) })
}

// errAnswered stands for an answer that is no error.
var errAnswered = errors.New("answered by the second try")

// RenewInvocation is answered by a retry with what the first try wrote, as if
// another function had begun.
func (p ports) RenewInvocation(ctx context.Context, id string, aliveUntil time.Time) (was bifrost.Invocation, err error) {
	failed := p.do("ledger: renew invocation", true, errAnswered, func() error {
		was, err = p.ledger.RenewInvocation(ctx, id, aliveUntil)
		return err
	})
	if failed == errAnswered {
		was.Begun, was.AliveUntil = true, aliveUntil
		return was, nil
	}
	return withoutValue(was, failed)
}

func (p ports) EndInvocation(ctx context.Context, id string) error {
	return p.do("ledger: end invocation", true, nil, func() error { return p.ledger.EndInvocation(ctx, id) })
}

func (p ports) ListInvocations(ctx context.Context) ([]bifrost.Invocation, error) {
	return read(p.process, "ledger: list invocations", func() ([]bifrost.Invocation, error) { return p.ledger.ListInvocations(ctx) })
}

func (p ports) Release(ctx context.Context, r bifrost.Row, failure string, retryAt time.Time) error {
	return p.write("ledger: release", func() error { return p.ledger.Release(ctx, r, failure, retryAt) })
}

func (p ports) Commit(ctx context.Context, w bifrost.CommitWrite) error {
	return p.write("ledger: commit", func() error { return p.ledger.Commit(ctx, w) })
}

func (p ports) Erase(ctx context.Context, w bifrost.ErasureWrite) error {
	return p.write("ledger: erase", func() error { return p.ledger.Erase(ctx, w) })
}

func (p ports) Advance(ctx context.Context, w bifrost.AdvanceWrite) error {
	return p.write("ledger: advance", func() error { return p.ledger.Advance(ctx, w) })
}
