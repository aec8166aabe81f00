// Package job does what outgrows one machine: a replay, a restore, a deep verification or
// an export of the archive, cut into items that many functions do at the same time.
// AWS Step Functions runs them (infra/jobs.yaml); this is what each step does, and it
// is the same code as the command's.
//
// In the order in which to read it:
//
//	spec.go     what is asked for
//	files.go    what a job keeps: write-once files below <group>/~jobs/<id>/
//	item.go     what one worker does
//	step.go     the three steps: plan, work, finish
//	parts.go    replays: planning and doing
//	restore.go  restores, which are replays with a beginning and an end of their own
//	verify.go   deep verification
//	export.go   exports
//	progress.go what workers say while they are at work
//	report.go   what came of it, and what it cost
//	control.go  what people do with jobs: start, look at, stop, continue
//
// Progress is where the effect is: in the transactions of a replay, in the files of an
// export, and in the file that says an item is done. The workflow keeps none. So an item that is doubled,
// killed, late or continued by another execution gives what one run of it gives.
package job
