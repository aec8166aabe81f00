package kafka

// Every test of this package asks for the settings and the times of two at once:
// what is asked in the second request is what a client forgets.
func init() { configsAtOnce, timesAtOnce = 2, 2 }
