// Which topics are archived.

package bifrost

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// ReplayStateTopic is where bifrost replay keeps, in the cluster that it writes to,
// how far it has come. Together with the archive it is of no use to anybody, so it is
// archived only if it is asked for by its name.
const ReplayStateTopic = "bifrost-replay-positions"

// EarlierReplayStateTopic is what the topic was called before positions were kept by
// source and target.
const EarlierReplayStateTopic = "bifrost-replay-state"

// TopicFilter selects topics by globs as path.Match reads them: * and ? and
// [a-z]. An exclude wins over every include.
type TopicFilter struct {
	Include []string // empty selects every topic
	Exclude []string
}

// NewTopicFilter checks the globs.
func NewTopicFilter(include, exclude []string) (TopicFilter, error) {
	for _, globs := range [][]string{include, exclude} {
		for _, glob := range globs {
			if _, err := path.Match(glob, ""); err != nil {
				return TopicFilter{}, fmt.Errorf("topic pattern %q: want a glob (* any characters, ? one, [a-z] one of "+
					"these, \\ before one that stands for itself): %w", glob, err)
			}
		}
	}
	return TopicFilter{Include: include, Exclude: exclude}, nil
}

// String says which topics are selected, in words.
func (f TopicFilter) String() string {
	text := "all topics"
	if len(f.Include) > 0 {
		text = "the topics " + strings.Join(f.Include, ", ")
	}
	if len(f.Exclude) > 0 {
		text += " without " + strings.Join(f.Exclude, ", ")
	}
	return text
}

// Selects reports whether the topic is to be archived.
func (f TopicFilter) Selects(topic string) bool {
	return (len(f.Include) == 0 || MatchesAny(f.Include, topic)) && !MatchesAny(f.Exclude, topic)
}

// Archives is Selects, but for topics that Bifrost itself writes to: those are archived
// only if they are included by their whole name.
func (f TopicFilter) Archives(topic string) bool {
	if (topic == ReplayStateTopic || topic == EarlierReplayStateTopic) && !slices.Contains(f.Include, topic) {
		return false
	}
	return f.Selects(topic)
}

// SizingOverride is the sizing of the topics that a glob matches, whole.
type SizingOverride struct {
	Glob string // as in TopicFilter
	Sizing
}

// SizingOf is how large the ranges of a topic become.
func (s Settings) SizingOf(topic string) Sizing {
	for _, o := range s.Overrides {
		if MatchesAny([]string{o.Glob}, topic) {
			return o.Sizing
		}
	}
	return s.Sizing
}

// MatchesAny reports whether one of the globs matches a name, as a TopicFilter's do.
func MatchesAny(globs []string, name string) bool {
	for _, glob := range globs {
		if ok, err := path.Match(glob, name); ok && err == nil {
			return true
		}
	}
	return false
}
