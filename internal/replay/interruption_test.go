package replay

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// countRequests counts those of one kind that the brokers get.
func countRequests(cluster *kfake.Cluster, key kmsg.Key) *atomic.Int64 {
	n := new(atomic.Int64)
	cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		n.Add(1)
		return nil, nil, false
	})
	return n
}

// awaitQuiet waits until no more requests come: none is on its way.
func awaitQuiet(came *atomic.Int64) {
	for last := int64(-1); last != came.Load(); time.Sleep(100 * time.Millisecond) {
		last = came.Load()
	}
}

// cutAt cuts the connection when the next request of one kind comes, which is not served.
func cutAt(cluster *kfake.Cluster, key kmsg.Key) {
	cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
		return nil, errors.New("the connection is cut"), true
	})
}

// refusing makes connections, but so many that come next are refused, and counted.
func refusing(next, refused *atomic.Int64, with error) kgo.Opt {
	return kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		if next.Add(-1) >= 0 {
			refused.Add(1)
			return nil, with
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	})
}

// errNobodyListens is what a machine answers on which no broker runs. The client knows it
// and tries again.
var errNobodyListens = &net.OpError{
	Op:  "dial",
	Net: "tcp",
	Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
}

func inSmallBatches(cluster *kfake.Cluster) Options {
	options := optionsOf(cluster)
	options.Batches = map[string]recordbatch.Shape{"target": {Codec: recordbatch.Uncompressed, Bytes: 500}}
	return options
}

// What a broker is told of times is in milliseconds: after how long it gives a transaction
// up, how long it may wait for followers, and for something to answer.
func TestTimesThatBrokersAreTold(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	var mutex sync.Mutex
	told := map[string]map[int32]bool{}
	for _, key := range []kmsg.Key{kmsg.InitProducerID, kmsg.Produce, kmsg.Fetch} {
		cluster.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			var ms int32
			switch r := r.(type) {
			case *kmsg.InitProducerIDRequest:
				ms = r.TransactionTimeoutMillis
			case *kmsg.ProduceRequest:
				ms = r.TimeoutMillis
			case *kmsg.FetchRequest:
				ms = r.MaxWaitMillis
			}
			mutex.Lock()
			defer mutex.Unlock()
			if told[key.Name()] == nil {
				told[key.Name()] = map[int32]bool{}
			}
			told[key.Name()][ms] = true
			return nil, nil, false
		})
	}
	request, source := requestOf(50, 1), archived(50, 10)
	replayAll(t, request, source, optionsOf(cluster))
	replayAll(t, requestOf(60, 1), archived(60, 10), optionsOf(cluster)) // looks at what is there
	want := map[string]map[int32]bool{
		"InitProducerID": {60_000: true},
		"Produce":        {10_000: true},
		"Fetch":          {100: true},
	}
	if !reflect.DeepEqual(told, want) {
		t.Errorf("brokers are told %v ms, want %v", told, want)
	}
}

// Many batches are on their way at once, and the broker gets them in order: nothing
// interrupts a run, and while one is not answered many others are sent.
func TestManyOnTheWay(t *testing.T) {
	t.Parallel()
	const held, behind = 60, 50
	cluster := startCluster(t, 1)
	fences := countRequests(cluster, kmsg.InitProducerID)
	var sent atomic.Int64
	enough := make(chan struct{})
	options := inSmallBatches(cluster)
	options.Client = append(options.Client, kgo.WithHooks(produceHook{func() {
		if sent.Add(1) == held+behind {
			close(enough)
		}
	}}))
	var came atomic.Int64
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if came.Add(1) == held {
			cluster.SleepControl(func() { <-enough }) // it is not answered before
		}
		return nil, nil, false
	})
	source, request := archived(2_000, 100), requestOf(2_000, 1)
	outlook := replayAll(t, request, source, options)
	if fences.Load() != 1 {
		t.Errorf("%d fences: something has interrupted the run", fences.Load())
	}
	mustHoldAll(t, cluster, request, source, outlook)
}

// produceHook is told when a batch was written to a connection.
type produceHook struct{ wrote func() }

// OnBrokerWrite implements kgo.HookBrokerWrite.
func (h produceHook) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, _ error) {
	if key == int16(kmsg.Produce) {
		h.wrote()
	}
}

// A run that ends while a batch has no answer does not abort in the epoch of that batch,
// which may come later. The next run aborts in another one.
func TestTheUnansweredAreNotAborted(t *testing.T) {
	t.Parallel()
	for _, unanswered := range []bool{false, true} {
		cluster := startCluster(t, 1)
		ends := countRequests(cluster, kmsg.EndTxn)
		options := inSmallBatches(cluster)
		var cut atomic.Bool
		cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			if unanswered && !cut.Swap(true) {
				return nil, errors.New("the connection is cut"), true
			}
			return nil, nil, false
		})
		source, request := archived(2_000, 100), requestOf(2_000, 1)
		unreadable := errors.New("unreadable")
		failing := doingAt(source, 5, func() error { return unreadable })
		if _, err := Start(t.Context(), request, failing, options); !errors.Is(err, unreadable) {
			t.Fatalf("the run ended with %v", err)
		}
		if aborted := ends.Load() > 0; aborted == unanswered || cut.Load() != unanswered {
			t.Errorf("a batch without an answer: %v; aborted: %v", unanswered, aborted)
		}
		mustHoldAll(t, cluster, request, source, replayAll(t, request, source, options))
	}
}

// A run that is interrupted after another one has taken over ends, and does not shut out
// that one in turn.
func TestShutOutAndInterrupted(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	options := inSmallBatches(cluster)
	source, request := archived(2_000, 100), requestOf(2_000, 1)
	var fences *atomic.Int64
	came := countRequests(cluster, kmsg.Produce)
	taken := doingAt(source, 1_001, func() error {
		awaitQuiet(came)
		_, err := Start(t.Context(), request, source, options)
		fences = countRequests(cluster, kmsg.InitProducerID)
		cutAt(cluster, kmsg.Produce)
		return err
	})
	if _, err := Start(t.Context(), request, taken, options); !errors.Is(err, ErrShutOut) {
		t.Errorf("the run that was shut out ended with %v", err)
	}
	if fences.Load() > 0 {
		t.Error("it has shut out the other one")
	}
	mustHoldAll(t, cluster, request, source, replayAll(t, request, source, options))
}

// A commit without an answer is not sent again, and nothing else is in its epoch: it may
// come when the next transaction is open. Whether it was served, the next look says.
func TestTheUnansweredIsNotCommittedAgain(t *testing.T) {
	t.Parallel()
	for _, served := range []bool{false, true} {
		cluster := startCluster(t, 3)
		options := optionsOf(cluster)
		var lost, again atomic.Int64
		unanswered := int16(-1) // epoch; used by the brokers' one goroutine
		cluster.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			epoch := r.(*kmsg.EndTxnRequest).ProducerEpoch
			if epoch <= unanswered {
				again.Add(1)
			}
			if lost.Load() == 3 {
				return nil, nil, false
			}
			lost.Add(1)
			unanswered = epoch
			if served {
				return nil, nil, false
			}
			return nil, errors.New("the connection is cut"), true
		})
		if served {
			var ends atomic.Int64
			dial := func(ctx context.Context, network, address string) (net.Conn, error) {
				connection, err := (&net.Dialer{}).DialContext(ctx, network, address)
				return &deaf{Conn: connection, ends: &ends}, err
			}
			options.Client = append(options.Client, kgo.Dialer(dial))
		}
		source, request := archived(25_000, 10), requestOf(25_000, 1)
		request.Rekey = true // so that a transaction is full at ten thousand records or so
		outlook := replayAll(t, request, source, options)
		if lost.Load() < 2 || again.Load() > 0 {
			t.Errorf("%d commits without an answer, %d requests behind one in the same epoch", lost.Load(),
				again.Load())
		}
		mustHoldAll(t, cluster, request, source, outlook)
	}
}

// deaf is a connection that is cut when the answer to a commit comes, three times.
type deaf struct {
	net.Conn
	ends *atomic.Int64
	lose atomic.Bool
}

func (d *deaf) Write(b []byte) (int, error) {
	if len(b) > 6 && binary.BigEndian.Uint16(b[4:]) == uint16(kmsg.EndTxn) && d.ends.Add(1) <= 3 {
		d.lose.Store(true)
	}
	return d.Conn.Write(b)
}

func (d *deaf) Read(b []byte) (int, error) {
	n, err := d.Conn.Read(b)
	if d.lose.Load() {
		return 0, errors.Join(net.ErrClosed, d.Conn.Close())
	}
	return n, err
}

// A run that cannot even connect when it begins to write waits for the brokers, as one
// does that has written before.
func TestInterruptedBeforeItWrites(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	options := optionsOf(cluster)
	var refuse, refused atomic.Int64
	options.Client = append(options.Client, refusing(&refuse, &refused, errors.New("connection refused")))
	options.Begun = func(*Outlook) { refuse.Store(10) }
	source, request := archived(2_000, 100), requestOf(2_000, 1)
	outlook := replayAll(t, request, source, options)
	if refused.Load() < 10 {
		t.Errorf("%d connections were refused", refused.Load())
	}
	mustHoldAll(t, cluster, request, source, outlook)
}

// A run that is shut out does not take a broker that is away for one that does not know
// who has taken over: it asks until it is told.
func TestShutOutAndNobodyAnswers(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	options := inSmallBatches(cluster)
	source, request := archived(2_000, 100), requestOf(2_000, 1)
	var refuse, refused atomic.Int64
	shutOut := options
	var sent atomic.Int64
	shutOut.Client = append(shutOut.Client, refusing(&refuse, &refused, errNobodyListens),
		kgo.WithHooks(produceHook{func() { sent.Add(1) }}))
	var fences *atomic.Int64
	came := countRequests(cluster, kmsg.Produce)
	taken := doingAt(source, 1_001, func() error {
		for awaitQuiet(came); came.Load() < sent.Load(); {
			time.Sleep(10 * time.Millisecond) // some are on their way
		}
		_, err := Start(t.Context(), request, source, options)
		fences = countRequests(cluster, kmsg.InitProducerID)
		var cut atomic.Int64
		cluster.Control(func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			switch r.(type) {
			case *kmsg.ProduceRequest, *kmsg.DescribeTransactionsRequest:
				if cut.Add(1) <= 3 {
					refuse.Store(10)
					return nil, errors.New("the connection is cut"), true
				}
			}
			return nil, nil, false
		})
		return err
	})
	if _, err := Start(t.Context(), request, taken, shutOut); !errors.Is(err, ErrShutOut) {
		t.Errorf("the run that was shut out ended with %v", err)
	}
	if fences.Load() > 0 || refused.Load() < 10 {
		t.Errorf("it has shut out the other one with %d fences; %d connections were refused", fences.Load(),
			refused.Load())
	}
	mustHoldAll(t, cluster, request, source, replayAll(t, request, source, options))
}

// Brokers before Kafka 3.0 do not know the question, and others may not answer it to
// everybody. That keeps nobody from going on.
func TestInterruptedWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]*kerr.Error{
		"too old":        nil,
		"not authorized": kerr.TransactionalIDAuthorizationFailed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			of := []kfake.Opt{kfake.NumBrokers(2), kfake.SeedTopics(1, "target")}
			if with == nil {
				of = append(of, kfake.MaxVersions(kversion.V2_8_0()))
			}
			cluster, err := kfake.NewCluster(of...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cluster.Close)
			options := inSmallBatches(cluster)
			asked := countRequests(cluster, kmsg.DescribeTransactions)
			if with != nil {
				cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeTransactions}, Err: with, Count: -1})
			}
			fences := countRequests(cluster, kmsg.InitProducerID)
			source, request := archived(2_000, 100), requestOf(2_000, 1)
			outlook := replayAll(t, request, doingAt(source, 1_001, func() error {
				cutAt(cluster, kmsg.Produce)
				return nil
			}), options)
			if fences.Load() < 2 || (asked.Load() > 0) != (with != nil) {
				t.Errorf("%d fences, %d questions", fences.Load(), asked.Load())
			}
			mustHoldAll(t, cluster, request, source, outlook)
		})
	}
}

// One fence is enough for as many looks as it takes: another one would shut out a run that
// has begun meanwhile.
func TestOneFenceForManyLooks(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	options := inSmallBatches(cluster)
	var refuse, refused atomic.Int64
	options.Client = append(options.Client, refusing(&refuse, &refused, errNobodyListens))
	fences := countRequests(cluster, kmsg.InitProducerID)
	source, request := archived(2_000, 100), requestOf(2_000, 1)
	outlook := replayAll(t, request, doingAt(source, 1_001, func() error {
		cutAt(cluster, kmsg.Produce)
		cluster.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
			refuse.Store(10)
			return nil, errors.New("the connection is cut"), true
		})
		return nil
	}), options)
	if fences.Load() != 2 || refused.Load() < 10 {
		t.Errorf("%d fences, want one in the beginning and one behind the interruption; %d connections were refused",
			fences.Load(), refused.Load())
	}
	mustHoldAll(t, cluster, request, source, outlook)
}

// A part has the time to commit something anew when it has committed something, and not when it was
// interrupted once more.
func TestTheTimeToCommitSomething(t *testing.T) {
	t.Parallel()
	now := attempt{last: 3} // as another run left it
	minute := func(n int) time.Time { return time.Unix(int64(60*n), 0) }
	for i, c := range []struct {
		stretch int64
		since   int
	}{{3, 1}, {3, 1}, {4, 3}, {4, 3}, {4, 3}, {5, 6}, {5, 6}} {
		now.noteInterruption(c.stretch, minute(i+1))
		if !now.since.Equal(minute(c.since)) {
			t.Errorf("interruption %d, behind stretch %d: since %v, want minute %d", i+1, c.stretch, now.since.UTC(), c.since)
		}
	}
}

// What is written again begins at its beginning once for each run, however often that is interrupted.
func TestWhatIsWrittenAgainBeginsOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		again          bool
		first, stretch int64
		want           bool
	}{
		{false, 0, 0, false}, {false, 6, 5, false}, {true, 0, 0, true}, {true, 0, 5, true}, // a run that begins
		{true, 6, 5, true}, {true, 6, 6, false}, {true, 6, 9, false}, {true, 1, 0, true}, {true, 1, 1, false}, // one that goes on
	} {
		if got := (Request{Again: c.again, first: c.first}).beginsAgain(c.stretch); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
