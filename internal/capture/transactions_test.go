package capture

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// transactionsMissing captures, in a time that passes by itself, and says what is missing
// of transactions, after how many listings, and how long it took.
func transactionsMissing(t *testing.T, prepare func(*fakeCluster)) (missing []string, listings int, took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t)
		prepare(s.cluster)
		began := time.Now()
		for _, n := range s.taken().Positions.NotCaptured {
			if n.Part == PartTransactions {
				missing = append(missing, fmt.Sprintf("%v %s %s", n.Names, n.Reason, n.Needs))
			}
		}
		listings, took = s.cluster.listings, time.Since(began)
		if ends := slices.Index(s.cluster.calls, "Offsets"); slices.Contains(s.cluster.calls[ends:], "CommittingTransactions") {
			t.Errorf("the ends were read before the transactions had ended: %v", s.cluster.calls)
		}
	})
	return missing, listings, took
}

// A transaction that counts in a group's position and lacks markers elsewhere ends
// before the ends of the logs are read.
func TestTransactionsEndBeforeTheEndsAreRead(t *testing.T) {
	t.Parallel()
	unreachable := errors.New("broker 2: connection refused")
	for name, c := range map[string]struct {
		committing [][]string
		failing    int // listings that fail first
		listings   int
	}{
		"none":                          {nil, 0, 1},
		"one ends":                      {[][]string{{"a"}, {"a"}, {"a"}, {}}, 0, 4},
		"one after the other":           {[][]string{{"a", "b", "c"}, {"a", "c"}, {"c"}, {}}, 0, 4},
		"others begin":                  {[][]string{{"a"}, {"a", "b"}, {"b", "c"}}, 0, 3},
		"ended, and begins another":     {[][]string{{"a", "b"}, {"b"}, {"a"}}, 0, 3},
		"a broker that answers later":   {[][]string{nil, nil, {"a"}, {}}, 2, 4},
		"a broker that is gone a while": {[][]string{nil, {}}, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			missing, listings, _ := transactionsMissing(t, func(f *fakeCluster) {
				f.committing = c.committing
				f.before = func(string) {
					f.fails["CommittingTransactions"] = nil
					if f.listings < c.failing {
						f.fails["CommittingTransactions"] = unreachable
					}
				}
			})
			if len(missing) != 0 || listings != c.listings {
				t.Errorf("missing %q after %d listings, want %d", missing, listings, c.listings)
			}
		})
	}
}

// What does not end in time is named, and the capture is there all the same.
func TestTransactionsThatDoNotEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*fakeCluster)
		want    []string
		took    time.Duration
	}{
		"two of three": {func(f *fakeCluster) { f.committing = [][]string{{"b", "c", "a"}, {"a", "b", "new"}} },
			[]string{"[a b] " + errStillCommitting.Error()}, transactionPatience},
		"a broker that never answers": {func(f *fakeCluster) { f.fails["CommittingTransactions"] = errors.New("broker 2: connection refused") },
			[]string{"[] which transactions were being committed: broker 2: connection refused"}, transactionPatience},
		"a broker that answers no more": {func(f *fakeCluster) {
			f.committing = [][]string{{"a"}}
			f.before = func(string) {
				if f.listings > 0 {
					f.fails["CommittingTransactions"] = errors.New("broker 2: connection refused")
				}
			}
		}, []string{"[a] " + errStillCommitting.Error()}, transactionPatience},
		"an old cluster": {func(f *fakeCluster) { f.fails["SeesTransactions"] = fmt.Errorf("%w: too old", ErrNone) },
			[]string{"[] " + ErrNone.Error() + ": too old"}, 0},
		"brokers that do not know the question": {func(f *fakeCluster) { f.fails["CommittingTransactions"] = fmt.Errorf("%w: too old", ErrNone) },
			[]string{"[] which transactions were being committed: " + ErrNone.Error() + ": too old"}, 0},
		"no right": {func(f *fakeCluster) { f.fails["SeesTransactions"] = ErrDenied },
			[]string{"[] " + ErrDenied.Error() + " Describe on the transactional IDs"}, 0},
		"no right, and one that is seen": {func(f *fakeCluster) {
			f.fails["SeesTransactions"], f.committing = ErrDenied, [][]string{{"a"}, {}}
		}, []string{"[] " + ErrDenied.Error() + " Describe on the transactional IDs"}, transactionPause},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			missing, _, took := transactionsMissing(t, c.prepare)
			for i := range missing {
				missing[i] = strings.TrimSpace(missing[i])
			}
			if !slices.Equal(missing, c.want) || took != c.took {
				t.Errorf("missing %q after %v, want %q after %v", missing, took, c.want, c.took)
			}
		})
	}
}

// A tick that has little time left waits for less, and the capture is made all the same.
func TestTransactionsInTheTimeThatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t)
		s.cluster.committing = [][]string{{"a"}}
		s.cluster.before = func(call string) {
			if call == "Groups" {
				time.Sleep(15 * time.Second)
			}
		}
		began := time.Now()
		r := s.capturer().CaptureDue(t.Context(), s.now.Add(leastTime+time.Second))
		if r.Outcome != bifrost.CaptureWritten || r.NotCaptured != 3 {
			t.Errorf("%+v", r)
		}
		// Of the six seconds that are left the half is for the ends of the logs.
		if took := time.Since(began).Round(time.Second); took != 18*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
