// Package bifrost holds the rules of the archiver: what a range is, how the
// offsets of a partition are planned into ranges, how one range becomes one
// object, and how the ledger moves so that every offset ends up in exactly one
// object or in one recorded gap.
//
// What runs in AWS is here: the ticks of discover, and the workers of archive. What
// only a person runs is in packages that use this one: internal/verify,
// internal/repair, internal/health.
//
// The package knows no SDK. It talks to Kafka, S3, DynamoDB and Lambda through
// ports: interfaces of a few methods, which stand in kafka.go, bucket.go, ledger.go
// and dispatch.go. Their comments are contracts; the adapters (internal/kafka,
// internal/s3store, internal/dynamoledger, internal/lambdadispatch) and the
// in-memory twins (internal/bifrosttest) keep them, and the same test suites run
// against both.
//
// Names. A topic is Kafka's. A topic that is deleted and created again has several
// lives, which Incarnation tells apart; the archive keeps each under a name of its own,
// Partition.Name: orders, then orders@ID. Where a log was cut, it goes on under one
// more name, orders@ID.1.
//
// In the order in which to read it:
//
//	partition.go    ranges, incarnations, partitions, topic IDs
//	rows.go         the two tables: a progress row per partition, a row per range
//	key.go          where an object is in the bucket
//	kafka.go        what the rules ask of Kafka
//	bucket.go       what the rules ask of the bucket
//	ledger.go       what the rules ask of the tables
//	message.go      the events and answers of discover and archive, and their log lines
//	topics.go       which topics are archived, and with which sizes
//
//	plan.go         which ranges to plan, and how many each partition gets: pure
//	timetoloss.go   how long until Kafka deletes what is not archived
//
//	discover.go     one tick: look, plan, dispatch
//	view.go         what a tick reads, in an order that is safe: topics, lives, offsets, rows
//	suspect.go      logs that went backwards, transactions that do not end
//	deletedtopic.go which lives of a topic are gone (deleted, or made again), and what becomes of their rows
//	writeplan.go    propose, share the slots, write the plan
//	dispatch.go     which ranges a function gets, and how it is started
//	report.go       what a tick says afterwards, and leaves on record
//
//	birth.go        what comes before anything is planned by a new progress row
//	ahead.go        what exists ahead of the plan
//	rebuild.go      the rows of one partition, along its objects
//	rebuildrows.go  how these are planned and settled
//	marks.go        whether the tables are older than the bucket
//	marker.go       the small objects: who owns a topic's path, where a cut log goes on
//	listing.go      which partitions the bucket has
//
//	work.go         a worker's life: what it was started for, then more, until time is up
//	archive.go      one range into one object
//	object.go       what an object says of itself, and how one is completed
//	commit.go       from the object to the ledger, and the advance of next_offset
//	invocation.go   which functions are at work
package bifrost
