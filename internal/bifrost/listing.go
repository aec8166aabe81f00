// Which partitions the bucket has.

package bifrost

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// afterAll sorts after everything that may follow a prefix: the last code point
// of Unicode. S3 sorts keys by their UTF-8 bytes.
const afterAll = "\U0010FFFF"

// ListPartitions finds the partitions that have anything under their prefix, and calls
// other for every key of the group that lies under none. A page of keys that
// ends inside a partition is enough of it: the next begins after it, so that a
// large archive costs one request a partition at most, and a small one fewer.
func ListPartitions(ctx context.Context, bucket KeyLister, group string, other func(key string)) ([]Partition, error) {
	prefix := group + "/"
	var partitions []Partition
	for after := ""; ; {
		page, err := bucket.List(ctx, prefix, after, ListPage)
		if err != nil {
			return nil, fmt.Errorf("list %s after %q: %w", prefix, after, err)
		}
		for _, key := range page {
			p, ok := PartitionOf(group, key)
			switch n := len(partitions); {
			case besideRecords(group, key) != "":
			case !ok:
				other(key)
			case n == 0 || partitions[n-1] != p:
				partitions = append(partitions, p)
			}
		}
		if len(page) < ListPage {
			return partitions, nil
		}
		after = page[len(page)-1]
		if p, ok := PartitionOf(group, after); ok {
			after = PartitionPrefix(group, p) + afterAll
		}
		if passed := besideRecords(group, after); passed != "" {
			after = passed + afterAll
		}
	}
}

// besideRecords is the prefix of the key if what lies below that prefix is no part of the
// archive's records: marks, files of jobs, records of verifications. Otherwise it is empty.
func besideRecords(group, key string) string {
	for _, prefix := range []string{MarksPrefix(group), JobsPrefix(group), VerificationsPrefix(group)} {
		if strings.HasPrefix(key, prefix) {
			return prefix
		}
	}
	return ""
}

// KnownPartitions is every partition that the bucket, the progress table or the
// index of planned rows knows, of the topics that the filter selects, in order.
func KnownPartitions(filter TopicFilter, inBucket []Partition, progress []Progress, planned []Row) []Partition {
	all := slices.Clone(inBucket)
	for _, p := range progress {
		all = append(all, p.Partition)
	}
	for _, r := range planned {
		all = append(all, r.Partition)
	}
	all = slices.DeleteFunc(all, func(p Partition) bool { return !filter.Selects(p.Topic()) })
	slices.SortFunc(all, comparePartitions)
	return slices.Compact(all)
}

func comparePartitions(a, b Partition) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number))
}

// PartitionOf is the partition under whose prefix the key lies.
func PartitionOf(group, key string) (Partition, bool) {
	parts := strings.SplitN(strings.TrimPrefix(key, group+"/"), "/", 3)
	if len(parts) < 3 || parts[0] == ClustersName || parts[0] == jobs || parts[0] == verifications {
		return Partition{}, false
	}
	number, err := strconv.ParseInt(strings.TrimPrefix(parts[1], "partition="), 10, 32)
	p := Partition{Name: parts[0], Number: int32(number)}
	return p, err == nil && number >= 0 && strings.HasPrefix(key, PartitionPrefix(group, p))
}

// ParseKeyOf reads a key and reports whether Bifrost itself would put an object
// of the partition there.
func ParseKeyOf(group string, p Partition, key string) (ParsedKey, bool) {
	parsed, err := ParseKey(key)
	ok := err == nil && parsed.Alternative < maxAlternatives &&
		key == ObjectKey(group, p, parsed.Start, parsed.Alternative)
	return parsed, ok
}

// KeyWalk goes through the keys under a prefix in order, a page at a time.
type KeyWalk struct {
	Bucket KeyLister
	Prefix string
	After  string // the last key that was seen; where to begin, if set before
	page   []string
	ended  bool
}

// Below returns the next keys that sort before bound ("" for all), at most a
// page of them, and none when there are no more.
func (w *KeyWalk) Below(ctx context.Context, bound string) ([]string, error) {
	if len(w.page) == 0 && !w.ended {
		page, err := w.Bucket.List(ctx, w.Prefix, w.After, ListPage)
		if err != nil {
			return nil, fmt.Errorf("list %s after %q: %w", w.Prefix, w.After, err)
		}
		w.page, w.ended = page, len(page) < ListPage
		if len(page) > 0 {
			w.After = page[len(page)-1]
		}
	}
	n := len(w.page)
	if bound != "" {
		for n = 0; n < len(w.page) && w.page[n] < bound; n++ {
		}
	}
	keys := w.page[:n]
	w.page = w.page[n:]
	return keys, nil
}
