package bifrost_test

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// rowEdits are all that can be edited in a row and be told from the rest.
var rowEdits = map[string]func(*bifrost.Row, int64){
	"start":         func(r *bifrost.Row, by int64) { r.Start += by },
	"end":           func(r *bifrost.Row, by int64) { r.End += by },
	"cluster":       func(r *bifrost.Row, _ int64) { r.ClusterID += "x" },
	"topic ID":      func(r *bifrost.Row, by int64) { r.TopicID[3] += byte(by) },
	"state":         func(r *bifrost.Row, _ int64) { r.State = "DONE" },
	"state planned": func(r *bifrost.Row, _ int64) { r.State, r.Facts = bifrost.StatePlanned, bifrost.Facts{} },
	"gap reason":    func(r *bifrost.Row, _ int64) { r.GapReason += "x" },
	"key":           func(r *bifrost.Row, _ int64) { r.Facts.Key += "x" },
	"key of another": func(r *bifrost.Row, by int64) {
		r.Facts.Key = bifrost.ObjectKey(testGroup, r.Partition, r.Start+by*by, 0)
	},
	"kind":            func(r *bifrost.Row, _ int64) { r.Facts.Kind = 1 - r.Facts.Kind },
	"reason":          func(r *bifrost.Row, _ int64) { r.Facts.Reason += "x" },
	"object's start":  func(r *bifrost.Row, by int64) { r.Facts.Start += by },
	"object's end":    func(r *bifrost.Row, by int64) { r.Facts.End += by },
	"records":         func(r *bifrost.Row, by int64) { r.Facts.Records += by },
	"control":         func(r *bifrost.Row, by int64) { r.Facts.Missing.Control += by },
	"aborted":         func(r *bifrost.Row, by int64) { r.Facts.Missing.Aborted += by },
	"compacted":       func(r *bifrost.Row, by int64) { r.Facts.Missing.Compacted += by },
	"other reason":    func(r *bifrost.Row, by int64) { r.Facts.Missing.Compacted += by; r.Facts.Missing.Control -= by },
	"raw bytes":       func(r *bifrost.Row, by int64) { r.Facts.RawBytes += by },
	"stored bytes":    func(r *bifrost.Row, by int64) { r.Facts.StoredBytes += by },
	"first timestamp": func(r *bifrost.Row, by int64) { r.Facts.FirstTimestamp += by },
	"last timestamp":  func(r *bifrost.Row, by int64) { r.Facts.LastTimestamp += by },
	"checksum":        func(r *bifrost.Row, _ int64) { r.Facts.Checksum = "rosUhgp5mIg=" },
	"no checksum":     func(r *bifrost.Row, _ int64) { r.Facts.Checksum = "" },
	"leader epoch":    func(r *bifrost.Row, by int64) { r.Facts.LeaderEpoch += int32(by) },
}

var progressEdits = map[string]func(*bifrost.Progress, int64){
	"next_offset":      func(p *bifrost.Progress, by int64) { p.NextOffset += by },
	"planned_offset":   func(p *bifrost.Progress, by int64) { p.PlannedOffset += by },
	"archived_records": func(p *bifrost.Progress, by int64) { p.Records += by },
	"raw_bytes":        func(p *bifrost.Progress, by int64) { p.RawBytes += by },
	"stored_bytes":     func(p *bifrost.Progress, by int64) { p.StoredBytes += by },
	"missing_offsets":  func(p *bifrost.Progress, by int64) { p.Totals.Missing += by },
	"lost_offsets":     func(p *bifrost.Progress, by int64) { p.Lost += by },
	"cluster":          func(p *bifrost.Progress, _ int64) { p.ClusterID += "x" },
	"topic ID":         func(p *bifrost.Progress, by int64) { p.TopicID[7] += byte(by) },
	"generation":       func(p *bifrost.Progress, _ int64) { p.Generation = "" },
	"status":           func(p *bifrost.Progress, _ int64) { p.Status = "" },
	"last_object":      func(p *bifrost.Progress, _ int64) { p.LastObject += "x" },
	"no last_object":   func(p *bifrost.Progress, _ int64) { p.LastObject = "" },
	"last_timestamp":   func(p *bifrost.Progress, by int64) { p.LastRecordAt = p.LastRecordAt.Add(1e6 * 1000 * 1000) },
}

func choice[T any](t *rapid.T, what string, from map[string]T) T {
	names := make([]string, 0, len(from))
	for name := range from {
		names = append(names, name)
	}
	slices.Sort(names)
	return from[rapid.SampledFrom(names).Draw(t, what)]
}

// TestVerifyFindsEverySingleDamage damages one thing, anywhere, in any way,
// verifies, by a job too, and puts it back.
func TestVerifyFindsEverySingleDamage(t *testing.T) {
	t.Parallel()
	s := seasoned(t)
	keys, backup := s.objectKeys(), s.ledger.Backup()
	rows := s.ledger.AllRows()
	progress, err := s.ledger.ListProgress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	damage := map[string]func(*rapid.T) func(){
		"row edited": func(t *rapid.T) func() {
			r := rapid.SampledFrom(rows).Draw(t, "row")
			s.lose(r)
			choice(t, "field", rowEdits)(&r, rapid.SampledFrom([]int64{-2, -1, 1, 2}).Draw(t, "by"))
			s.ledger.Poke(r)
			return nil
		},
		"row deleted": func(t *rapid.T) func() { s.lose(rapid.SampledFrom(rows).Draw(t, "row")); return nil },
		"row added": func(t *rapid.T) func() {
			r := rapid.SampledFrom(rows).Draw(t, "row")
			r.Start = rapid.Int64Range(0, 60).Filter(func(start int64) bool {
				return !slices.ContainsFunc(rows, func(o bifrost.Row) bool { return o.Partition == r.Partition && o.Start == start })
			}).Draw(t, "start")
			r.End = r.Start + rapid.Int64Range(1, 5).Draw(t, "length")
			if rapid.Bool().Draw(t, "planned") {
				r.State, r.Facts, r.GapReason = bifrost.StatePlanned, bifrost.Facts{}, ""
			}
			s.ledger.Poke(r)
			return nil
		},
		"progress edited": func(t *rapid.T) func() {
			p := rapid.SampledFrom(progress).Draw(t, "progress")
			choice(t, "field", progressEdits)(&p, rapid.SampledFrom([]int64{-40, -3, -1, 1, 2}).Draw(t, "by"))
			s.ledger.PokeProgress(p)
			return nil
		},
		"progress deleted": func(t *rapid.T) func() {
			lost := rapid.SampledFrom(progress).Draw(t, "progress")
			s.ledger.Lose(func(p bifrost.Progress) bool { return p.Partition == lost.Partition }, nil)
			return nil
		},
		"object deleted": func(t *rapid.T) func() {
			key := rapid.SampledFrom(s.store.Keys()).Draw(t, "key")
			content := s.content(key)
			s.store.Delete(key)
			return func() { s.store.Put(key, content) }
		},
		"object replaced": func(t *rapid.T) func() {
			key := rapid.SampledFrom(keys).Draw(t, "key")
			content := s.content(key)
			s.store.Put(key, replacement(t, s, keys, content))
			return func() { s.store.Put(key, content) }
		},
		"object added": func(t *rapid.T) func() {
			of := rapid.SampledFrom(progress).Draw(t, "partition").Partition
			key := bifrost.ObjectKey(testGroup, of, rapid.Int64Range(0, 60).Draw(t, "start"), rapid.IntRange(0, 2).Draw(t, "alternative"))
			if slices.Contains(keys, key) {
				key += "x"
			}
			s.store.Put(key, s.content(rapid.SampledFrom(keys).Draw(t, "copy of")))
			return func() { s.store.Delete(key) }
		},
	}
	rapid.Check(t, func(t *rapid.T) {
		undo := choice(t, "damage", damage)(t)
		found, _ := s.verify(verify.Options{})
		s.mustFindAsJob(t)
		s.ledger.Restore(backup)
		if undo != nil {
			undo()
		}
		if len(found) == 0 {
			t.Fatalf("the damage was not found")
		}
	})
	if found, _ := s.verify(verify.Options{Deep: true, Kafka: true}); len(found) > 0 {
		t.Errorf("after everything was put back: %+v", found)
	}
}

// replacement is other bytes than those given.
func replacement(t *rapid.T, s *stack, keys []string, content []byte) []byte {
	at := rapid.IntRange(0, len(content)-1).Draw(t, "at")
	switch rapid.IntRange(0, 2).Draw(t, "how") {
	case 0:
		return content[:at]
	case 1:
		flipped := bytes.Clone(content)
		flipped[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		return flipped
	}
	other := s.content(rapid.SampledFrom(keys).Filter(func(key string) bool { return !bytes.Equal(s.content(key), content) }).Draw(t, "other"))
	return bytes.Clone(other)
}

// rotten is a bucket whose disks lose bits unnoticed: it still answers with the
// checksum of what was written.
type rotten struct {
	*bifrosttest.Store
	key string
	at  int // byte of the object at the key that is read wrong
}

func (b rotten) Open(ctx context.Context, key string) (bifrost.Object, error) {
	object, err := b.Store.Open(ctx, key)
	if err == nil && key == b.key {
		object = rottenObject{object, b.at}
	}
	return object, err
}

type rottenObject struct {
	bifrost.Object
	at int
}

func (o rottenObject) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.Object.ReadAt(p, off)
	if i := int64(o.at) - off; i >= 0 && i < int64(n) {
		p[i] ^= 0x10
	}
	return n, err
}

// TestDeepVerifyFindsEveryRottenByte changes each byte of an object, one at a
// time, under a store that does not notice.
func TestDeepVerifyFindsEveryRottenByte(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.target = 1 << 20
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	log.Produce("one", "two")
	s.settle()
	key := s.row("orders", 0, manyRecords).Facts.Key
	size := len(s.content(key))
	for at := range size {
		v := s.verifier()
		v.Bucket = rotten{Store: s.store, key: key, at: at}
		kinds := map[verify.Kind]bool{}
		if _, err := v.Verify(t.Context(), verify.Options{Deep: true}, func(v verify.Violation) { kinds[v.Kind] = true }); err != nil {
			t.Fatal(err)
		}
		if len(kinds) == 0 {
			t.Errorf("byte %d of %d: not found", at, size)
		}
	}
}

// TestEveryKindIsDocumented: the table of docs/verify.md has each kind that there is, and
// no other. TestVerifyFindsDamageOfEveryKind has damage of each.
func TestEveryKindIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "\n## Kinds of violations\n")
	table, _, ended := strings.Cut(table, "\n## ")
	if !found || !ended {
		t.Fatal("docs/verify.md has no section of the kinds")
	}
	var documented []verify.Kind
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]*)` \\| .*\\|$").FindAllStringSubmatch(table, -1) {
		documented = append(documented, verify.Kind(row[1]))
	}
	if kinds := verify.Kinds(); !slices.Equal(documented, kinds) {
		t.Errorf("docs/verify.md has the kinds\n%q, want\n%q", documented, kinds)
	}
}
