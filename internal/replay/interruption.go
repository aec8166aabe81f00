// How a part goes on behind a transaction that was interrupted.

package replay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// attempt is what is remembered of a part's writers, of which there is one for each
// interruption more.
type attempt struct {
	since time.Time // when it was interrupted first since something was committed; zero before
	last  int64     // stretch that was committed when it was interrupted before
	begun time.Time // when the transaction that was interrupted began; zero if none was open
	most  int       // batches that a transaction may have; 0 for any number
}

// replayPart writes what is left of one part. No batch is sent twice: whatever is not
// answered as it should be ends the transaction, and the part goes on from what is
// committed, in shorter transactions at first. It gives up when nothing is committed behind
// an interruption for as long as any request is tried.
func (r *runner) replayPart(ctx context.Context, p *PartOutlook) error {
	first := p.Position.Stretch + 1 // of this run
	var now attempt
	for {
		err := r.writePart(ctx, p, &now)
		if !canGoOn(ctx, err) {
			return err
		}
		now.noteInterruption(p.Position.Stretch, time.Now())
		if err := r.goOnInTime(ctx, p, first, now, err); err != nil {
			return err
		}
	}
}

// noteInterruption notes an interruption behind the stretch that was committed last. The time in which
// something has to be committed begins anew when something was, also if only a look has found it.
func (a *attempt) noteInterruption(stretch int64, at time.Time) {
	if stretch != a.last || a.since.IsZero() {
		a.since = at
	}
	a.last = stretch
}

// goOnInTime goes on behind an interruption, unless another run has taken over or it takes
// too long. It does what a run does when it begins: it fences, which aborts the transaction
// with a new epoch, so that none of its batches can come later; then it looks what is
// committed. Whoever has taken over is asked for until there is an answer. And once the
// fence is answered it is not repeated: it would shut out a run that has begun since.
func (r *runner) goOnInTime(ctx context.Context, p *PartOutlook, first int64, now attempt, why error) error {
	inTime, cancel := context.WithDeadline(ctx, now.since.Add(patience))
	defer cancel()
	for _, step := range []func() error{
		func() error { return r.mustNotBeShutOut(inTime, p.pair, now.begun) },
		func() error { return r.fencePair(inTime, p.pair) },
		func() error { return r.lookAgain(inTime, p, first) },
	} {
		for err := step(); err != nil; err = step() {
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case inTime.Err() != nil:
				return why
			case !canGoOn(ctx, err):
				return fmt.Errorf("%w; a transaction was interrupted before: %w", err, why)
			}
			select {
			case <-inTime.Done():
			case <-time.After(brokersPause):
			}
		}
	}
	return nil
}

// mustNotBeShutOut asks who writes the pair now. A run that another has shut out does not
// shut out that one in turn. Should the other one begin just now, it is that which ends.
func (r *runner) mustNotBeShutOut(ctx context.Context, of pair, begun time.Time) error {
	old := producer{r.client, of.transactionalID(), r.identityOf(of)}
	var now transaction
	err := insist(ctx, func(ctx context.Context) (err error) {
		now, err = old.describeTransaction(ctx)
		return err
	})
	timedOut := !begun.IsZero() && time.Since(begun) >= r.options.transactionTimeout && now.timedOut(old.identity)
	switch {
	case err != nil && !refusesToTell(err):
		return err
	case err != nil, now.identity == old.identity, timedOut:
		return nil // brokers before 3.0 do not know the question
	}
	return ErrShutOut
}

// refusesToTell reports whether a broker has answered a question, with an error that it
// would answer again. One that is too old is not even asked by the client, which has no
// exported error for that.
func refusesToTell(err error) bool {
	var said *kerr.Error
	return errors.As(err, &said) && !passing(err) || strings.Contains(err.Error(), "broker is too old")
}

// writePart writes what is left of a part, until something interrupts it.
func (r *runner) writePart(ctx context.Context, p *PartOutlook, now *attempt) error {
	now.begun = time.Time{}
	writer, err := r.newWriter(ctx, p, now.most)
	if err != nil {
		return err
	}
	defer writer.close()
	for _, s := range p.Todo {
		if err = writer.writeSegment(ctx, s); err != nil {
			break
		}
	}
	if err == nil {
		return nil
	}
	now.most = max(1, writer.batches/2)
	if writer.open {
		now.begun = writer.begun
	}
	if canGoOn(ctx, err) {
		return err // the fence that comes next aborts it
	}
	return errors.Join(err, writer.abortTransaction(ctx))
}

// canGoOn reports whether another transaction may do what one did not: a broker is away,
// a connection was cut, a leader has changed, a batch came without the one before, or
// Kafka has given it up because it took too long.
func canGoOn(ctx context.Context, err error) bool {
	var archive sourceError
	if err == nil || ctx.Err() != nil || errors.As(err, &archive) || errors.Is(err, ErrShutOut) ||
		errors.Is(err, errTopicReplaced) || errors.Is(err, errObjected) || errors.Is(err, ErrRefused) {
		return false
	}
	var said *kerr.Error
	if !errors.As(err, &said) {
		return true // no broker has answered
	}
	return kerr.IsRetriable(said) || errors.Is(err, kerr.OutOfOrderSequenceNumber) ||
		errors.Is(err, kerr.DuplicateSequenceNumber) || errors.Is(err, kerr.UnknownProducerID) ||
		errors.Is(err, kerr.TransactionAbortable) || errors.Is(err, kerr.ConcurrentTransactions) ||
		errors.Is(err, errStoodOpen)
}

// lookAgain looks what is committed of one part, behind a fence. What another run has
// committed meanwhile is seen. What this run knows to be committed has to be seen too: a
// look that does not know it got an old answer, or the state topic was cut.
func (r *runner) lookAgain(ctx context.Context, p *PartOutlook, first int64) error {
	request := Request{Parts: []Part{p.Part}, Rekey: r.request.Rekey, Again: r.request.Again, Force: r.request.Force,
		first: first}
	outlook, err := lookAt(ctx, r.cluster, request, r.source, r.knownIdentities())
	if err != nil {
		return err
	}
	fresh := outlook.Parts[0]
	switch {
	case !fresh.made:
		return kerr.UnknownTopicOrPartition
	case fresh.pair != p.pair:
		return errTopicReplaced
	case fresh.lastKnown < p.Position.Stretch:
		return fmt.Errorf("%w: topic %s tells of %d transactions of %s, and %d are committed: its leader has "+
			"answered with less than it has, or has lost it; run the command again", errObjected, stateTopic,
			fresh.lastKnown, p.Source, p.Position.Stretch)
	case len(fresh.Objections) > 0:
		return fmt.Errorf("%w: %s", errObjected, textOf(fresh.Objections))
	}
	if more := fresh.Position.Records - p.Position.Records; more > 0 { // the answer to a commit was lost
		r.countCommitted(Stretch{Records: more, Bytes: fresh.Position.Bytes - p.Position.Bytes})
	}
	*p = fresh
	return nil
}

func (r *runner) identityOf(p pair) identity {
	r.fenced.Lock()
	defer r.fenced.Unlock()
	return r.identities[p]
}

func (r *runner) knownIdentities() map[pair]identity {
	r.fenced.Lock()
	defer r.fenced.Unlock()
	return maps.Clone(r.identities)
}

// fencePair initializes the producer of a pair. What it left open is aborted, by whomever
// it was begun.
func (r *runner) fencePair(ctx context.Context, p pair) error {
	by, err := initialize(ctx, r.client, p.transactionalID(), r.options.transactionTimeout)
	if err != nil {
		return fmt.Errorf("initialize the producer %s: %w", p.transactionalID(), err)
	}
	r.fenced.Lock()
	defer r.fenced.Unlock()
	r.identities[p] = by
	return nil
}
