// A replay from its first request to its last.

package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/parallel"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// Options say how to replay.
type Options struct {
	Client   []kgo.Opt                    // how to reach the target cluster
	Parallel int                          // partitions replayed side by side, at least 1
	Batches  map[string]recordbatch.Shape // by target topic; what is not there is taken to be as Kafka's defaults are
	Throttle int64                        // bytes of keys and values a second, all partitions together; 0 for none
	// MakeTargets makes the target topics that do not exist. It is called once nothing
	// stands against the replay any more.
	MakeTargets func(context.Context) error
	Begun       func(*Outlook)             // called once, before anything is written: where the replay stands
	Committed   func(records, bytes int64) // called after each transaction, by one goroutine at a time

	// Tests cut them short.
	abortPatience      time.Duration // how long to try to abort a transaction
	transactionTimeout time.Duration // when Kafka gives one up
	silence            time.Duration // how often the clock is looked at while no record comes
}

// transactionTimeout is how long Kafka waits for a producer that has died before
// it aborts its transaction.
const transactionTimeout = 60 * time.Second

// Start writes what is asked for and not there yet. An error leaves everything that was
// committed in place; to run it again goes on from there. ErrRefused: something stands
// against it, and nothing was made or written.
func Start(ctx context.Context, request Request, source Source, options Options) (*Outlook, error) {
	request.Parts = distinct(request.Parts)
	options.abortPatience = cmp.Or(options.abortPatience, abortPatience)
	options.transactionTimeout = cmp.Or(options.transactionTimeout, transactionTimeout)
	options.silence = cmp.Or(options.silence, maxTime)
	client, err := kgo.NewClient(append(options.Client[:len(options.Client):len(options.Client)],
		kgo.MaxVersions(protocol))...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	r := &runner{cluster: cluster{client}, request: request, source: source, options: options,
		identities: map[pair]identity{}, pace: newPace(options.Throttle)}
	outlook, err := r.prepareParts(ctx)
	if err != nil {
		return nil, err
	}
	if options.Begun != nil {
		options.Begun(outlook)
	}
	return outlook, r.replayAll(ctx, outlook)
}

// runner is one run of a replay.
type runner struct {
	cluster
	request    Request
	source     Source
	options    Options
	identities map[pair]identity // of the producers
	fenced     sync.Mutex        // for identities
	state      topicFacts        // the state topic
	pace       *pace
	commits    sync.Mutex // for options.Committed
}

// prepareParts fences the pairs that have something to write, and looks at their targets
// again: what was seen before is what another run may have changed. What stands
// against the replay ends it before topics are made.
func (r *runner) prepareParts(ctx context.Context) (*Outlook, error) {
	outlook, err := r.fenceAndLook(ctx)
	if err != nil {
		return nil, err
	}
	var missing []string
	todo := false
	for _, p := range outlook.Parts {
		if !p.made && !slices.Contains(missing, p.Target) {
			missing = append(missing, p.Target)
		}
		todo = todo || len(p.Todo) > 0
	}
	if len(missing) > 0 {
		if r.options.MakeTargets == nil {
			return nil, refusef("topics %s do not exist", strings.Join(missing, ", "))
		}
		if err := r.options.MakeTargets(ctx); err != nil {
			return nil, err
		}
		for _, topic := range missing {
			if _, err := r.awaitTopic(ctx, topic); err != nil {
				return nil, err
			}
		}
		if outlook, err = r.fenceAndLook(ctx); err != nil {
			return nil, err
		}
	}
	if !todo {
		return outlook, nil
	}
	var made bool
	r.state, made, err = r.ensureStateTopic(ctx)
	// Whoever said that there is none was wrong, or it has come meanwhile.
	for begun := time.Now(); err == nil && !made && !outlook.stateExists; {
		if time.Since(begun) > patience {
			return nil, fmt.Errorf("topic %s, which keeps the positions of replays, is there, but not all brokers "+
				"say so: run the command again", stateTopic)
		}
		outlook, err = r.fenceAndLook(ctx)
	}
	return outlook, err
}

// fenceAndLook fences those pairs that have something to write and are not fenced yet, and
// looks. Before the fence nothing is believed.
func (r *runner) fenceAndLook(ctx context.Context) (*Outlook, error) {
	for {
		outlook, err := lookAt(ctx, r.cluster, r.request, r.source, r.identities)
		if err != nil {
			return nil, err
		}
		if objections := outlook.Objections(); len(objections) > 0 {
			return nil, refused(objections)
		}
		if n, err := r.fencePairs(ctx, outlook); err != nil || n == 0 {
			return outlook, err
		}
	}
}

// fencePairs initializes the producers of pairs: what an earlier run left open is aborted,
// and that run can write no more. This run writes as whom it is known now. It does not
// ask again without another look at what is committed: a later run would be shut out by
// that, and what it has written meanwhile be written twice.
func (r *runner) fencePairs(ctx context.Context, outlook *Outlook) (n int, err error) {
	var pairs []pair
	for _, p := range outlook.Parts {
		if _, fenced := r.identities[p.pair]; p.made && len(p.Todo) > 0 && !fenced {
			pairs = append(pairs, p.pair)
		}
	}
	err = parallel.Try(ctx, max(fencesAtOnce, r.options.Parallel), pairs, r.fencePair)
	return len(pairs), err
}

// fencesAtOnce is how many coordinators are asked side by side.
const fencesAtOnce = 8

// replayAll replays the parts, some side by side. The first failure ends it.
func (r *runner) replayAll(ctx context.Context, outlook *Outlook) error {
	var todo []*PartOutlook
	for i := range outlook.Parts {
		if p := &outlook.Parts[i]; len(p.Todo) > 0 {
			todo = append(todo, p)
		}
	}
	return parallel.Try(ctx, r.options.Parallel, todo, func(ctx context.Context, p *PartOutlook) error {
		if err := r.replayPart(ctx, p); err != nil {
			return fmt.Errorf("replay %s to topic %s: %w", p.Source, p.Target, err)
		}
		return nil
	})
}

func (r *runner) countCommitted(s Stretch) {
	r.commits.Lock()
	defer r.commits.Unlock()
	if r.options.Committed != nil {
		r.options.Committed(s.Records, s.Bytes)
	}
}

// EachStretch calls do with what was ever written of the parts and not taken back: the
// map from old to new offsets.
func EachStretch(ctx context.Context, outlook *Outlook, options Options, do func(Stretch) error) error {
	client, err := kgo.NewClient(options.Client...)
	if err != nil {
		return err
	}
	defer client.Close()
	for _, p := range outlook.Parts {
		stretches, err := cluster{client}.allStretches(ctx, p)
		if err != nil {
			return fmt.Errorf("read the offset map of %s: %w", p.Source, err)
		}
		for _, s := range stretches {
			if err := do(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// errUndecided says that the end of a transaction, which is decided, is not in all of
// its partitions yet: the coordinator answers before it has told them.
var errUndecided = errors.New("the end of a transaction is on its way")

// allStretches are all up to the position of the part.
func (c cluster) allStretches(ctx context.Context, p PartOutlook) (stretches []Stretch, err error) {
	err = insist(ctx, func(ctx context.Context) error {
		state, err := c.newStateReader(ctx)
		if err != nil {
			return err
		}
		stretches, err = state.readStretches(ctx, p.pair, p.Position)
		if err == nil && p.Position.Stretch > 0 && (len(stretches) == 0 ||
			stretches[len(stretches)-1].Number != p.Position.Stretch) {
			err = errUndecided
		}
		return err
	})
	return stretches, err
}
