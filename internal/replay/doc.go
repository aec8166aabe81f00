// Package replay writes archived records back into Kafka, each exactly once, even
// if it is killed at any moment and started again.
//
// # Where a replay stands
//
// A replay has an ID, and each of its source partitions has a transactional
// producer of its own (KIP-98), named after both. One transaction holds a stretch
// of records and, on the state topic, one record that says which source offsets
// they were and which offsets they got. Kafka commits both or neither, so
// the last committed state record is the position, and all of them together
// are the map from old to new offsets. Kafka Connect keeps the
// positions of its sources the same way (KIP-618).
//
// A run takes three steps, and their order is what makes it safe:
//
//  1. Fence: initialize the producers of all partitions. That aborts what an
//     earlier run left open, and shuts out an earlier run that is still alive.
//  2. Read the state topic up to its end as of now, committed records only. No
//     open transaction of this replay is left that could hide a position.
//  3. Go on from each partition's position.
//
// The first run writes the job, with all bounds as absolute offsets and times,
// to the state topic; later runs take it from there. So a replay that was started
// "up to now" ends where it was going to end.
//
// Order is kept for each partition: one producer, in sequence, idempotent.
//
// The way of a record: writer.go chooses its partition and remembers its offset,
// batch.go encodes it, producer.go sends the batch and ends the transaction.
package replay
