// Keys or values decoded beside their bytes.

package export

import (
	"context"
	"fmt"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/schema"
)

// ColumnDecoder decodes keys or values for the columns beside them.
type ColumnDecoder struct {
	Decoder      *schema.Decoder
	Keys, Values bool
	// Failed, if not nil, is told why a key or a value could not be decoded, by several
	// goroutines at once.
	Failed func(reason string)
}

// Decode is what Exporter.Decode may be. What has no header is not decoded and no failure.
func (d *ColumnDecoder) Decode(ctx context.Context, r *baldr.Record) (columns Decoded, err error) {
	if d.Keys {
		if columns.KeyJSON, columns.KeyError, err = d.decodeBytes(ctx, r.Key); err != nil {
			return columns, fmt.Errorf("decode the key at offset %d: %w", r.Offset, err)
		}
	}
	if d.Values {
		if columns.ValueJSON, columns.ValueError, err = d.decodeBytes(ctx, r.Value); err != nil {
			return columns, fmt.Errorf("decode the value at offset %d: %w", r.Offset, err)
		}
	}
	return columns, nil
}

func (d *ColumnDecoder) decodeBytes(ctx context.Context, data []byte) (text, reason []byte, err error) {
	decoded, err := d.Decoder.Decode(ctx, data)
	if decoded.Reason != "" {
		if d.Failed != nil {
			d.Failed(decoded.Reason)
		}
		reason = []byte(decoded.Reason)
	}
	return decoded.JSON, reason, err
}
