// Package restore brings a cluster back, from the archive of its records and from a
// capture of what is not in them. It writes by way of internal/replay, into topics that
// internal/target looks at and makes.
//
// In the order in which to read it:
//
//	scope.go     what is asked for
//	cut.go       what of the archive the cluster had at the time of the capture
//	plan.go      the look: what would be made and written, and what stands against it
//	run.go       the steps of a restore
//	settings.go  which settings are lifted while records come back, and put back
//	groups.go    where groups go on
//	acls.go      ACLs
//	finish.go    the end: retention and compaction as they were
//	conclude.go  the look at the target, from which the report comes
//	report.go    what stands where it stood, and what does not, and why
//
// A restore keeps nothing of its own. Which records are there, the positions of the
// replay tell; everything else the target itself. So it may be killed anywhere and run
// again, and whatever it says of the target is what it has found there.
package restore
