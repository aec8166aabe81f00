package repair

import (
	"context"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// hiding is a bucket in which delete markers hide every key.
type hiding struct {
	Versions
	below []bifrost.Stored
}

func (h hiding) Hidden(context.Context, string) ([]string, []bifrost.Stored, error) {
	return []string{"marker"}, h.below, nil
}

// What is hidden is brought back only if its size and checksum are those of its row: a row or a
// store without a checksum proves nothing.
func TestWhatProvesAHiddenObject(t *testing.T) {
	t.Parallel()
	row := bifrost.Facts{Key: "k", StoredBytes: 10, Checksum: "sum"}
	unsummed := bifrost.Facts{Key: "k", StoredBytes: 10}
	for _, c := range []struct {
		name  string
		row   bifrost.Facts
		below []bifrost.Stored
		want  bool
		says  string // why not
	}{
		{"as in its row", row, []bifrost.Stored{{Size: 10, Checksum: "sum"}}, true, ""},
		{"another size", row, []bifrost.Stored{{Size: 11, Checksum: "sum"}}, false, "is not what its row says"},
		{"another size, without a checksum", row, []bifrost.Stored{{Size: 11}}, false, "is not what its row says"},
		{"another checksum", row, []bifrost.Stored{{Size: 10, Checksum: "other"}}, false, "is not what its row says"},
		{"a store without checksums", row, []bifrost.Stored{{Size: 10}}, false, "not known: this store keeps no checksum"},
		{"a row without one", unsummed, []bifrost.Stored{{Size: 10, Checksum: "sum"}}, false, "not known: its row has no checksum"},
		{"neither has one", unsummed, []bifrost.Stored{{Size: 10}}, false, "not known: this store keeps no checksum"},
		{"two versions", row, []bifrost.Stored{{Size: 10, Checksum: "sum"}, {Size: 10, Checksum: "sum"}}, false, "2 versions"},
		{"the only version, without a row", bifrost.Facts{}, []bifrost.Stored{{Size: 10}}, true, ""},
	} {
		plan := &FixPlan{}
		reason, err := (&Fixer{Versions: hiding{below: c.below}}).planHidden(t.Context(), plan, "k", c.row)
		if err != nil || (len(plan.Hidden) == 1) != c.want || (reason == "") != c.want || !strings.Contains(reason, c.says) {
			t.Errorf("%s: %+v, %q, %v", c.name, plan.Hidden, reason, err)
		}
	}
}
