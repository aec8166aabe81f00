package baldr

import (
	"bytes"
	"slices"
	"testing"
)

// TestIndexIsBoundByTheSummary: the index of an object is believed up to each bound
// that the summary and the other rows give, and not one beyond.
func TestIndexIsBoundByTheSummary(t *testing.T) {
	t.Parallel()
	var object bytes.Buffer
	w := NewWriter(&object, Options{MemberBytes: 20})
	for offset := int64(10); offset < 20; offset++ {
		if err := w.WriteRecord(&Record{Offset: offset, Timestamp: 1000 + offset, Value: []byte("value")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(Summary{Topic: "orders", Start: 10, End: 20}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(object.Bytes()), int64(object.Len()), ReaderOptions{})
	if err != nil || len(f.members) < 3 {
		t.Fatalf("%d members, %v", len(f.members), err)
	}
	indexAt, last := int64(0), len(f.members)-1
	for _, m := range f.members {
		indexAt += m.storedBytes
	}
	for name, c := range map[string]struct {
		change func(c *catalogue)
		good   bool
	}{
		"as it is":                          {func(*catalogue) {}, true},
		"it begins before the first record": {func(c *catalogue) { c.summary.Start = 9 }, true},
		"it ends behind the last record":    {func(c *catalogue) { c.summary.End = 21 }, true},
		"it begins behind the first record": {func(c *catalogue) { c.summary.Start = 11 }, false},
		"it ends at the last record":        {func(c *catalogue) { c.summary.End = 19 }, false},
		"a member begins in the one before": {func(c *catalogue) { c.members[1].firstOffset = c.members[0].lastOffset }, false},
		"a member ends in the next":         {func(c *catalogue) { c.members[0].lastOffset = c.members[1].firstOffset }, false},
		"a member begins a byte late":       {func(c *catalogue) { c.members[1].position++ }, false},
		"a member has a byte too many":      {func(c *catalogue) { c.members[last].storedBytes++ }, false},
		"a member has a byte too few":       {func(c *catalogue) { c.members[last].storedBytes-- }, false},
		"a record too many":                 {func(c *catalogue) { c.summary.Records-- }, false},
		"a byte too many":                   {func(c *catalogue) { c.summary.RawBytes-- }, false},
	} {
		changed := catalogue{f.summary, slices.Clone(f.members)}
		c.change(&changed)
		if err := changed.check(indexAt); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
