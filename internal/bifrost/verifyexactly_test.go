package bifrost_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// TestVerifyFindsNoMoreThanThereIs: a damage is told as what it is, each time that it is there, and as nothing else.
func TestVerifyFindsNoMoreThanThereIs(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		inflict func(*stack)
		want    map[verify.Kind]int64
		says    string // what one of them expects
	}{
		"a gap with bytes": {func(s *stack) {
			r := s.row("orders", 1, isLost)
			r.Facts.RawBytes = 7
			s.ledger.Poke(r)
		}, map[verify.Kind]int64{verify.RowInvalid: 1, verify.ObjectMismatch: 1, verify.TotalsWrong: 1}, "raw bytes of a gap: 0"},
		"a gap with records": {func(s *stack) {
			r := s.row("orders", 1, isLost)
			r.Facts.Missing.Compacted = 1
			s.ledger.Poke(r)
		}, map[verify.Kind]int64{verify.RowInvalid: 1, verify.ObjectMismatch: 1, verify.TotalsWrong: 1}, "records and missing offsets of a gap: 0"},
		"a row that forgot the checksum": {func(s *stack) {
			r := s.row("orders", 1, manyRecords)
			r.Facts.Checksum = ""
			s.ledger.Poke(r)
		}, map[verify.Kind]int64{verify.ObjectChecksum: 1}, `CRC64NVME ""`},
		"a row with another size": {func(s *stack) {
			r := s.row("orders", 1, manyRecords)
			r.Facts.StoredBytes++
			s.ledger.Poke(r)
		}, map[verify.Kind]int64{verify.ObjectSize: 1, verify.TotalsWrong: 1}, " bytes"},
		"the marker of another life": {func(s *stack) {
			first, second := s.progress("orders", 0).TopicID, s.progress(s.laterName(), 0).TopicID
			key := bifrost.MarkerKey(testGroup, "orders")
			s.store.Put(key, []byte(strings.ReplaceAll(string(s.content(key)), first.String(), second.String())))
		}, map[verify.Kind]int64{verify.MarkerMismatch: 3}, "under the name orders"}, // of two partitions and of a later life
		"two rows lost, apart": {func(s *stack) {
			first := s.row("orders", 0, manyRecords)
			s.lose(first)
			s.lose(s.row("orders", 0, func(r bifrost.Row) bool { return manyRecords(r) && r.Start > first.End }))
		}, map[verify.Kind]int64{verify.RowMissing: 2, verify.ObjectWithoutRow: 2, verify.TotalsWrong: 1}, "a row for each offset"},
		"two foreign files": {func(s *stack) {
			s.store.Put("archive/orders/partition=1/a.txt", nil)
			s.store.Put("archive/orders/b.txt", nil)
		}, map[verify.Kind]int64{verify.ForeignObject: 2}, "nothing else"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := seasoned(t)
			x.inflict(s)
			found, summary := s.verify(verify.Options{Deep: true})
			if !maps.Equal(summary.Kinds, x.want) {
				t.Errorf("found %v, want %v: %+v", summary.Kinds, x.want, found)
			}
			said := false
			for _, v := range found {
				said = said || strings.Contains(v.Expected, x.says)
			}
			if !said {
				t.Errorf("none expects %q: %+v", x.says, found)
			}
		})
	}
}

// TestVerifyDecodesEveryObject: deep, also one without a row; in slices as well, and each of them once.
func TestVerifyDecodesEveryObject(t *testing.T) {
	t.Parallel()
	s := seasoned(t)
	s.extraObject(s.progress("orders", 1).PlannedOffset)
	_, shallow := s.verify(verify.Options{})
	_, deep := s.verify(verify.Options{Deep: true})
	if shallow.DecodedObjects != 0 || deep.Objects != int64(len(s.objectKeys())) || deep.DecodedObjects != deep.Objects {
		t.Errorf("%d objects: %+v, and deep %+v", len(s.objectKeys()), shallow, deep)
	}
	v := s.verifier()
	partitions, err := v.Partitions(t.Context(), bifrost.TopicFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []int64{1, 300, 1 << 40} {
		var sum verify.Summary
		count, records, raw := 0, int64(0), int64(0)
		for _, p := range partitions {
			slices, err := v.Slices(t.Context(), p, target)
			if err != nil {
				t.Fatal(err)
			}
			count += len(slices)
			for i, slice := range slices {
				records, raw = records+slice.Records, raw+slice.RawBytes
				if slice.Records > slice.Starts.Len() {
					t.Errorf("%s: slices %v", p, slices)
				}
				if i > 0 && slice.Starts.Start != slices[i-1].Starts.End || i == 0 && slice.Starts.Start != 0 {
					t.Errorf("%s: slices %v", p, slices)
				}
				one, err := v.VerifyContents(t.Context(), slice, time.Time{}, func(v verify.Violation) { t.Errorf("%+v", v) })
				if err != nil {
					t.Fatal(err)
				}
				sum.Add(one)
			}
		}
		if records != deep.Records || raw != deep.RawBytes {
			t.Errorf("slices of %d bytes: %d records, %d bytes, want %d, %d", target, records, raw, deep.Records, deep.RawBytes)
		}
		if sum.DecodedObjects != deep.Objects {
			t.Errorf("in %d slices of %d bytes: %d objects decoded, want %d", count, target, sum.DecodedObjects, deep.Objects)
		}
	}
}

// unwell is a table whose mark cannot be read, and whose rows end a context.
type unwell struct {
	*bifrosttest.Ledger
	mark   error
	cancel func()
}

func (u unwell) Mark(ctx context.Context) (bifrost.TablesMark, error) {
	if u.mark != nil {
		return bifrost.TablesMark{}, u.mark
	}
	return u.Ledger.Mark(ctx)
}

func (u unwell) Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	if u.cancel != nil {
		u.cancel()
	}
	return u.Ledger.Rows(context.Background(), p, from, limit)
}

// TestVerifyThatCannotLookEverywhere: what cannot be read keeps nothing else from being looked at, and is the error in
// the end; one that was stopped is not a clean one.
func TestVerifyThatCannotLookEverywhere(t *testing.T) {
	t.Parallel()
	s := seasoned(t)
	s.lose(s.row("orders", 0, manyRecords))
	broken := errors.New("no mark today")
	v := s.verifier()
	v.Ledger = unwell{Ledger: s.ledger, mark: broken}
	found := 0
	summary, err := v.Verify(t.Context(), verify.Options{}, func(verify.Violation) { found++ })
	if !errors.Is(err, broken) || summary.Kinds[verify.RowMissing] != 1 || found == 0 || summary.Partitions != 4 {
		t.Errorf("error %v, %d found, %+v", err, found, summary)
	}
	ctx, cancel := context.WithCancel(t.Context())
	v.Ledger = unwell{Ledger: s.ledger, cancel: cancel}
	if _, err := v.Verify(ctx, verify.Options{}, func(verify.Violation) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped in the middle: %v", err)
	}
}

// movedOn shows a progress row as it was when it is read first.
type movedOn struct {
	*bifrosttest.Ledger
	before bifrost.Progress
	reads  map[bifrost.Partition]int
}

func (m movedOn) Progress(ctx context.Context, p bifrost.Partition) (bifrost.Progress, error) {
	if m.reads[p]++; p == m.before.Partition && m.reads[p] == 1 {
		return m.before, nil
	}
	return m.Ledger.Progress(ctx, p)
}

// TestVerifyLooksAtWhatItIsAskedFor: a file beside the partitions is a violation of its topic alone, and a branch that
// was left may have been left before its birth.
func TestVerifyLooksAtWhatItIsAskedFor(t *testing.T) {
	t.Parallel()
	s := diverged(t, 15)
	s.accept(branch, 15)
	s.kafka.CreateTopic("payments", 1).Logs[0].Produce("one")
	s.settle()
	s.store.Delete(bifrost.BirthKey(testGroup, branch))
	s.store.Put(testGroup+"/payments/notes.txt", []byte("mine"))
	for topic, want := range map[string][]verify.Kind{"orders": nil, "payments": {verify.ForeignObject}} {
		var kinds []verify.Kind
		options := verify.Options{Topics: bifrost.TopicFilter{Include: []string{topic}}}
		_, err := s.verifier().Verify(t.Context(), options, func(v verify.Violation) { kinds = append(kinds, v.Kind) })
		if err != nil || !slices.Equal(kinds, want) {
			t.Errorf("%s: found %v, want %v, error %v", topic, kinds, want, err)
		}
	}
}

// countedUp shows marks as they are while ticks count up: each read after the first has a number more.
type countedUp struct {
	*bifrosttest.Ledger
	reads *int64
}

func (c countedUp) Mark(ctx context.Context) (bifrost.TablesMark, error) {
	mark, err := c.Ledger.Mark(ctx)
	mark.Number += *c.reads
	*c.reads++
	return mark, err
}

// TestVerifyBesideATickThatCountsUp: a mark that a tick has made since the bucket was listed is missed by nobody.
func TestVerifyBesideATickThatCountsUp(t *testing.T) {
	t.Parallel()
	s := seasoned(t)
	v := s.verifier()
	v.Ledger = countedUp{s.ledger, new(int64)}
	summary, err := v.Verify(t.Context(), verify.Options{}, func(found verify.Violation) { t.Errorf("found %+v", found) })
	if err != nil || summary.Partitions == 0 {
		t.Errorf("error %v, %+v", err, summary)
	}
}

// TestVerifyOfAProgressRowThatMovesOn: a worker that was late and has moved it while verify looked is no violation; one
// that does not is.
func TestVerifyOfAProgressRowThatMovesOn(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	s.produce(log, 0)
	s.settle()
	before := s.progress("orders", 0)
	s.produce(log, 1)
	s.settle()
	late := before
	late.PlannedOffset = s.progress("orders", 0).PlannedOffset
	s.clock.Advance(time.Hour)
	look := func(ledger verify.TableReader) (kinds []verify.Kind) {
		v := s.verifier()
		v.Ledger, v.Parallel = ledger, 1
		if _, err := v.Verify(t.Context(), verify.Options{}, func(v verify.Violation) { kinds = append(kinds, v.Kind) }); err != nil {
			t.Fatal(err)
		}
		return kinds
	}
	if kinds := look(movedOn{s.ledger, late, map[bifrost.Partition]int{}}); len(kinds) > 0 {
		t.Errorf("found %v", kinds)
	}
	s.ledger.PokeProgress(late)
	if kinds := look(s.ledger); len(kinds) != 1 || kinds[0] != verify.NextOffsetWrong {
		t.Errorf("of one that stays behind: found %v", kinds)
	}
}
