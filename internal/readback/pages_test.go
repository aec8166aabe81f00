package readback

// Every test of this package reads in pages of a few rows: what begins on the
// second page is where readers stop too early.
func init() { pageRows, lastRows = 3, 2 }
