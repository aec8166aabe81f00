// What an object says of itself.

package bifrost

import (
	"context"
	"errors"
	"fmt"

	"github.com/bifrost-archive/bifrost/baldr"
)

// ErrForeign says that the object at a key is whole and not ours: another
// cluster's, another topic's, or no object of Bifrost's at all.
var ErrForeign = errors.New("the object at the key is not ours")

// ObjectOwner is what an object has to say of itself to be the one at a start.
type ObjectOwner struct {
	Incarnation
	Partition int32 // number of the partition
	Start     int64 // first offset
}

// ReadFacts reads what the object at the key says of itself. ErrNotFound: there is
// none, for certain. ErrForeign: it is not the owner's. Any other error is no
// verdict, not even that it is damaged: try again.
func ReadFacts(ctx context.Context, bucket ObjectOpener, key string, owner ObjectOwner) (Facts, error) {
	file, stored, err := OpenObject(ctx, bucket, key)
	if err != nil {
		return Facts{}, err
	}
	s := file.Summary()
	if found := (ObjectOwner{Incarnation{s.ClusterID, s.Topic, s.TopicID}, s.Partition, s.Start}); found != owner {
		return Facts{}, fmt.Errorf("%s holds cluster %s topic %s (ID %s) partition %d from offset %d: %w",
			key, s.ClusterID, s.Topic, TopicID(s.TopicID), s.Partition, s.Start, ErrForeign)
	}
	return FactsOf(key, s, stored), nil
}

// OpenObject opens the object at a key and reads its tail. ErrNotFound: there is none, for
// certain. ErrForeign: it is no object of Bifrost's. A [baldr.FormatError]: it is damaged.
func OpenObject(ctx context.Context, store ObjectOpener, key string) (*baldr.File, Stored, error) {
	object, err := store.Open(ctx, key)
	if err != nil {
		return nil, Stored{}, fmt.Errorf("open %s: %w", key, err)
	}
	file, err := baldr.Open(object, object.Stored().Size, baldr.ReaderOptions{})
	if errors.Is(err, baldr.ErrNotBaldr) {
		return nil, Stored{}, fmt.Errorf("%s: %w: %w", key, ErrForeign, err)
	}
	if err != nil {
		return nil, Stored{}, fmt.Errorf("read the summary of %s: %w", key, err)
	}
	return file, object.Stored(), nil
}

// FactsOf is what an object says of itself, with what the store says of it.
func FactsOf(key string, s baldr.Summary, stored Stored) Facts {
	return Facts{
		Key: key, Kind: s.Kind, Reason: s.Reason, Range: Range{s.Start, s.End},
		Records: s.Records, Missing: s.Missing, RawBytes: s.RawBytes, StoredBytes: stored.Size,
		FirstTimestamp: s.FirstTimestamp, LastTimestamp: s.LastTimestamp,
		Checksum: stored.Checksum, LeaderEpoch: s.LastLeaderEpoch,
	}
}

// factsWithin is what of an object that reaches beyond its row lies inside the row:
// another stack tiled the partition otherwise. The row keeps its end, and counts
// what it holds of the object.
func factsWithin(ctx context.Context, bucket ObjectOpener, facts Facts, r Range) (Facts, error) {
	if facts.End <= r.End {
		return facts, nil
	}
	clipped := facts
	clipped.Range, clipped.Records, clipped.RawBytes = r, 0, 0
	clipped.FirstTimestamp, clipped.LastTimestamp = -1, -1
	if facts.Kind == baldr.KindGap {
		return clipped, nil
	}
	file, _, err := OpenObject(ctx, bucket, facts.Key)
	if err != nil {
		return Facts{}, err
	}
	for record, err := range file.All() {
		if err != nil {
			return Facts{}, fmt.Errorf("count the records of %s below offset %d: %w", facts.Key, r.End, err)
		}
		if record.Offset < 0 {
			return Facts{}, fmt.Errorf("%s holds offsets %s, values only: its records below offset %d cannot be "+
				"counted", facts.Key, facts.Range, r.End)
		}
		if record.Offset >= r.End {
			break
		}
		clipped.AddRecord(record)
	}
	return clipped.missingWithin(facts), nil
}

// AddRecord counts a record of the object: its raw bytes are those of its frame.
func (f *Facts) AddRecord(record baldr.Record) {
	f.Records++
	f.RawBytes += 8 + int64(len(record.Value))
	if record.Timestamp < 0 {
		return
	}
	if f.FirstTimestamp < 0 || record.Timestamp < f.FirstTimestamp {
		f.FirstTimestamp = record.Timestamp
	}
	f.LastTimestamp = max(f.LastTimestamp, record.Timestamp)
}

// missingWithin splits what is missing below the row's end by the object's
// reasons. An object does not say which offset is missing why, so the counts are
// given out in a fixed order; their sum is exact.
func (f Facts) missingWithin(whole Facts) Facts {
	left := f.Len() - f.Records
	f.Missing.Control = min(left, whole.Missing.Control)
	left -= f.Missing.Control
	f.Missing.Aborted = min(left, whole.Missing.Aborted)
	f.Missing.Compacted = left - f.Missing.Aborted
	return f
}

// completeObject makes the upload visible. When somebody else's object is
// there first, the facts are that object's: one's own attempt may have read a
// log that compaction has changed since.
func completeObject(ctx context.Context, upload Upload, bucket ObjectOpener, key string, summary baldr.Summary,
	owner ObjectOwner) (Facts, string, error) {
	outcome := OutcomeArchived
	if summary.Kind == baldr.KindGap {
		outcome = OutcomeLost
	}
	stored, err := upload.Complete(ctx)
	if err == nil {
		return FactsOf(key, summary, stored), outcome, nil
	}
	winner, winnerErr := ReadFacts(ctx, bucket, key, owner)
	if winnerErr == nil {
		return winner, OutcomeAdopted, nil
	}
	if errors.Is(winnerErr, ErrForeign) {
		return Facts{}, "", winnerErr
	}
	return Facts{}, "", fmt.Errorf("complete %s: %w", key, errors.Join(err, winnerErr))
}

// A GapObject is an object that records why nobody can read the offsets of a row.
type GapObject struct {
	Key       string
	ClusterID string
	Row       Row // its GapReason says why
	Format    baldr.Options
	Writer    string // as Archiver.Writer
}

// PutGap puts the gap at its key, unless somebody is quicker: then the facts are those of
// what stands there.
func PutGap(ctx context.Context, bucket Store, g GapObject) (Facts, error) {
	upload, err := bucket.Create(ctx, g.Key)
	if err != nil {
		return Facts{}, fmt.Errorf("begin the upload of %s: %w", g.Key, err)
	}
	owner := ObjectOwner{Incarnation{g.ClusterID, g.Row.Topic(), g.Row.TopicID}, g.Row.Number, g.Row.Start}
	facts, outcome := Facts{}, ""
	summary, err := closeObject(baldr.NewWriter(upload, g.Format), g.Key, gapSummary(g.Row.GapReason, g.Row.Range),
		owner, g.Writer)
	if err == nil {
		facts, outcome, err = completeObject(ctx, upload, bucket, g.Key, summary, owner)
	}
	if err != nil || outcome == OutcomeAdopted {
		_ = upload.Abort(context.WithoutCancel(ctx)) // or the bucket's lifecycle rule does
	}
	return facts, err
}

func gapSummary(reason string, r Range) baldr.Summary {
	return baldr.Summary{Kind: baldr.KindGap, Reason: reason, LastLeaderEpoch: -1, Start: r.Start, End: r.End}
}

// closeObject writes the end of an object: its summary, with whose it is and who wrote it.
func closeObject(out *baldr.Writer, key string, summary baldr.Summary, owner ObjectOwner,
	writer string) (baldr.Summary, error) {
	summary.ClusterID, summary.Topic, summary.TopicID = owner.ClusterID, owner.Topic, owner.TopicID
	summary.Partition, summary.Writer = owner.Partition, writer
	summary, err := out.Close(summary)
	if err != nil {
		return summary, fmt.Errorf("write the end of %s: %w", key, err)
	}
	return summary, nil
}

// IsDamage reports whether an error of reading says that an object is missing, damaged, or lacks what
// was asked for, so that to try again is of no use.
func IsDamage(err error) bool {
	var damage *baldr.FormatError
	return errors.Is(err, ErrNotFound) || errors.Is(err, baldr.ErrNotBaldr) ||
		errors.Is(err, baldr.ErrNoEnvelope) || errors.As(err, &damage)
}
