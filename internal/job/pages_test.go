package job

import "github.com/bifrost-archive/bifrost/internal/bifrost"

// Page sizes and limits are tiny in the tests of this package.
func init() {
	bifrost.ListPage, maxItems, mostListed, readersAtOnce, notedEvery = 2, 3, 2, 2, 0
	ExportBytes, ExportObjects = 1, 2
}
