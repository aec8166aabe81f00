package bifrost

// Every test of this package reads and plans in pages of a few, so that each goes
// over the ends of pages: what begins on the second page is what a rule forgets.
func init() { ListPage, plannedAtOnce = 3, 3 }
