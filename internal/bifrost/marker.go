// The small objects that are written once.

package bifrost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Marker is the content of the write-once object that says which incarnation
// owns the plain path of a topic. Neither the tables nor a listing may decide
// that: both can be lost or late.
type Marker struct {
	ClusterID string  `json:"cluster_id"`
	Topic     string  `json:"topic"`
	TopicID   TopicID `json:"topic_id"`

	// Born says that every partition of every incarnation of the topic got a birth
	// object before anything was archived of it. A Bifrost that made none wrote
	// markers without it.
	Born bool `json:"born,omitempty"`
}

// Incarnation is the life of the topic that the marker names.
func (m Marker) Incarnation() Incarnation { return Incarnation{m.ClusterID, m.Topic, m.TopicID} }

func markerOf(i Incarnation, born bool) Marker {
	return Marker{ClusterID: i.ClusterID, Topic: i.Topic, TopicID: i.TopicID, Born: born}
}

// claimPath writes the marker, unless one is there, and answers what is there.
func claimPath(ctx context.Context, bucket Bucket, group string, mine Marker) (Marker, error) {
	key := MarkerKey(group, mine.Topic)
	content, err := json.Marshal(mine)
	if err != nil {
		return Marker{}, err
	}
	if content, err = bucket.CreateOnce(ctx, key, content); err != nil {
		return Marker{}, fmt.Errorf("mark the owner of the plain path at %s: %w", key, err)
	}
	var owner Marker
	if err := json.Unmarshal(content, &owner); err != nil {
		return Marker{}, fmt.Errorf("the marker %s does not name an incarnation (%q): %w", key, content, err)
	}
	return owner, nil
}

// maxMarkerBytes is more than any marker has.
const maxMarkerBytes = 64 << 10

// ReadMarker reads the marker of a topic. ErrNotFound: there is none, for
// certain. ErrBadMarker: it says nothing.
func ReadMarker(ctx context.Context, bucket ObjectOpener, key string) (Marker, error) {
	var m Marker
	content, err := readSmall(ctx, bucket, key)
	if err != nil {
		return m, fmt.Errorf("read the marker %s: %w", key, err)
	}
	if err := json.Unmarshal(content, &m); err != nil {
		return m, fmt.Errorf("%w: %s holds %.100q: %w", ErrBadMarker, key, content, err)
	}
	return m, nil
}

// readSmall reads a marker or the record of a fork.
func readSmall(ctx context.Context, bucket ObjectOpener, key string) ([]byte, error) {
	object, err := bucket.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(object, 0, min(object.Stored().Size, maxMarkerBytes)))
}

// ErrBadMarker says that the object at the key of a marker is none.
var ErrBadMarker = errors.New("the marker does not name an incarnation")

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// forkSeparator stands between the name of a later incarnation and the number of
// a fork: orders@<topic ID>.1. A topic ID is base64url, which has no '.'.
const forkSeparator = "."

const forkRecordName = "_fork.json"

// ForkKey is where the record of a fork lies: under the prefix of the partition
// that goes on, so that a listing of it shows what it is.
func ForkKey(group string, p Partition) string { return PartitionPrefix(group, p) + forkRecordName }

// Fork is the number of the partition's fork: how many times a person had to say
// where its incarnation's log goes on; 0 for the name it began with.
func (p Partition) Fork() int {
	_, id, _ := strings.Cut(p.Name, nameSeparator)
	_, digits, _ := strings.Cut(id, forkSeparator)
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 {
		return 0
	}
	return n
}

// Forked is the partition under whose name fork n of the incarnation goes on.
func (i Incarnation) Forked(number int32, n int) Partition {
	return Partition{Name: i.LaterName() + forkSeparator + strconv.Itoa(n), Number: number}
}

// ForkRecord is the content of the write-once object that puts a fork on record.
// It is written before anything else is under the fork's name, and what it says
// never changes: offsets below From are those of the parent, from there on they
// are the fork's.
type ForkRecord struct {
	ClusterID  string    `json:"cluster_id"`
	Topic      string    `json:"topic"`
	TopicID    TopicID   `json:"topic_id"`
	Partition  int32     `json:"partition"`
	Parent     string    `json:"parent"` // name of the branch that ends here
	From       int64     `json:"from"`   // first offset of the branch that goes on
	AcceptedAt time.Time `json:"accepted_at"`
}

// Incarnation is the life of the topic whose log was cut.
func (r ForkRecord) Incarnation() Incarnation { return Incarnation{r.ClusterID, r.Topic, r.TopicID} }

// ErrBadFork says that the object at the key of a fork does not tell of it.
var ErrBadFork = errors.New("the record does not tell of this fork")

// ReadFork reads the record of the fork that goes on under the partition's name.
// ErrNotFound: there is no such fork, for certain. ErrBadFork: it is on record,
// but not how.
func ReadFork(ctx context.Context, bucket ObjectOpener, group string, p Partition) (ForkRecord, error) {
	key := ForkKey(group, p)
	content, err := readSmall(ctx, bucket, key)
	if err != nil {
		return ForkRecord{}, fmt.Errorf("read the record of a fork %s: %w", key, err)
	}
	return ParseFork(key, p, content)
}

// ParseFork reads the content of the object at the key: the record of the fork that goes
// on under the partition's name.
func ParseFork(key string, p Partition, content []byte) (ForkRecord, error) {
	var r ForkRecord
	if err := json.Unmarshal(content, &r); err != nil {
		return r, fmt.Errorf("%w: %s holds %.100q: %w", ErrBadFork, key, content, err)
	}
	if p != r.Incarnation().Forked(r.Partition, p.Fork()) || r.From < 0 {
		return r, fmt.Errorf("%w: %s holds %.200q", ErrBadFork, key, content)
	}
	return r, nil
}

// ForkOf finds the record of the fork that ends the partition's branch, which answers under
// which name the log goes on then.
func ForkOf(ctx context.Context, bucket ObjectOpener, group string, p Partition,
	i Incarnation) (Partition, ForkRecord, bool, error) {
	next := i.Forked(p.Number, p.Fork()+1)
	record, err := ReadFork(ctx, bucket, group, next)
	if errors.Is(err, ErrNotFound) {
		return next, record, false, nil
	}
	return next, record, err == nil, err
}

// lastBranch is the name under which the incarnation's partition goes on now. It
// asks the bucket: the tables may have been lost since a fork.
func lastBranch(ctx context.Context, bucket ObjectOpener, group string, p Partition,
	i Incarnation) (Partition, ForkRecord, error) {
	var record ForkRecord
	for {
		next, r, found, err := ForkOf(ctx, bucket, group, p, i)
		if err != nil || !found {
			return p, record, err
		}
		p, record = next, r
	}
}

// LeaveBranch ends a branch that goes on under another name from an offset.
func LeaveBranch(p Progress, next Partition, from int64) StatusWrite {
	return StatusWrite{Progress: p, Status: StatusForked,
		Error: fmt.Sprintf("the log was cut; it goes on as %s from offset %d", next.Name, from)}
}
