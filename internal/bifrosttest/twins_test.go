package bifrosttest_test

import (
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

func TestLedger(t *testing.T) {
	t.Parallel()
	bifrosttest.TestLedger(t, func(*testing.T) bifrost.Ledger { return bifrosttest.NewLedger() })
}

func TestStore(t *testing.T) {
	t.Parallel()
	bifrosttest.TestStore(t, func(*testing.T) bifrosttest.Bucket { return bifrosttest.NewStore() })
}
