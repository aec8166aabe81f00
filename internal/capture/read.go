// How captures are found, opened, read.

package capture

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Source is where captures are read.
type Source interface {
	// List is bifrost.Bucket.List.
	List(ctx context.Context, prefix, after string, limit int) ([]string, error)
	// Open is bifrost.Store.Open.
	Open(ctx context.Context, key string) (bifrost.Object, error)
}

// listPage is how many keys are asked for at once. Tests make it tiny.
var listPage = 1000

// A Listed capture is one that a listing shows: nothing of it was read.
type Listed struct {
	ClusterID string
	Key       string    // of its positions
	At        time.Time // by its key: when its time slot begins, or when it was made by hand
}

// List lists the captures of a cluster in order of their times.
func List(ctx context.Context, source Source, group, clusterID string) ([]Listed, error) {
	return list(ctx, source, group, ClusterPrefix(group, clusterID), "")
}

// Clusters lists the captures of all clusters, by the clusters' IDs.
func Clusters(ctx context.Context, source Source, group string) (map[string][]Listed, error) {
	all, err := list(ctx, source, group, CapturesPrefix(group), "")
	clusters := map[string][]Listed{}
	for _, l := range all {
		clusters[l.ClusterID] = append(clusters[l.ClusterID], l)
	}
	return clusters, err
}

func list(ctx context.Context, source Source, group, prefix, after string) ([]Listed, error) {
	var all []Listed
	for {
		page, err := source.List(ctx, prefix, after, listPage)
		if err != nil {
			return nil, fmt.Errorf("list the captures under %s: %w", prefix, err)
		}
		for _, key := range page {
			if parsed, ok := ParseCaptureKey(group, key); ok && parsed.Sum == "" {
				all = append(all, Listed{parsed.ClusterID, key, parsed.At})
			}
		}
		if len(page) < listPage {
			return all, nil
		}
		after = page[len(page)-1]
	}
}

// ListedAs is the capture that a listing shows with the time: to the millisecond if there is one, or else
// the last that is the same to the second, as people are shown times.
func ListedAs(captures []Listed, at time.Time) (listed Listed, ok bool) {
	for _, l := range captures {
		switch {
		case l.At.Equal(at):
			return l, true
		case l.At.Truncate(time.Second).Equal(at.Truncate(time.Second)):
			listed, ok = l, true
		}
	}
	return listed, ok
}

// OpenAt reads the last of the captures, which are in order, that was made at or
// before the time: its reading began then at the latest. ErrNotFound: none was.
func OpenAt(ctx context.Context, source Source, captures []Listed, at time.Time) (Snapshot, error) {
	for _, l := range slices.Backward(captures) {
		if l.At.After(at) {
			continue
		}
		// The key has the beginning of a slot, and the capture may be of its end.
		s, err := Open(ctx, source, l.Key)
		if err != nil || !s.Positions.At.After(at) {
			return s, err
		}
	}
	return Snapshot{}, fmt.Errorf("no capture was made at or before %s: %w", at.UTC().Format(time.RFC3339),
		bifrost.ErrNotFound)
}

// A Snapshot is a capture that was read.
type Snapshot struct {
	Key           string // of its positions; empty for one that was never written
	Configuration Configuration
	Positions     Positions
}

// Configuration is what changes rarely.
type Configuration struct {
	ConfigurationHeader
	Brokers     []Broker
	Features    []Feature
	Topics      []Topic
	ACLs        []ACL
	Quotas      []Quota
	Users       []ScramUser
	NotCaptured []NotCaptured
}

// Positions are what moves.
type Positions struct {
	PositionsHeader
	Groups      []Group
	Offsets     []Offsets
	NotCaptured []NotCaptured
	EndedAt     time.Time // when the reading ended
}

// Open reads the capture whose positions are at the key.
func Open(ctx context.Context, source Source, key string) (Snapshot, error) {
	s := Snapshot{Key: key}
	err := readObject(ctx, source, key, s.Positions.takeLine)
	if err != nil {
		return s, err
	}
	err = readObject(ctx, source, s.Positions.Configuration, s.Configuration.takeLine)
	if errors.Is(err, bifrost.ErrNotFound) {
		err = fmt.Errorf("the positions are there and their configuration is not, as after it has expired: %w", err)
	}
	return s, err
}

// readAtOnce is how many bytes of an object are asked for at once.
const readAtOnce = 1 << 20

func readObject(ctx context.Context, source Source, key string, take func(kind string, line []byte) error) error {
	object, err := source.Open(ctx, key)
	if err != nil {
		return err
	}
	// Each read of the object may be a request: they are few and large.
	file := bufio.NewReaderSize(io.NewSectionReader(object, 0, object.Stored().Size), readAtOnce)
	if err := readLines(file, take); err != nil {
		return fmt.Errorf("read the capture %s: %w", key, err)
	}
	return nil
}

// Snapshot is the capture as it would be read again.
func (c Capture) Snapshot() (Snapshot, error) {
	s := Snapshot{Key: c.Key}
	err := errors.Join(
		readLines(strings.NewReader(string(c.configuration)), s.Configuration.takeLine),
		readLines(strings.NewReader(string(c.positions)), s.Positions.takeLine))
	return s, err
}

func (c *Configuration) takeLine(kind string, line []byte) error {
	switch kind {
	case typeConfiguration:
		return json.Unmarshal(line, &c.ConfigurationHeader)
	case typeBroker:
		return add(&c.Brokers, line)
	case typeFeature:
		return add(&c.Features, line)
	case typeTopic:
		return add(&c.Topics, line)
	case typeACL:
		return add(&c.ACLs, line)
	case typeQuota:
		return add(&c.Quotas, line)
	case typeScramUser:
		return add(&c.Users, line)
	case typeNotCaptured:
		return add(&c.NotCaptured, line)
	case typePositions:
		return errors.New("these are positions, not a configuration")
	}
	return nil
}

func (p *Positions) takeLine(kind string, line []byte) error {
	switch kind {
	case typePositions:
		return json.Unmarshal(line, &p.PositionsHeader)
	case typeGroup:
		return add(&p.Groups, line)
	case typeOffsets:
		return add(&p.Offsets, line)
	case typeNotCaptured:
		return add(&p.NotCaptured, line)
	case typeEnd:
		var end End
		err := json.Unmarshal(line, &end)
		if end.At != nil {
			p.EndedAt = *end.At
		}
		return err
	case typeConfiguration:
		return errors.New("this is a configuration, not positions")
	}
	return nil
}

// add decodes a line behind the others.
func add[T any](all *[]T, line []byte) error {
	var one T
	err := json.Unmarshal(line, &one)
	*all = append(*all, one)
	return err
}

// Missing is all that the capture says is missing.
func (s Snapshot) Missing() []NotCaptured {
	return slices.Concat(s.Configuration.NotCaptured, s.Positions.NotCaptured)
}
