package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// selection is the part of a topic that a command is about: partitions, offsets
// and times. All bounds are half-open.
type selection struct {
	from, to     int64
	since, until string

	numbers []int32
	times   readback.Times
}

func (s *selection) addBounds(c *cobra.Command) {
	c.Flags().Int64Var(&s.from, "from", 0, "first offset")
	c.Flags().Int64Var(&s.to, "to", 0, "first offset that is too many; 0 for no end")
	c.Flags().StringVar(&s.since, "since", "", "records not older than this: 2026-01-31T12:00:00Z, 2026-01-31, milliseconds since 1970, or 90m or 7d ago")
	c.Flags().StringVar(&s.until, "until", "", "records older than this")
}

// parse checks the flags and the partitions, each a number, a list 0,3 or a range 0-7.
func (s *selection) parse(partitions []string, now time.Time) error {
	for _, text := range partitions {
		numbers, err := parsePartitions(text)
		if err != nil {
			return err
		}
		s.numbers = append(s.numbers, numbers...)
	}
	slices.Sort(s.numbers)
	s.numbers = slices.Compact(s.numbers)
	if s.from < 0 || s.to < 0 || s.to != 0 && s.to <= s.from {
		return usagef("--from %d --to %d: want 0 <= from < to", s.from, s.to)
	}
	var err error
	if s.since != "" {
		if s.times.Since, err = parseTime(s.since, now); err != nil {
			return usagef("--since %v", err)
		}
	}
	if s.until != "" {
		if s.times.Until, err = parseTime(s.until, now); err != nil {
			return usagef("--until %v", err)
		}
		if s.times.Until <= s.times.Since {
			return usagef("--until %s is not after --since %s: nothing lies between", s.until, s.since)
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
			return nil, usagef("partition %q: want a number, a list such as 0,3 or a range such as 0-7", part)
		}
		for n := low; n <= high; n++ {
			numbers = append(numbers, int32(n))
		}
	}
	return numbers, nil
}

func (s *selection) offsets() bifrost.Range {
	if s.to == 0 {
		return bifrost.Range{Start: s.from, End: readback.Everything.End}
	}
	return bifrost.Range{Start: s.from, End: s.to}
}

// partitions selects the partitions of a topic by their numbers.
func (s *selection) partitions(topic []bifrost.Progress) ([]bifrost.Progress, error) {
	if len(s.numbers) == 0 {
		return topic, nil
	}
	var selected []bifrost.Progress
	for _, n := range s.numbers {
		i := slices.IndexFunc(topic, func(p bifrost.Progress) bool { return p.Number == n })
		if i < 0 {
			return nil, fmt.Errorf("topic %s has no partition %d in the archive; it has %d: %s", topic[0].Name, n, len(topic), listNumbers(topic))
		}
		selected = append(selected, topic[i])
	}
	return selected, nil
}

// listNumbers writes the numbers of partitions in short: 0-11.
func listNumbers(topic []bifrost.Progress) string {
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
