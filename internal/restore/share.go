// A restore in shares, for jobs.

package restore

import (
	"context"

	"github.com/bifrost-archive/bifrost/internal/replay"
)

// A restore that outgrows one machine is done in shares: a plan and its topics once, by
// Look and Prepare; the parts by as many as it takes; and Run at the end, which finds the
// records there and does the rest.

// Prepare makes the topics of a plan that nothing stands against.
func (r *Restorer) Prepare(ctx context.Context, plan *Plan) error {
	_, err := plan.look.Make(ctx)
	return err
}

// A Share is what goes into one partition of the target.
type Share struct {
	Parts          []replay.Part // to be written one after the other
	Records, Bytes int64         // as far as the catalogue tells
}

// Shares are those of a plan, whether they are written already or not.
func (p *Plan) Shares() (shares []Share) {
	type key struct {
		target string
		number int32
	}
	of := map[key]int{}
	for _, round := range p.rounds {
		for _, part := range round {
			k := key{part.Target, part.Source.Number}
			i, known := of[k]
			if !known {
				i, of[k] = len(shares), len(shares)
				shares = append(shares, Share{})
			}
			shares[i].Parts = append(shares[i].Parts, part)
		}
	}
	for _, t := range p.Topics {
		for _, partition := range t.Partitions {
			if i, known := of[key{t.Name, partition.Number}]; known {
				shares[i].Records, shares[i].Bytes = partition.Records, partition.Bytes
			}
		}
	}
	return shares
}
