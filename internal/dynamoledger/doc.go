// Package dynamoledger keeps the ledger in two DynamoDB tables. It implements
// every port of internal/bifrost that asks for the ledger.
//
// The progress table has one row per partition, for people to read in the console:
//
//	topic (S)      name of the incarnation: orders, or orders@<topic ID> for a later life of the topic
//	partition (N)  number of the partition
//
// The objects table has one row per range:
//
//	partition_key (S)  name/number
//	start_offset (N)   first offset of the range
//
// with a sparse index called "open" that holds the PLANNED rows only, because
// only they have its hash key:
//
//	open_shard (N)   0 to 15, so that no single key of the index is hot
//	lease_until (N)  milliseconds since the Unix epoch; 0 when never leased
//
// and, under the key "@tick", which is no partition's, a record a cluster of what
// the last tick saw, with a hash of the cluster's ID as its start_offset.
//
// Offsets, counts and bytes are numbers. Times are ISO 8601 strings in UTC with
// milliseconds; where a condition compares a time there is a number beside it. What
// is not known is absent; there are no empty strings.
//
// # Lost answers
//
// The SDK repeats a request whose answer was lost, and a conditional write that
// is repeated can meet its own success and take it for somebody else's. Each
// write here is safe against that in one of three ways:
//
//   - a transaction carries a token, made once a call and the same for every
//     repetition, by which DynamoDB recognizes the repetition for ten minutes
//     (ClientRequestToken of TransactWriteItems);
//   - a single write whose condition it does not itself change can be repeated;
//   - any other single write compares the row that refused it with what it meant
//     to write, but only if an answer was lost before: see [doubt].
//
// Where none of this tells, the error is an ordinary one and not
// bifrost.ErrConflict, which promises that nothing was applied.
package dynamoledger
