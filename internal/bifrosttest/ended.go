// What every twin answers when its caller's time is over.

package bifrosttest

import (
	"context"
	"fmt"
)

// ended is what every call of a twin answers under a context that has ended, as
// the SDKs do: nothing is sent, so nothing is applied.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("canceled before anything was sent: %w", err)
	}
	return nil
}
