// Package replay writes archived records back into Kafka, each exactly once, even
// if it is killed at any moment and started again, and whatever commands do it.
//
// # Who a replay is
//
// A partition of one life of a source topic and one life of a target topic, told by
// their topic IDs, are a pair (pair.go). A pair has a position and a transactional
// producer (KIP-98), and both are its own: not those of a command. So two commands
// that write the same records into the same topic know of each other, and a topic
// that was made anew has nothing.
//
// # Where it stands
//
// One transaction holds a stretch of records and, on the state topic, the pair's
// position and the stretch's map from old to new offsets. Kafka commits all of them
// or none. Kafka Connect keeps the positions of its sources the same way (KIP-618).
// A position is what is written, by offsets and times of the source (span.go), and the
// last batch in each partition of the target (position.go).
//
// A run takes four steps, and their order is what makes it safe:
//
//  1. Look at what stands there already, without disturbing anybody. What stands
//     against the replay ends it here.
//  2. Fence: initialize the producers of pairs that have something to write. That
//     aborts what an earlier run left open, and shuts out one that is still alive.
//  3. Read the positions again, and hold each against the target's log as it is now
//     (checktarget.go): a log may have been cut, emptied or written by others, and the
//     state topic may have lost something. Nothing that is decided can change any more.
//  4. Make the topics that do not exist, and write what is left.
//
// No batch is ever sent twice. An answer that is not clean interrupts the transaction,
// and its part takes steps 2 to 4 once more (interruption.go).
//
// Order is kept for each partition: one producer, in sequence, idempotent. What would
// break it is objected to before anything is written (order.go).
//
// The way of a record: lanes.go chooses its partition, writer.go puts it into a batch and
// remembers its offset, package recordbatch encodes it, onway.go keeps the batches in
// order until they are answered, producer.go sends them, and commit.go ends the
// transaction with the position in it. When no record comes, silence.go has it ended.
package replay
