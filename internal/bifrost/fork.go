package bifrost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

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
func ForkOf(ctx context.Context, bucket ObjectOpener, group string, p Partition, i Incarnation) (Partition, ForkRecord, bool, error) {
	next := i.Forked(p.Number, p.Fork()+1)
	record, err := ReadFork(ctx, bucket, group, next)
	if errors.Is(err, ErrNotFound) {
		return next, record, false, nil
	}
	return next, record, err == nil, err
}

// lastBranch is the name under which the incarnation's partition goes on now. It
// asks the bucket: the tables may have been lost since a fork.
func lastBranch(ctx context.Context, bucket ObjectOpener, group string, p Partition, i Incarnation) (Partition, ForkRecord, error) {
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
	return StatusWrite{Progress: p, Status: StatusForked, Error: fmt.Sprintf("the log was cut; it goes on as %s from offset %d", next.Name, from)}
}
