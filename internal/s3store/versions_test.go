package s3store_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest/httpfault"
)

// Whatever stands beside an object in the list of versions, what is found is of its key: each of
// its markers, the newest of which need not come first, and each of its versions. A list that goes
// on is none.
func TestVersionsOfOneKey(t *testing.T) {
	t.Parallel()
	const key = "archive/a"
	marker := func(key, version string, latest bool) string {
		return fmt.Sprintf("<DeleteMarker><Key>%s</Key><VersionId>%s</VersionId><IsLatest>%v</IsLatest></DeleteMarker>", key, version, latest)
	}
	version := func(key, version string) string {
		return fmt.Sprintf("<Version><Key>%s</Key><VersionId>%s</VersionId></Version>", key, version)
	}
	for name, c := range map[string]struct {
		list, cut string
		markers   []string
		below     int
	}{
		"none":                 {"", "false", nil, 0},
		"not hidden":           {marker(key, "1", false) + version(key, "2"), "false", nil, 0},
		"hidden":               {marker(key, "1", true) + version(key, "2"), "false", []string{"1"}, 1},
		"twice, the first now": {marker(key, "1", true) + marker(key, "3", false) + version(key, "2"), "false", []string{"1", "3"}, 1},
		"twice, the last now":  {marker(key, "1", false) + marker(key, "3", true) + version(key, "2") + version(key, "4"), "false", []string{"1", "3"}, 2},
		"others are":           {marker(key+"b", "1", true) + version(key, "2"), "false", nil, 0},
		"beside others":        {marker(key, "1", true) + marker(key+"b", "5", true) + version(key+"b", "2") + version(key, "3"), "false", []string{"1"}, 1},
		"more than a page":     {marker(key, "1", true) + version(key, "2"), "true", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			f.faults.Next(func(r *http.Request) bool { return r.URL.Query().Has("versions") }, httpfault.Answer(200, nil,
				"<ListVersionsResult><IsTruncated>"+c.cut+"</IsTruncated>"+c.list+"</ListVersionsResult>"))
			asked := httpfault.Answer(200, http.Header{"Content-Length": {"7"}}, "")
			f.faults.Next(isHead, asked, asked, asked)
			markers, below, err := f.Hidden(f.Context(), key)
			if err != nil || !slices.Equal(markers, c.markers) || len(below) != c.below {
				t.Errorf("markers %v above %v, error %v; want %v above %d", markers, below, err, c.markers, c.below)
			}
		})
	}
	f := newFaulty(t)
	var removed []string
	remove := func(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
		removed = append(removed, r.URL.Query().Get("versionId"))
		return httpfault.Answer(204, nil, "")(nil, r)
	}
	f.faults.Next(func(r *http.Request) bool { return r.Method == http.MethodDelete }, remove, remove, remove)
	f.must(f.Unhide(f.Context(), key, []string{"1", "3", "5"}))
	if !slices.Equal(removed, []string{"1", "3", "5"}) {
		t.Errorf("removed %q", removed)
	}
}
