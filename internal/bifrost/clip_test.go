package bifrost

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
)

// TestMissingOffsetsOfAPart: of an object that a row holds in part, each missing
// offset is accounted for once, and by no cause more often than in the whole object.
func TestMissingOffsetsOfAPart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.Int64Range(0, 50)
		whole := Facts{Missing: baldr.Missing{Control: some.Draw(t, "control"), Aborted: some.Draw(t, "aborted"), Compacted: some.Draw(t, "compacted")}}
		whole.Records = some.Draw(t, "records")
		missing := rapid.Int64Range(0, SumMissing(whole.Missing)).Draw(t, "missing in the part")
		part := Facts{Records: rapid.Int64Range(0, whole.Records).Draw(t, "records of the part")}
		part.Range = Range{Start: 100, End: 100 + part.Records + missing}
		got := part.missingWithin(whole)
		m := got.Missing
		if SumMissing(m) != missing || m.Control > whole.Missing.Control || m.Aborted > whole.Missing.Aborted || m.Compacted > whole.Missing.Compacted {
			t.Fatalf("%+v of %d missing, the whole object has %+v", m, missing, whole.Missing)
		}
		if missing == SumMissing(whole.Missing) && m != whole.Missing {
			t.Fatalf("all is missing as in the whole object, %+v, and not %+v", whole.Missing, m)
		}
	})
}
