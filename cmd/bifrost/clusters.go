// The command clusters: lists captures, shows one.

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newClusters(a *app.App) *cobra.Command {
	c := &cobra.Command{
		Use:     "clusters",
		GroupID: groupLook,
		Short:   "Look at captures of the cluster, and compare them",
		Long: `Clusters is about captures: what discover, and bifrost capture, wrote down of the
cluster beside its records. docs/capture.md says what is in them.`,
	}
	c.AddCommand(newClustersList(a), newClustersShow(a), newClustersDiff(a))
	return c
}

// whichCapture is what the help says of a capture's name.
const whichCapture = `A capture is CLUSTER@TIME: the one that clusters list prints with this time, or else
the last that was made at or before it, such as 2026-01-31T12:00:00Z or 7d ago.
Without @TIME it is the last of all. The beginning of a cluster's ID is enough, and
where there is one cluster only, "@TIME" and "latest" do. The key of its positions,
which clusters list prints, names one too.`

func newClustersList(a *app.App) *cobra.Command {
	l := clustersList{App: a}
	c := &cobra.Command{
		Use:   "list [CLUSTER]",
		Short: "List the clusters that were captured, or the captures of one",
		Long: `List says of each cluster how many captures there are, and from when to when; of one
cluster it lists the captures. Their times are those of the keys: a capture that a
tick made has the beginning of its time slot, and was made later in it. Such a time
names the capture for show, restore and drill. Nothing but a listing is read.`,
		Example: "  bifrost clusters list\n  bifrost clusters list UKqv --last 100\n" +
			"  bifrost clusters list --json | jq '.clusters[].captures | length'",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return l.run(c.Context(), args) },
	}
	c.Flags().IntVar(&l.last, "last", 20, "captures of a cluster to list, the last ones")
	app.AddJSON(c, &l.json)
	return c
}

type clustersList struct {
	*app.App
	last int
	json bool
}

// clustersJSON is what clusters list --json prints.
type clustersJSON struct {
	Clusters []clusterCaptures `json:"clusters"`
}

type clusterCaptures struct {
	ClusterID string       `json:"cluster_id"`
	Captures  []captureRef `json:"captures"`
}

type captureRef struct {
	At        *string `json:"at"`
	Positions string  `json:"positions"`
}

func (l *clustersList) run(ctx context.Context, args []string) error {
	if l.last < 1 {
		return usage.Errorf("--last %d: want a number above 0", l.last)
	}
	parts, err := l.OpenParts(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	clusters, err := capture.Clusters(ctx, parts.Store, parts.Config.Group)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		id, err := clusterNamed(clusters, args[0])
		if err != nil {
			return err
		}
		all := clusters[id]
		clusters = map[string][]capture.Listed{id: all[max(0, len(all)-l.last):]}
	}
	if l.json {
		return l.PrintJSON(clustersJSONOf(clusters))
	}
	if len(clusters) == 0 {
		l.Say("Nothing is captured yet: discover does it every BIFROST_CAPTURE_MINUTES, bifrost capture at once.")
		return nil
	}
	if len(args) > 0 {
		return l.PrintTable(l.capturesTable(clusters))
	}
	t := &console.Table{Columns: []console.Column{
		{Title: "cluster"},
		{Title: "captures", Right: true},
		{Title: "first"},
		{Title: "last"},
		{Title: "age", Spare: 1},
	}}
	for _, id := range slices.Sorted(maps.Keys(clusters)) {
		all := clusters[id]
		first, last := all[0].At, all[len(all)-1].At
		t.AddRow(console.Plain(id), console.Number(len(all)), console.Plain(human.Moment(first)),
			console.Plain(human.Moment(last)), console.Plain(human.Ago(last, l.Now())))
	}
	return l.PrintTable(t)
}

func (l *clustersList) capturesTable(clusters map[string][]capture.Listed) *console.Table {
	t := &console.Table{
		Columns: []console.Column{{Title: "time"}, {Title: "age", Spare: 1}, {Title: "object", Shrink: true}},
	}
	for _, all := range clusters {
		for _, c := range all {
			t.AddRow(console.Plain(human.Moment(c.At)), console.Plain(human.Ago(c.At, l.Now())), console.Plain(c.Key))
		}
	}
	return t
}

func clustersJSONOf(clusters map[string][]capture.Listed) clustersJSON {
	all := clustersJSON{Clusters: []clusterCaptures{}}
	for _, id := range slices.Sorted(maps.Keys(clusters)) {
		one := clusterCaptures{ClusterID: id, Captures: []captureRef{}}
		for _, c := range clusters[id] {
			one.Captures = append(one.Captures, captureRef{human.Timestamp(c.At), c.Key})
		}
		all.Clusters = append(all.Clusters, one)
	}
	return all
}

// clusterNamed finds the cluster whose ID begins with the text.
func clusterNamed(clusters map[string][]capture.Listed, text string) (string, error) {
	if _, exact := clusters[text]; exact {
		return text, nil
	}
	var found []string
	for _, id := range slices.Sorted(maps.Keys(clusters)) {
		if strings.HasPrefix(id, text) {
			found = append(found, id)
		}
	}
	all := strings.Join(slices.Sorted(maps.Keys(clusters)), ", ")
	switch {
	case len(clusters) == 0:
		return "", fmt.Errorf("nothing is captured yet: discover does it every " +
			"BIFROST_CAPTURE_MINUTES, bifrost capture at once")
	case len(found) == 0:
		return "", fmt.Errorf("no capture is of a cluster %q; there are %s", text, all)
	case text == "" && len(found) > 1:
		return "", usage.Errorf("several clusters were captured, %s: name one, %s for its last capture or %s@TIME",
			strings.Join(found, ", "), found[0], found[0])
	case len(found) > 1:
		return "", fmt.Errorf("%q may be any of the clusters %s: give more of its ID", text, strings.Join(found, ", "))
	}
	return found[0], nil
}

// openCapture reads the capture that a person names, see whichCapture.
func openCapture(ctx context.Context, a *app.App, parts *wiring.Parts, name string) (capture.Snapshot, error) {
	if _, isKey := capture.ParseCaptureKey(parts.Config.Group, name); isKey {
		return capture.Open(ctx, parts.Store, name)
	}
	cluster, text, timed := cutLast(name, "@")
	var asked time.Time
	if timed {
		ms, err := human.ParseTime(text, a.Now())
		if err != nil {
			return capture.Snapshot{}, usage.Of(err)
		}
		asked = time.UnixMilli(ms)
	}
	clusters, err := capture.Clusters(ctx, parts.Store, parts.Config.Group)
	if err != nil {
		return capture.Snapshot{}, err
	}
	if cluster == "latest" && clusters[cluster] == nil {
		cluster = ""
	}
	id, err := clusterNamed(clusters, cluster)
	if err != nil {
		return capture.Snapshot{}, err
	}
	if !timed {
		return capture.OpenAt(ctx, parts.Store, clusters[id], a.Now())
	}
	return openCaptureAt(ctx, a, parts, clusters[id], asked)
}

// openCaptureAt reads the capture that is listed with the time, or else the last one made by then, and
// says which it is if it was made at another time.
func openCaptureAt(
	ctx context.Context, a *app.App, parts *wiring.Parts, captures []capture.Listed, asked time.Time,
) (capture.Snapshot, error) {
	if listed, is := capture.ListedAs(captures, asked); is {
		s, err := capture.Open(ctx, parts.Store, listed.Key)
		if made := human.Moment(s.Positions.At); err == nil && made != human.Moment(asked) {
			a.Say("The capture that is listed as %s was made at %s.", human.Moment(asked), made)
		}
		return s, err
	}
	// Times are shown to the second: what is shown is the one that is meant.
	second := asked.Truncate(time.Second)
	s, err := capture.OpenAt(ctx, parts.Store, captures, second.Add(time.Second-time.Millisecond))
	if errors.Is(err, bifrost.ErrNotFound) && s.Key == "" && len(captures) > 0 {
		err = fmt.Errorf("%w; the first is listed as %s (bifrost clusters list)", err, human.Moment(captures[0].At))
	}
	if err == nil && s.Positions.At.Before(second) {
		a.Say("No capture is of %s: the last before it was made at %s.", human.Moment(asked),
			human.Moment(s.Positions.At))
	}
	return s, err
}

// cutLast is strings.Cut at the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

func newClustersShow(a *app.App) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show [CLUSTER[@TIME]]",
		Short: "Show what a capture holds",
		Long: `Show prints topics, groups with their lag, and what is missing. --json has all of
it: settings, ACLs, quotas, users, every position.

` + whichCapture,
		Example: "  bifrost clusters show\n  bifrost clusters show UKqv@2026-01-31T12:00:00Z\n" +
			"  bifrost clusters show @7d --json | jq '.acls[]'",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return showCapture(c.Context(), a, strings.Join(args, ""), asJSON)
		},
	}
	app.AddJSON(c, &asJSON)
	return c
}

// showJSON is what clusters show --json prints.
type showJSON struct {
	ClusterID     string                `json:"cluster_id"`
	At            *string               `json:"at"`
	EndedAt       *string               `json:"ended_at"`
	Positions     string                `json:"positions"`
	Configuration string                `json:"configuration"`
	ByHand        bool                  `json:"by_hand"`
	Writer        string                `json:"writer"`
	Brokers       []capture.Broker      `json:"brokers"`
	Features      []capture.Feature     `json:"features"`
	Topics        []capture.Topic       `json:"topics"`
	ACLs          []capture.ACL         `json:"acls"`
	Quotas        []capture.Quota       `json:"quotas"`
	ScramUsers    []capture.ScramUser   `json:"scram_users"`
	Groups        []capture.Group       `json:"groups"`
	Offsets       []capture.Offsets     `json:"offsets"`
	NotCaptured   []capture.NotCaptured `json:"not_captured"`
}

func showCapture(ctx context.Context, a *app.App, name string, asJSON bool) error {
	parts, err := a.OpenParts(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	s, err := openCapture(ctx, a, parts, name)
	if err != nil {
		return err
	}
	if asJSON {
		c, p := s.Configuration, s.Positions
		return a.PrintJSON(showJSON{
			ClusterID: p.ClusterID, At: human.Timestamp(p.At), EndedAt: human.Timestamp(p.EndedAt),
			Positions: s.Key, Configuration: p.PositionsHeader.Configuration, ByHand: p.ByHand, Writer: p.Writer,
			Brokers: list(c.Brokers), Features: list(c.Features), Topics: list(c.Topics), ACLs: list(c.ACLs),
			Quotas: list(c.Quotas), ScramUsers: list(c.Users), Groups: list(p.Groups), Offsets: list(p.Offsets),
			NotCaptured: list(s.Missing()),
		})
	}
	c := s.Configuration
	a.Say("Cluster %s at %s: %d brokers, %d topics, %d groups, %d ACLs, %d quotas, %d SCRAM credentials.",
		c.ClusterID, human.Moment(s.Positions.At),
		len(c.Brokers), len(c.Topics), len(s.Positions.Groups), len(c.ACLs), len(c.Quotas), len(c.Users))
	tellNotCaptured(a, s.Missing())
	a.Say("In no capture: passwords and keys, and positions outside of groups, such as those of Flink and Spark " +
		"and the local state of Kafka Streams.")
	if err := a.PrintTable(capturedTopics(s)); err != nil || len(s.Positions.Groups) == 0 {
		return err
	}
	fmt.Fprintln(a.Out)
	return a.PrintTable(capturedGroups(s))
}

// list is never null in JSON.
func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

func capturedTopics(s capture.Snapshot) *console.Table {
	t := &console.Table{Columns: []console.Column{
		{Title: "topic", Shrink: true}, {Title: "parts", Right: true}, {Title: "replicas", Right: true, Spare: 2},
		{Title: "offsets", Right: true}, {Title: "settings", Spare: 1},
	}}
	ends := map[string]capture.Offsets{}
	for _, o := range s.Positions.Offsets {
		ends[o.Topic] = o
	}
	for _, topic := range s.Configuration.Topics {
		var held int64
		unknown := len(ends[topic.Name].Partitions) < len(topic.Partitions)
		for _, e := range ends[topic.Name].Partitions {
			if e == nil {
				unknown = true
				continue
			}
			held += e[1] - e[0]
		}
		offsets := human.Count(held)
		if unknown {
			offsets = "unknown"
		}
		var settings []string
		for _, name := range slices.Sorted(maps.Keys(topic.Settings)) {
			settings = append(settings, name+"="+topic.Settings[name])
		}
		replicas := 0
		if len(topic.Partitions) > 0 {
			replicas = len(topic.Partitions[0])
		}
		t.AddRow(console.Plain(topic.Name), console.Number(len(topic.Partitions)), console.Number(replicas),
			console.Plain(offsets), console.Plain(strings.Join(settings, " ")))
	}
	return t
}

func capturedGroups(s capture.Snapshot) *console.Table {
	t := &console.Table{Columns: []console.Column{
		{Title: "group", Shrink: true}, {Title: "type"}, {Title: "state"}, {Title: "topics", Right: true},
		{Title: "positions", Right: true}, {Title: "lag", Right: true},
	}}
	stable := map[bifrost.TopicPartition]int64{}
	for _, o := range s.Positions.Offsets {
		for number, e := range o.Partitions {
			if e != nil {
				stable[bifrost.TopicPartition{Topic: o.Topic, Partition: int32(number)}] = e[1]
			}
		}
	}
	for _, g := range s.Positions.Groups {
		if g.Offsets == nil {
			t.AddRow(console.Plain(g.Name), console.Plain(g.Type), console.Plain(g.State), console.Plain(""),
				console.Styled("not captured", console.StyleWarn), console.Plain(""))
			continue
		}
		var positions, lag int64
		for topic, all := range g.Offsets {
			for _, c := range all {
				positions++
				lag += max(0, stable[bifrost.TopicPartition{Topic: topic, Partition: c.Partition}]-c.Offset)
			}
		}
		t.AddRow(console.Plain(g.Name), console.Plain(g.Type), console.Plain(g.State), console.Number(len(g.Offsets)),
			console.Plain(human.Count(positions)), console.Plain(human.Count(lag)))
	}
	return t
}
