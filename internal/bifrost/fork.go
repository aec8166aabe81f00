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

// forked is the partition under whose name fork n of the incarnation goes on.
func (i Incarnation) forked(number int32, n int) Partition {
	return Partition{Name: i.LaterName() + forkSeparator + strconv.Itoa(n), Number: number}
}

// forkRecord is the content of the write-once object that puts a fork on record.
// It is written before anything else is under the fork's name, and what it says
// never changes: offsets below From are those of the parent, from there on they
// are the fork's.
type forkRecord struct {
	ClusterID  string    `json:"cluster_id"`
	Topic      string    `json:"topic"`
	TopicID    TopicID   `json:"topic_id"`
	Partition  int32     `json:"partition"`
	Parent     string    `json:"parent"` // name of the branch that ends here
	From       int64     `json:"from"`   // first offset of the branch that goes on
	AcceptedAt time.Time `json:"accepted_at"`
}

func (r forkRecord) incarnation() Incarnation { return Incarnation{r.ClusterID, r.Topic, r.TopicID} }

var errBadFork = errors.New("the record does not tell of this fork")

// readFork reads the record of the fork that goes on under the partition's name.
// ErrNotFound: there is no such fork, for certain. errBadFork: it is on record,
// but not how.
func readFork(ctx context.Context, bucket opener, group string, p Partition) (forkRecord, error) {
	key := ForkKey(group, p)
	content, err := readSmall(ctx, bucket, key)
	if err != nil {
		return forkRecord{}, fmt.Errorf("read the record of a fork %s: %w", key, err)
	}
	return parseFork(key, p, content)
}

func parseFork(key string, p Partition, content []byte) (forkRecord, error) {
	var r forkRecord
	if err := json.Unmarshal(content, &r); err != nil {
		return r, fmt.Errorf("%w: %s holds %.100q: %w", errBadFork, key, content, err)
	}
	if p != r.incarnation().forked(r.Partition, p.Fork()) || r.From < 0 {
		return r, fmt.Errorf("%w: %s holds %.200q", errBadFork, key, content)
	}
	return r, nil
}

// fork finds the record of the fork that ends the partition's branch.
func forkOf(ctx context.Context, bucket opener, group string, p Partition, i Incarnation) (Partition, forkRecord, bool, error) {
	next := i.forked(p.Number, p.Fork()+1)
	record, err := readFork(ctx, bucket, group, next)
	if errors.Is(err, ErrNotFound) {
		return next, record, false, nil
	}
	return next, record, err == nil, err
}

// lastBranch is the name under which the incarnation's partition goes on now. It
// asks the bucket: the tables may have been lost since a fork.
func lastBranch(ctx context.Context, bucket opener, group string, p Partition, i Incarnation) (Partition, forkRecord, error) {
	var record forkRecord
	for {
		next, r, found, err := forkOf(ctx, bucket, group, p, i)
		if err != nil || !found {
			return p, record, err
		}
		p, record = next, r
	}
}
