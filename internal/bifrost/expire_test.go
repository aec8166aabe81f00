package bifrost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// An object that the bucket has deleted because of its age is not missed; one
// that is too young for that is, and so is every one where nothing expires.
func TestVerifyAcceptsWhatExpired(t *testing.T) {
	t.Parallel()
	s, r := erased(t, manyRecords)
	r.ArchivedAt = r.PlannedAt.Add(time.Minute) // what counts is the plan, which is before the object
	s.ledger.Poke(r)
	age := s.clock.Now().Sub(r.PlannedAt)
	for expiration, missed := range map[time.Duration]bool{0: true, age + time.Second: true, age: false} {
		var found []verify.Violation
		v := s.verifier()
		v.Expiration = expiration
		summary, err := v.Verify(context.Background(), verify.Options{Deep: true}, func(v verify.Violation) { found = append(found, v) })
		if err != nil {
			t.Fatal(err)
		}
		if got := len(found) == 1 && found[0].Kind == verify.ObjectMissing; got != missed || (len(found) == 0) != !missed || (summary.Expired == 1) == missed {
			t.Errorf("expires after %v, is %v old: %d expired, found %+v", expiration, age, summary.Expired, found)
		}
	}
}

// The lifecycle rule of infra/data.yaml deletes objects of more than 400 bytes:
// every object of a range or a gap has more, every marker less.
func TestSizesThatTellMarkersFromObjects(t *testing.T) {
	t.Parallel()
	const bound = 400
	for what, content := range map[string]any{
		"marker": map[string]any{
			"cluster_id": strings.Repeat("c", 22), "topic": strings.Repeat("t", 249), "topic_id": strings.Repeat("i", 22), "born": true,
		},
		"birth object": map[string]any{"cluster_id": strings.Repeat("c", 22), "topic_id": strings.Repeat("i", 22), "birth": strings.Repeat("b", 26)},
	} {
		small, err := json.Marshal(content)
		if err != nil || len(small) > bound {
			t.Errorf("the largest %s has %d bytes, error %v", what, len(small), err)
		}
	}
	for _, options := range []baldr.Options{{Level: 9}, {Level: 9, ValuesOnly: true}, {Level: 9, SingleMember: true}} {
		for kind, summary := range map[string]baldr.Summary{
			"a gap":    {Kind: baldr.KindGap, Reason: "x", Topic: "t", End: 1, LastLeaderEpoch: -1},
			"no value": {Kind: baldr.KindRecords, Topic: "t", End: 1},
		} {
			var object bytes.Buffer
			w := baldr.NewWriter(&object, options)
			if summary.Kind == baldr.KindRecords {
				if err := w.WriteRecord(&baldr.Record{}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.Close(summary); err != nil || object.Len() <= bound {
				t.Errorf("%s as %+v has %d bytes, error %v", kind, options, object.Len(), err)
			}
		}
	}
}
