package job

// Page sizes and limits are tiny in the tests of this package.
func init() { listPage, maxItems, mostListed = 2, 3, 2 }
