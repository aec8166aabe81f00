// The flags that select partitions, offsets, times.

package settings

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// Selection is the part of a topic that a command is about: partitions, offsets
// and times. All bounds are half-open.
type Selection struct {
	From, To     int64
	Since, Until string

	Numbers []int32 // of partitions, in order; none for all
	Times   readback.Times
}

// AddBounds adds --from, --to, --since and --until.
func (s *Selection) AddBounds(c *cobra.Command) {
	c.Flags().Int64Var(&s.From, "from", 0, "first offset")
	c.Flags().Int64Var(&s.To, "to", 0, "offset to end before; 0 for no end")
	c.Flags().StringVar(&s.Since, "since", "",
		"records not older than this: 2026-01-31T12:00:00Z, \"2026-01-31 12:00\", 2026-01-31, milliseconds since 1970, "+
			"or how long ago: 90m, 7d, 1w")
	c.Flags().StringVar(&s.Until, "until", "", "records older than this")
}

// ParseFlags checks the flags and the partitions, each a number, a list 0,3 or a range 0-7.
func (s *Selection) ParseFlags(partitions []string, now time.Time) error {
	for _, text := range partitions {
		numbers, err := parsePartitions(text)
		if err != nil {
			return err
		}
		s.Numbers = append(s.Numbers, numbers...)
	}
	slices.Sort(s.Numbers)
	s.Numbers = slices.Compact(s.Numbers)
	if s.From < 0 || s.To < 0 || s.To != 0 && s.To <= s.From {
		return usage.Errorf("--from %d --to %d: want 0 <= from < to", s.From, s.To)
	}
	var err error
	if s.Since != "" {
		if s.Times.Since, err = human.ParseTime(s.Since, now); err != nil {
			return usage.Errorf("--since %v", err)
		}
	}
	if s.Until != "" {
		if s.Times.Until, err = human.ParseTime(s.Until, now); err != nil {
			return usage.Errorf("--until %v", err)
		}
		if s.Times.Until <= s.Times.Since {
			return usage.Errorf("--until %s is not after --since %s: nothing lies between", s.Until, s.Since)
		}
	}
	return nil
}

const mostPartitions = 1 << 20

func parsePartitions(text string) ([]int32, error) {
	var numbers []int32
	for _, part := range strings.Split(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		low, err := strconv.ParseInt(first, 10, 32)
		high, err2 := strconv.ParseInt(last, 10, 32)
		if err != nil || err2 != nil || low < 0 || high < low || high-low >= mostPartitions {
			return nil, usage.Errorf("partition %q: want a number, a list such as 0,3 or a range such as 0-7", part)
		}
		for n := low; n <= high; n++ {
			numbers = append(numbers, int32(n))
		}
	}
	return numbers, nil
}

// OffsetRange is the offsets that were asked for; without --to it has no end.
func (s *Selection) OffsetRange() bifrost.Range {
	if s.To == 0 {
		return bifrost.Range{Start: s.From, End: readback.Everything.End}
	}
	return bifrost.Range{Start: s.From, End: s.To}
}

// SelectPartitions selects the partitions of a topic, or of each of several, by their numbers.
func (s *Selection) SelectPartitions(topics []bifrost.Progress) ([]bifrost.Progress, error) {
	if len(s.Numbers) == 0 {
		return topics, nil
	}
	for _, n := range s.Numbers {
		if slices.ContainsFunc(topics, func(p bifrost.Progress) bool { return p.Number == n }) {
			continue
		}
		if names := NamesOf(topics); len(names) > 1 {
			return nil, fmt.Errorf("none of %d topics has a partition %d in the archive: %s", len(names), n,
				strings.Join(names, ", "))
		}
		return nil, fmt.Errorf("topic %s has no partition %d in the archive; it has %d: %s",
			topics[0].Name, n, len(topics), ListNumbers(topics))
	}
	return slices.DeleteFunc(slices.Clone(topics),
		func(p bifrost.Progress) bool { return !slices.Contains(s.Numbers, p.Number) }), nil
}

// NamesOf lists the names of rows that are in order of name.
func NamesOf(rows []bifrost.Progress) (names []string) {
	for _, p := range rows {
		if len(names) == 0 || names[len(names)-1] != p.Name {
			names = append(names, p.Name)
		}
	}
	return names
}

// ListNumbers writes the numbers of partitions in short: 0-11.
func ListNumbers(topic []bifrost.Progress) string {
	var list []string
	for i := 0; i < len(topic); {
		j := i
		for j+1 < len(topic) && topic[j+1].Number == topic[j].Number+1 {
			j++
		}
		if i == j {
			list = append(list, fmt.Sprint(topic[i].Number))
		} else {
			list = append(list, fmt.Sprintf("%d-%d", topic[i].Number, topic[j].Number))
		}
		i = j + 1
	}
	return strings.Join(list, ",")
}
