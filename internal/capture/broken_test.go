package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

// A line that does not hold what its type says is an error that names the line, in
// whichever of the two files it stands.
func TestLinesThatAreNotWhatTheySay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header string
		take   func(string, []byte) error
		lines  []string
	}{
		"configuration": {typeConfiguration, new(Configuration).takeLine, []string{
			`{"type":"configuration","version":[]}`, `{"type":"broker","id":"x"}`, `{"type":"feature","level":"x"}`, `{"type":"topic","partitions":1}`, `{"type":"acl","host":1}`,
			`{"type":"quota","values":1}`, `{"type":"scram_user","iterations":"x"}`, `{"type":"not_captured","names":1}`, `{"type":"positions"}`, `[]`,
		}},
		"positions": {typePositions, new(Positions).takeLine, []string{
			`{"type":"positions","at":1}`, `{"type":"group","offsets":1}`, `{"type":"offsets","partitions":1}`, `{"type":"not_captured","reason":1}`, `{"type":"configuration"}`,
			`{"type":"end","lines":1,"at":3}`, `{"type":"end","lines":"x"}`, `{"type":3}`,
		}},
	} {
		for _, line := range c.lines {
			text := fmt.Sprintf(`{"type":%q,"version":1}`+"\n%s\n", c.header, line) + `{"type":"end","lines":2}` + "\n"
			if err := readLines(bytes.NewReader(packed(text)), c.take); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
				t.Errorf("%s: %s: error %v, want one of line 2", name, line, err)
			}
		}
	}
	for text, says := range map[string]string{
		`{"type":"positions","version":1}` + "\n" + `{"type":"end","lines":7}` + "\n":          "line 2: the end counts 7 lines before it",
		`{"type":"positions","version":1}` + "\n" + `{"type":"end","lines":1}` + "\n" + "{}\n": "line 3: something follows the end",
		`{"type":"positions","version":1}` + "\n" + `{"type":"end","lines":1}`:                 "line 2: EOF",
		`{"type":"positions","version":9}` + "\n" + `{"type":"end","lines":1}` + "\n":          "line 1: version 9 of the format",
		`{"type":"positions","version":"x"}` + "\n" + `{"type":"end","lines":1}` + "\n":        "line 1: ",
	} {
		if err := readLines(bytes.NewReader(packed(text)), new(Positions).takeLine); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%q: error %v, want %q", text, err, says)
		}
	}
}

// away is a bucket of which some keys, or the list, cannot be read.
type away struct {
	*bifrosttest.Store
	part string
	err  error
}

func (a away) Open(ctx context.Context, key string) (bifrost.Object, error) {
	if strings.Contains(key, a.part) {
		return nil, a.err
	}
	return a.Store.Open(ctx, key)
}

func (a away) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	if a.part == "list" {
		return nil, a.err
	}
	return a.Store.List(ctx, prefix, after, limit)
}

// The capture of a time is the last that had begun by then, even if its slot had begun
// before; what cannot be read is never passed over for an older one.
func TestTheCaptureOfATime(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	var made []Snapshot
	c := s.capturer()
	for range 3 { // each three minutes into its slot
		s.due(c)
		s.now = s.now.Add(15 * time.Minute)
	}
	all, err := List(t.Context(), s.bucket, "g", "the-cluster")
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, l := range all {
		made = append(made, s.open(l.Key))
	}
	for name, c := range map[string]struct {
		at   time.Time
		want string // key; empty for none
	}{
		"as the last began":            {made[2].Positions.At, all[2].Key},
		"a moment before":              {made[2].Positions.At.Add(-time.Millisecond), all[1].Key},
		"in its slot, before it began": {all[2].At, all[1].Key},
		"long after":                   {made[2].Positions.At.Add(time.Hour), all[2].Key},
		"before the first began":       {made[0].Positions.At.Add(-time.Millisecond), ""},
		"before the first slot":        {all[0].At.Add(-time.Millisecond), ""},
	} {
		got, err := OpenAt(t.Context(), s.bucket, all, c.at)
		if c.want == "" && !errors.Is(err, bifrost.ErrNotFound) || c.want != "" && (err != nil || got.Key != c.want) {
			t.Errorf("%s: %q, %v; want %q", name, got.Key, err, c.want)
		}
	}
	broken := errors.New("away")
	for _, part := range []string{"positions-", "configuration-"} {
		if got, err := OpenAt(t.Context(), away{s.bucket, part, broken}, all, s.now); !errors.Is(err, broken) {
			t.Errorf("without %s: %q, %v", part, got.Key, err)
		}
	}
	if _, err := List(t.Context(), away{s.bucket, "list", broken}, "g", "the-cluster"); !errors.Is(err, broken) {
		t.Errorf("listed: %v", err)
	}
	if _, err := Clusters(t.Context(), away{s.bucket, "list", broken}, "g"); !errors.Is(err, broken) {
		t.Errorf("listed: %v", err)
	}
	s.bucket.Put(all[2].Key, []byte("rotten"))
	if _, err := Open(t.Context(), s.bucket, all[2].Key); err == nil || !strings.Contains(err.Error(), "read the capture "+all[2].Key) {
		t.Errorf("error %v", err)
	}
}

// A capture that was not written is read again as it would be.
func TestACaptureInMemory(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	made, err := s.capturer().CaptureNow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	written := s.open(made.Key)
	if got, err := made.Snapshot(); err != nil || got.Key != made.Key || got.Positions.Configuration != written.Positions.Configuration || len(got.Positions.Groups) != len(written.Positions.Groups) {
		t.Errorf("%+v, %v", got, err)
	}
	made.positions = made.positions[:len(made.positions)/2]
	if _, err := made.Snapshot(); err == nil {
		t.Error("half of the positions are read as whole")
	}
}
