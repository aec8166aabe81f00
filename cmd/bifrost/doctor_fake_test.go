//go:build !real

package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/doctor"
)

// TestDoctorLooksAtTheArchiveAsAWhole: of the cluster only what is archived counts, and a bucket that has nothing
// of what the tables name is another archive's.
func TestDoctorLooksAtTheArchiveAsAWhole(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s, other := f.sandbox(t), f.sandbox(t)
	orders, private := s.topics+"-orders", s.topics+"-private"
	must(t, s.topic(t.Context(), orders, 2))
	must(t, s.topic(t.Context(), private, 3))
	must(t, s.produce(t.Context(), numbered(orders, 0, 0, 10)...))
	s.env = append(s.env, "BIFROST_EXCLUDE_TOPICS="+private)
	s.inside(t, "flush").must(t, 0)
	for _, c := range []struct {
		args         []string
		name, result string
		says         string
	}{
		{nil, "offsets", doctor.ResultOK, "of 2 partitions"},
		{nil, "one archive", doctor.ResultOK, "belong together"},
		{[]string{"--bucket", other.bucket}, "one archive", doctor.ResultFailed, "names from the outputs of one stack"},
	} {
		var printed struct{ Checks []doctor.Check }
		must(t, json.Unmarshal([]byte(s.inside(t, append([]string{"doctor", "--json"}, c.args...)...).out), &printed))
		i := slices.IndexFunc(printed.Checks, func(check doctor.Check) bool { return check.Name == c.name })
		if i < 0 || printed.Checks[i].Result != c.result ||
			!strings.Contains(printed.Checks[i].Found+printed.Checks[i].Next, c.says) {
			t.Errorf("doctor %s: %s: %+v, want %s, %q", strings.Join(c.args, " "), c.name, printed.Checks, c.result, c.says)
		}
	}
}
