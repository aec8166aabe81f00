package bifrost_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/repair"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

func (s *stack) accepter() *repair.Accepter {
	return &repair.Accepter{Group: testGroup, Ledger: s.ledger, Store: s.store, Bucket: s.store, Writer: "test", Now: s.clock.Now}
}

// erased is a live archive whose row has lost its object.
func erased(t fatal, fits func(bifrost.Row) bool) (*stack, bifrost.Row) {
	s := seasoned(t)
	r := s.row(s.laterName(), 0, fits)
	s.store.Delete(r.Facts.Key)
	return s, r
}

func TestAcceptErasedMakesAGap(t *testing.T) {
	t.Parallel()
	s, r := erased(t, manyRecords)
	before := s.progress(r.Name, 0)
	for range 2 { // the second finds it done
		got, err := s.accepter().AcceptErased(t.Context(), r.Partition, r.Start)
		if err != nil || got.State != bifrost.StateLost || got.GapReason != bifrost.ReasonErased || got.Range != r.Range {
			t.Fatalf("error %v, row %+v", err, got)
		}
	}
	after := s.progress(r.Name, 0)
	if after.Records != before.Records-r.Facts.Records || after.Lost != before.Lost+r.Len() || after.NextOffset != before.NextOffset {
		t.Errorf("progress before %+v\nand after %+v", before, after)
	}
	s.sound(verify.Options{Deep: true, Kafka: true})
	if _, summary := s.verify(verify.Options{}); summary.Gaps[bifrost.ReasonErased] != r.Len() {
		t.Errorf("gaps %v", summary.Gaps)
	}

	// Kafka still has the records. Nobody archives them again, whatever is lost.
	rows := s.rowFacts()
	s.ledger.Lose(anyProgress, anyRow)
	s.settle()
	s.rebuild()
	s.compare("rows", s.rowFacts(), rows)
	s.sound(verify.Options{Deep: true, Kafka: true})
}

// TestTheNewestRecordBesideAnErasure: an erased object may have held the newest record, which its partition goes on to
// tell; one that is older than a record that is there is wrong all the same.
func TestTheNewestRecordBesideAnErasure(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]bool{"later": false, "earlier": true} {
		s, r := erased(t, manyRecords)
		if _, err := s.accepter().AcceptErased(t.Context(), r.Partition, r.Start); err != nil {
			t.Fatal(err)
		}
		p, err := s.ledger.Progress(t.Context(), r.Partition)
		if err != nil {
			t.Fatal(err)
		}
		p.LastRecordAt = p.LastRecordAt.Add(time.Hour)
		if wrong {
			p.LastRecordAt = time.UnixMilli(1)
		}
		s.ledger.PokeProgress(p)
		var kinds []verify.Kind
		_, err = s.verifier().Verify(t.Context(), verify.Options{}, func(v verify.Violation) { kinds = append(kinds, v.Kind) })
		if err != nil || wrong != slices.Equal(kinds, []verify.Kind{verify.TotalsWrong}) || !wrong && len(kinds) > 0 {
			t.Errorf("%s: found %v, error %v", name, kinds, err)
		}
	}
}

// TestAcceptErasedKeepsAGapsReason: a gap whose object was lost is the gap it was.
func TestAcceptErasedKeepsAGapsReason(t *testing.T) {
	t.Parallel()
	s := seasoned(t)
	r := s.row("orders", 1, isLost)
	s.store.Delete(r.Facts.Key)
	got, err := s.accepter().AcceptErased(t.Context(), r.Partition, r.Start)
	if err != nil || got.State != bifrost.StateLost || got.GapReason != r.GapReason {
		t.Fatalf("error %v, row %+v, want reason %s", err, got, r.GapReason)
	}
	s.sound(verify.Options{Deep: true, Kafka: true})
}

func TestAcceptErasedRefuses(t *testing.T) {
	t.Parallel()
	s, r := erased(t, manyRecords)
	other := s.row("orders", 1, manyRecords)
	refused := func(what string, p bifrost.Partition, start int64) {
		t.Helper()
		rows, keys := s.rowFacts(), strings.Join(s.store.Keys(), " ")
		if got, err := s.accepter().AcceptErased(t.Context(), p, start); err == nil {
			t.Errorf("%s: accepted, row %+v", what, got)
		}
		s.compare(what, s.rowFacts(), rows)
		if now := strings.Join(s.store.Keys(), " "); now != keys {
			t.Errorf("%s: keys %s, were %s", what, now, keys)
		}
	}
	refused("the object is there", other.Partition, other.Start)
	refused("no row starts there", r.Partition, r.Start+1)
	refused("no such partition", bifrost.Partition{Name: "nothing"}, 0)
	s.store.Put(r.Facts.Key, []byte("hello"))
	refused("something else is there", r.Partition, r.Start)
	s.store.Put(r.Facts.Key, s.content(other.Facts.Key))
	refused("another object is there", r.Partition, r.Start)
	s.store.Delete(r.Facts.Key)
	r.State = bifrost.StatePlanned
	s.ledger.Poke(r)
	refused("it is not archived yet", r.Partition, r.Start)
}

// shaky fails the nth of the calls that change something, before or after it is done.
type shaky struct {
	*bifrosttest.Ledger
	*bifrosttest.Store
	calls *int
	nth   int
	after bool
}

var errShaken = errors.New("injected fault")

func (f shaky) call(do func() error) error {
	*f.calls++
	if *f.calls != f.nth {
		return do()
	}
	if f.after {
		_ = do() // its answer is lost
	}
	return errShaken
}

func (f shaky) Erase(ctx context.Context, w bifrost.ErasureWrite) error {
	return f.call(func() error { return f.Ledger.Erase(ctx, w) })
}

func (f shaky) Create(ctx context.Context, key string) (upload bifrost.Upload, err error) {
	err = f.call(func() error { upload, err = f.Store.Create(ctx, key); return err })
	return shakyUpload{upload, f}, err
}

type shakyUpload struct {
	bifrost.Upload
	shaky
}

func (u shakyUpload) Complete(ctx context.Context) (stored bifrost.Stored, err error) {
	err = u.call(func() error { stored, err = u.Upload.Complete(ctx); return err })
	return stored, err
}

// TestAcceptErasedThroughFaults fails each call that changes something, before
// and after it is done, and accepts again.
func TestAcceptErasedThroughFaults(t *testing.T) {
	t.Parallel()
	faults := 0
	for _, after := range []bool{false, true} {
		for nth := 1; nth <= 3; nth++ {
			s, r := erased(t, manyRecords)
			calls := 0
			f := shaky{s.ledger, s.store, &calls, nth, after}
			a := s.accepter()
			a.Ledger, a.Store = f, f
			if _, err := a.AcceptErased(t.Context(), r.Partition, r.Start); err != nil {
				faults++
				if !errors.Is(err, errShaken) {
					t.Errorf("call %d: %v", nth, err)
				}
			}
			if _, err := a.AcceptErased(t.Context(), r.Partition, r.Start); err != nil {
				t.Errorf("call %d: again: %v", nth, err)
			}
			s.sound(verify.Options{Deep: true, Kafka: true})
			if n := len(s.store.Versions(r.Facts.Key)); n != 1 {
				t.Errorf("call %d: %d versions of the gap", nth, n)
			}
		}
	}
	if faults < 4 {
		t.Errorf("only %d faults were felt", faults)
	}
}
