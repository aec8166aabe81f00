// Schemas from the archived topic of a registry.

package schema

import (
	"context"
	"fmt"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// ReadTopic reads the schemas in the archived partitions of a registry's topic. None at all
// is ErrNoSchema.
func ReadTopic(ctx context.Context, reader *readback.Reader, partitions []bifrost.Progress) (*Log, error) {
	log := NewLog()
	for _, p := range partitions {
		for record, err := range reader.Records(ctx, readback.Query{Partition: p.Partition}) {
			if err != nil {
				return nil, fmt.Errorf("read the schemas: %w", err)
			}
			log.Add(record.Key, record.Value)
		}
	}
	if log.Len() == 0 {
		return nil, noSchema("the archive has none in this topic")
	}
	return log, nil
}
