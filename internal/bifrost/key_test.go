package bifrost

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestObjectKey(t *testing.T) {
	t.Parallel()
	p := Partition{Name: "orders", Number: 3}
	if got, want := ObjectKey("backup", p, 1000, 0), "backup/orders/partition=3/00000000000000001000.baldr.gz"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := ObjectKey("backup", p, 1000, 1), "backup/orders/partition=3/00000000000000001000~1.baldr.gz"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseKeyReadsWhatObjectKeyWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := ParsedKey{
			Group:       rapid.StringMatching(`[a-z]+(/[a-z]+)?`).Draw(t, "group"),
			Partition:   Partition{Name: rapid.StringMatching(`[a-zA-Z0-9._-]+(@[A-Za-z0-9_-]{22})?`).Draw(t, "name"), Number: rapid.Int32Range(0, 1<<30).Draw(t, "partition")},
			Start:       rapid.Int64Range(0, 1<<62).Draw(t, "start"),
			Alternative: rapid.IntRange(0, 3).Draw(t, "alternative"),
		}
		key := ObjectKey(want.Group, want.Partition, want.Start, want.Alternative)
		if got, err := ParseKey(key); err != nil || got != want {
			t.Fatalf("%s reads as %+v, %v; want %+v", key, got, err, want)
		}
	})
}

func TestParseKeyOfTheOriginal(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"g/t/partition=0/0000042.baldr.gz", "g/t/partition=0/0000000042.baldr.gz"} {
		if got, err := ParseKey(key); err != nil || got.Start != 42 {
			t.Errorf("%s reads as %+v, %v", key, got, err)
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"", "t/partition=0/1.baldr.gz", "g/t/0/1.baldr.gz", "g/t/partition=x/1.baldr.gz", "g/t/partition=-1/1.baldr.gz",
		"g/t/partition=0/1.gz", "g/t/partition=0/-1.baldr.gz", "g/t/partition=0/+1.baldr.gz", "g/t/partition=0/1~0.baldr.gz",
		"g/t/partition=0/1~x.baldr.gz", "g/t/_bifrost.json", "g/t/partition=0/99999999999999999999.baldr.gz",
	} {
		if got, err := ParseKey(key); err == nil {
			t.Errorf("%q reads as %+v", key, got)
		}
	}
}

func TestKeysSortByOffset(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		starts := rapid.SliceOf(rapid.Int64Range(0, 1<<62)).Draw(t, "starts")
		slices.Sort(starts)
		var keys []string
		for _, s := range starts {
			keys = append(keys, ObjectKey("g", Partition{Name: "t"}, s, 0))
		}
		if !slices.IsSorted(keys) {
			t.Fatalf("keys of %v are out of order", starts)
		}
	})
}

func TestPartitionNames(t *testing.T) {
	t.Parallel()
	later := Incarnation{ClusterID: "c", Topic: "orders", TopicID: TopicID{1}}.LaterName()
	p := Partition{Name: later, Number: 7}
	if p.Topic() != "orders" || (Partition{Name: "orders"}).Topic() != "orders" {
		t.Errorf("the topic of %s is %s", later, p.Topic())
	}
	if want := "orders@AQAAAAAAAAAAAAAAAAAAAA/7"; p.String() != want {
		t.Errorf("got %s, want %s", p, want)
	}
	var id TopicID
	if err := id.UnmarshalText([]byte("AQAAAAAAAAAAAAAAAAAAAA")); err != nil || id != (TopicID{1}) {
		t.Errorf("got %v, %v", id, err)
	}
	for _, bad := range []string{"", "short", "AQAAAAAAAAAAAAAAAAAAA!", "AQAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		if err := id.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("topic ID %q was read", bad)
		}
	}
}
