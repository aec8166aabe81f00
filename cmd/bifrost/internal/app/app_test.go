package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// Later lives that are not read are told, of each topic once, and no others.
func TestTellLives(t *testing.T) {
	t.Parallel()
	var all []bifrost.Progress
	first, second, third := "a@AAAAAAAAQACAAAAAAAAAAA", "a@BAAAAAAAQACAAAAAAAAAAA", "b@AAAAAAAAQACAAAAAAAAAAA"
	for _, name := range []string{"a", first, second, "b", third, "c"} {
		for number := range int32(2) {
			all = append(all, bifrost.Progress{Partition: bifrost.Partition{Name: name, Number: number}})
		}
	}
	both := func(topic string, lives ...string) string { return topic + " goes on as " + strings.Join(lives, ", ") }
	for _, c := range []struct{ names, want []string }{
		{nil, nil},
		{[]string{"c"}, nil},
		{[]string{"b"}, []string{both("b", third)}},
		{[]string{"b", "a", "b", "a"}, []string{both("a", first, second), both("b", third)}},
		{[]string{"a", first}, []string{both("a", second)}},
		{[]string{second, "a"}, []string{both("a", first)}},
		{[]string{first, second, "a", "b"}, []string{both("b", third)}},
		{[]string{first, second, third}, nil},
	} {
		var talk bytes.Buffer
		a := New(nil, io.Discard, &talk)
		a.TellLives(all, c.names...)
		var got []string
		for line := range strings.Lines(talk.String()) {
			topic, rest, _ := strings.Cut(strings.TrimPrefix(line, "warning: "), " is the first life of the topic; it goes on as ")
			lives, _, _ := strings.Cut(rest, ": name that for what came later")
			got = append(got, both(topic, lives))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.names, got, c.want)
		}
	}
}

// Of several later lives the present one is told, if there is one, and they are in order of age.
func TestThePresentLifeIsTold(t *testing.T) {
	t.Parallel()
	first, older, present := bifrost.TopicID{5}, bifrost.TopicID{9}, bifrost.TopicID{2}
	named := func(id bifrost.TopicID) string { return "a@" + id.String() }
	all := []bifrost.Progress{
		{Partition: bifrost.Partition{Name: named(present)}, TopicID: present, Status: bifrost.StatusOpen},
		{Partition: bifrost.Partition{Name: named(older)}, TopicID: older, Status: bifrost.StatusClosed},
		{Partition: bifrost.Partition{Name: "a"}, TopicID: first, Status: bifrost.StatusClosed},
	}
	var talk bytes.Buffer
	New(nil, io.Discard, &talk).TellLives(all, "a")
	want := "it goes on as " + named(older) + ", " + named(present) + ", of which " + named(present) + " is the present one: name"
	if !strings.Contains(talk.String(), want) {
		t.Errorf("it says %q, want %q", talk.String(), want)
	}
}

// A topic of the same name in another cluster is no later life of this one.
func TestATopicOfAnotherClusterIsTold(t *testing.T) {
	t.Parallel()
	first, other := bifrost.TopicID{5}, bifrost.TopicID{9}
	name := "a@" + other.String()
	all := []bifrost.Progress{{Partition: bifrost.Partition{Name: "a"}, TopicID: first, ClusterID: "one"},
		{Partition: bifrost.Partition{Name: name}, TopicID: other, ClusterID: "two"}}
	var talk bytes.Buffer
	New(nil, io.Discard, &talk).TellLives(all, "a")
	if want := "a is the topic of cluster one; one of the same name in another cluster is archived as " + name; !strings.Contains(talk.String(), want) {
		t.Errorf("it says %q, want %q", talk.String(), want)
	}
}

func TestWhatIsUnhealthy(t *testing.T) {
	t.Parallel()
	plain, reason := errors.New("plain"), errors.New("reason")
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{plain, false},
		{Unhealthyf("x: %w", reason), true},
		{fmt.Errorf("y: %w", Unhealthyf("x")), true},
		{errors.Join(plain, Unhealthyf("x")), true},
		{readback.ErrRowGone, true},
		{fmt.Errorf("z: %w", readback.ErrRowGone), true},
		{errors.Join(plain, readback.ErrRowGone), true},
	} {
		if got := IsUnhealthy(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
	if err := Unhealthyf("x: %w", reason); err.Error() != "x: reason" || !errors.Is(err, reason) {
		t.Error(err)
	}
}

// What is completed is what is there and not given yet, once.
func TestWhatIsCompleted(t *testing.T) {
	t.Parallel()
	var rows []bifrost.Progress
	for _, name := range []string{"1", "a", "b", "c"} {
		for number := range int32(3) {
			rows = append(rows, bifrost.Progress{Partition: bifrost.Partition{Name: name, Number: number}})
		}
	}
	for given, want := range map[string]string{"": "1 a b c", "b": "1 a c", "c 1": "a b", "1 a b c": "", "x": "1 a b c"} {
		if got := strings.Join(otherTopics(rows, strings.Fields(given)), " "); got != want {
			t.Errorf("behind %q come %q, want %q", given, got, want)
		}
	}
	for given, want := range map[string]string{"a": "0 1 2", "b 1": "0 2", "1": "0 1 2", "1 0 2": "1", "c 2 1 0": "", "x": ""} {
		if got := strings.Join(otherNumbers(rows, strings.Fields(given)), " "); got != want {
			t.Errorf("behind %q come %q, want %q", given, got, want)
		}
	}
	c := &cobra.Command{}
	c.SetContext(t.Context())
	if got, _ := New(nil, io.Discard, io.Discard).CompletePartitions(2)(c, []string{"a", "0"}, ""); got != nil {
		t.Errorf("behind all come %q", got)
	}
}
