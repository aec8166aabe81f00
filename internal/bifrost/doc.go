// Package bifrost holds the rules of the archiver: what a range is, how the
// offsets of a partition are planned into ranges, how one range becomes one
// object, and how the ledger moves so that every offset ends up in exactly one
// object or in one recorded gap.
//
// The package knows no SDK. It speaks to Kafka, S3, DynamoDB and Lambda through
// ports: interfaces of one to three methods, each declared in the file that
// calls it. Their comments are contracts; the adapters (internal/kafka,
// internal/s3store, internal/dynamoledger, internal/lambdadispatch) and the
// in-memory twins (internal/bifrosttest) keep them, and one suite tests both.
//
// Reading order:
//
//	range.go      half-open offset ranges
//	partition.go  incarnations, partitions, topic IDs
//	ledger.go     the two tables: a progress row a partition, a row a range
//	key.go        where an object lives in the bucket
//	message.go    the events that start the two functions
//	plan.go       which ranges to plan: pure
//	slots.go      who gets how many of them: pure
//	age.go        for how long something waits
//	loss.go       how long until Kafka deletes what is not archived: pure
//	discover.go   one tick: read, compare, plan, dispatch
//	observe.go    what a tick reads, in an order that is safe
//	planning.go   propose, share the slots, write the plan
//	marker.go     who owns a topic's path
//	birth.go      what comes before anything is planned by a new progress row
//	marks.go      whether the tables are older than the bucket
//	ahead.go      what exists ahead of the plan
//	rebuild.go    the rows of one partition, along its objects; rebuildrows.go adopts them
//	orphan.go     planned rows without a progress row
//	retention.go  what Kafka keeps, and for how long
//	watch.go      which partitions are near to loss
//	blocked.go    transactions that do not end
//	journal.go    what ticks could not look at, and when one looked at everything
//	sight.go      how far a progress row can be believed: pure
//	suspect.go    logs that went backwards, topics that went away
//	dispatch.go   leases and the asynchronous invoke
//	topics.go     which topics are archived
//	archive.go    one range into one object
//	adopt.go      what an object that is there already says of itself
//	commit.go     from the object to the ledger, and the advance
//	work.go       a worker's life: one range, then the next, until time is up
//	survey.go     which partitions the bucket has
//	fork.go       where a log that was cut goes on, as a person has decided
package bifrost
