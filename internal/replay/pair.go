// What is replayed from where to where.

package replay

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// Part is one source partition of what a command asks for, and the topic that it
// goes to.
type Part struct {
	Source bifrost.Partition // in the archive
	Life   string            // which life of the topic it is of: [LifeOf]
	Target string            // topic
	Ask    Span
	Others []Life // other lives of the same topic
}

// Life is another life of a topic in the archive.
type Life struct {
	Name    string  // in the archive
	Life    string  // as in Part
	Numbers []int32 // of its partitions
	Newer   bool    // its records belong after those of the part
	// Apart says that it is another incarnation, and not another branch of the same one: their
	// records belong into different topics, in whatever order.
	Apart bool
}

// LifeOf names the life of a topic, or the branch of one, whatever the archive
// calls it: two archives of one topic have the same records at the same offsets.
func LifeOf(p bifrost.Progress) string {
	name := p.TopicID.String()
	if p.TopicID.IsZero() { // before Kafka 2.8
		name = p.ClusterID + ":" + p.Name
	}
	if fork := p.Fork(); fork > 0 {
		name += "." + strconv.Itoa(fork)
	}
	return name
}

// Rows are the rows of an archive by topic, with what they tell of the ages of lives.
type Rows struct {
	of    map[string][]bifrost.Progress
	lives readback.Lives
}

// ByTopic groups the rows of an archive, for [NewPart].
func ByTopic(all []bifrost.Progress) Rows {
	rows := Rows{of: map[string][]bifrost.Progress{}, lives: readback.NewLives(all)}
	for _, row := range all {
		rows.of[row.Topic()] = append(rows.of[row.Topic()], row)
	}
	return rows
}

// NewPart is the part that a row of the archive's progress is to be. The rows of the
// archive, of which it is one, tell which other lives the topic has.
func NewPart(row bifrost.Progress, target string, ask Span, all Rows) Part {
	part := Part{Source: row.Partition, Life: LifeOf(row), Target: target, Ask: ask}
	for _, other := range all.of[row.Topic()] {
		if other.Name == row.Name {
			continue
		}
		i := slices.IndexFunc(part.Others, func(l Life) bool { return l.Name == other.Name })
		if i < 0 {
			i = len(part.Others)
			part.Others = append(part.Others, Life{Name: other.Name, Life: LifeOf(other),
				Newer: all.lives.Compare(other, row) > 0, Apart: apart(other, row)})
		}
		part.Others[i].Numbers = append(part.Others[i].Numbers, other.Number)
	}
	return part
}

// apart reports whether two rows of a topic are of different incarnations. Before Kafka 2.8 those
// of one cluster cannot be told from each other.
func apart(a, b bifrost.Progress) bool {
	return a.TopicID != b.TopicID || a.TopicID.IsZero() && a.ClusterID != b.ClusterID
}

// pair is who a replay is: a partition of one life of a source topic, and one life
// of a target topic. Whatever commands write the one into the other share a position
// and a transactional ID.
type pair struct {
	life     string
	number   int32
	targetID string // topic ID; "name:" and the name where brokers have none
}

func (p pair) String() string { return fmt.Sprintf("%s/%d/%s", p.life, p.number, p.targetID) }

// transactionalID names the pair's producer. Two runs that write the same pair shut
// each other out by it, whatever else they do.
func (p pair) transactionalID() string {
	sum := sha256.Sum256([]byte(p.String()))
	return "bifrost-replay-" + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// stateShard is where on the state topic the pair's records are: its position in this
// partition, its offset map in the one with the number of positionShards more.
func (p pair) stateShard() int32 {
	sum := sha256.Sum256([]byte(p.String()))
	return int32(binary.BigEndian.Uint32(sum[16:]) % positionShards)
}

// distinct leaves out what is asked for twice: orders:copy orders:copy.
func distinct(parts []Part) []Part {
	type asked struct {
		life   string
		number int32
		target string
	}
	seen := map[asked]bool{}
	var kept []Part
	for _, p := range parts {
		if is := (asked{p.Life, p.Source.Number, p.Target}); !seen[is] {
			seen[is], kept = true, append(kept, p)
		}
	}
	return kept
}
