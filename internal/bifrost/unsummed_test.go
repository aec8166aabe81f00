package bifrost_test

import (
	"context"
	"slices"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// unsummed is a store that keeps no checksums of whole objects, as some that are not Amazon's. Its rows may
// have them from the store that the archive was moved from.
type unsummed struct{ verify.BucketReader }

func (b unsummed) Open(ctx context.Context, key string) (bifrost.Object, error) {
	object, err := b.BucketReader.Open(ctx, key)
	if err == nil {
		object = unsummedObject{object}
	}
	return object, err
}

type unsummedObject struct{ bifrost.Object }

func (o unsummedObject) Stored() bifrost.Stored { return bifrost.Stored{Size: o.Object.Stored().Size} }

// What was not compared is not called wrong, and neither does it go without a word.
func TestObjectsWithoutAChecksumAreNotWrong(t *testing.T) {
	t.Parallel()
	s := seasoned(t)
	for _, deep := range []bool{false, true} {
		v := s.verifier()
		v.Bucket = unsummed{s.store}
		summary, err := v.Verify(t.Context(), verify.Options{Deep: deep}, func(found verify.Violation) {
			t.Errorf("deep %v: %+v", deep, found)
		})
		if err != nil || summary.NoChecksum == 0 {
			t.Errorf("deep %v: %d objects have no checksum, %v", deep, summary.NoChecksum, err)
		}
		if _, kept := s.verify(verify.Options{Deep: deep}); kept.NoChecksum != 0 {
			t.Errorf("deep %v: of a store that keeps checksums, %d objects have none", deep, kept.NoChecksum)
		}
	}
}

// A deep look compares the bytes with the checksum of the row where the store keeps none: it finds what no
// member's own checksum covers.
func TestDeepVerifyFindsRottenBytesWithoutTheStoresChecksum(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.target = 1 << 20
	s.kafka.CreateTopic("orders", 1).Logs[0].Produce("one", "two")
	s.settle()
	key := s.row("orders", 0, manyRecords).Facts.Key
	var kinds []verify.Kind
	for at := range len(s.content(key)) {
		v := s.verifier()
		v.Bucket = unsummed{rotten{Store: s.store, key: key, at: at}}
		found := 0
		_, err := v.Verify(t.Context(), verify.Options{Deep: true}, func(of verify.Violation) {
			found++
			kinds = append(kinds, of.Kind)
		})
		if err != nil || found == 0 {
			t.Errorf("byte %d: nothing is found, %v", at, err)
		}
	}
	if !slices.Contains(kinds, verify.ObjectChecksum) {
		t.Error("no byte is found by the checksum of the row")
	}
}
