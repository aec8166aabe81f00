package target

// More topics than one request makes begin with the third.
func init() { topicsAtOnce = 2 }
