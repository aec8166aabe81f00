package health_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/health"
)

// namedTables are tables that name objects and have a mark.
type namedTables struct {
	progress, objects string
	mark              bifrost.TablesMark
}

func (n namedTables) ObjectKeys(context.Context) (progress, objects string, err error) {
	return n.progress, n.objects, nil
}

func (n namedTables) Mark(context.Context) (bifrost.TablesMark, error) {
	if n.mark.Series == "" {
		return n.mark, bifrost.ErrNotFound
	}
	return n.mark, nil
}

// keys is a bucket of which only the keys count.
type keys []string

func (k keys) List(_ context.Context, prefix, after string, limit int) (found []string, err error) {
	for _, key := range slices.Sorted(slices.Values(k)) {
		if strings.HasPrefix(key, prefix) && key > after && len(found) < limit {
			found = append(found, key)
		}
	}
	return found, nil
}

func (k keys) Open(_ context.Context, key string) (bifrost.Object, error) {
	if slices.Contains(k, key) {
		return nil, nil
	}
	return nil, bifrost.ErrNotFound
}

const object = "mine/orders/partition=0/00000000000000000000.baldr.gz"

// Every way in which the names may belong to two archives is told from every way in
// which they belong to one, or may.
func TestNamesOfTwoArchives(t *testing.T) {
	t.Parallel()
	mark := bifrost.TablesMark{Series: "S", Number: 2}
	first := bifrost.TablesMark{Series: "S", Number: 1}
	marked, elsewhere := bifrost.MarkKey("mine", "S", 1), bifrost.MarkKey("other", "S", 1)
	for _, c := range []struct {
		name        string
		group       string
		tables      namedTables
		bucket      keys
		wrongGroup  bool
		wrongBucket bool
	}{
		{"as deployed", "mine", namedTables{object, object, mark}, keys{object, marked}, false, false},
		{"another group", "other", namedTables{object, object, mark}, keys{object, marked}, true, false},
		{"another objects table", "mine", namedTables{object, "other/a/partition=0/0", mark}, keys{object, marked}, true, false},
		{"a group that begins alike", "min", namedTables{object, "", mark}, keys{object, marked}, true, false},
		{"nothing archived, marks of another group", "other", namedTables{mark: mark}, keys{marked}, true, false},
		{"nothing archived, and marks lost", "mine", namedTables{mark: mark}, keys{object}, false, false},
		{"new tables", "mine", namedTables{}, keys{}, false, false},
		{"new tables beside another group", "other", namedTables{}, keys{object, marked}, false, false},
		{"another bucket", "mine", namedTables{object, object, mark}, keys{"mine/a/partition=0/0"}, false, true},
		{"another bucket, with marks of a series that begins alike", "mine", namedTables{object, object, mark}, keys{bifrost.MarkKey("mine", "S2", 1)}, false, true},
		{"an empty bucket", "mine", namedTables{object, object, mark}, nil, false, true},
		{"the object is lost", "mine", namedTables{object, object, mark}, keys{marked}, false, false},
		{"the marks are lost", "mine", namedTables{object, object, mark}, keys{object}, false, false},
		{"one table names an object, and marks are elsewhere", "mine", namedTables{objects: object, mark: mark}, keys{object, elsewhere}, false, false},
		{"the other table names an object, and marks are elsewhere", "mine", namedTables{progress: object, mark: mark}, keys{object, elsewhere}, false, false},
		{"nothing archived, the first mark of another group", "other", namedTables{mark: first}, keys{marked}, true, false},
		{"nothing archived, marks of the second group of others", "other", namedTables{mark: mark}, keys{"a/b/partition=0/0", "c/d/partition=0/0", marked}, true, false},
		{"nothing archived, and a key of no group before the marks", "other", namedTables{mark: mark}, keys{"m", marked}, true, false},
		{"nothing counted, marks of another group", "other", namedTables{mark: bifrost.TablesMark{Series: "S"}}, keys{marked}, false, false},
		{"the object is lost, and there is one mark", "mine", namedTables{object, object, first}, keys{marked}, false, false},
		{"one of two objects is lost, the first", "mine", namedTables{object, "mine/z/partition=0/0", first}, keys{"mine/z/partition=0/0"}, false, false},
	} {
		b := health.Belonging{Group: c.group, BucketName: "bucket", Tables: c.tables, Bucket: c.bucket}
		if err := b.CheckGroup(t.Context()); errors.Is(err, health.ErrOtherArchive) != c.wrongGroup || !c.wrongGroup && err != nil {
			t.Errorf("%s: the group is checked with %v", c.name, err)
		}
		err := b.CheckBucket(t.Context())
		if errors.Is(err, health.ErrOtherArchive) != c.wrongBucket || !c.wrongBucket && err != nil {
			t.Errorf("%s: the bucket is checked with %v", c.name, err)
		}
	}
}

// Empty tables are lost if the bucket has an archive of the group, and suspicious if it has
// one of another; marks and captures alone are no archive.
func TestLostTables(t *testing.T) {
	t.Parallel()
	const foreign = "other/a/partition=0/0"
	marks := func(group string) string { return bifrost.MarkKey(group, "S", 1) }
	for _, c := range []struct {
		want   string
		bucket keys
	}{
		{"", keys{}},
		{"", keys{marks("mine")}},
		{"", keys{marks("mine"), marks("other")}},
		{"has an archive of group mine", keys{marks("mine"), object, foreign}},
		{"has objects of other and none of group mine:", keys{foreign}},
		{"has objects of other and none of group mine:", keys{marks("a"), marks("mine"), foreign}},
	} {
		want, bucket := c.want, c.bucket
		slices.Sort(bucket)
		b := health.Belonging{Group: "mine", BucketName: "bucket", Tables: namedTables{}, Bucket: bucket}
		problem, err := b.LostTables(t.Context())
		if err != nil || !strings.Contains(problem, want) || want == "" && problem != "" {
			t.Errorf("of %v it says %q, %v; want %q", bucket, problem, err, want)
		}
	}
}

// The objects that the bucket lacks are named one by one, each once.
func TestObjectsThatTheBucketLacksAreNamed(t *testing.T) {
	t.Parallel()
	const other = "mine/orders/partition=1/00000000000000000000.baldr.gz"
	for want, tables := range map[string]namedTables{
		"nor " + object + ": are":                   {progress: object, objects: object},
		"nor " + object + " nor " + other + ": are": {progress: object, objects: other},
		"nor " + other + ": are":                    {objects: other},
	} {
		err := health.Belonging{Group: "mine", Tables: tables, Bucket: keys{}}.CheckBucket(t.Context())
		if !errors.Is(err, health.ErrOtherArchive) || !strings.Contains(err.Error(), "marks "+want) {
			t.Errorf("%+v: error %v, want one that says %q", tables, err, want)
		}
	}
}
