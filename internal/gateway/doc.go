// Package gateway answers Kafka's protocol from the archive: consumers read it with
// the client they have, at the offsets and times they know, and go on in the live
// cluster. It only reads, and keeps nothing: all state is in the bucket, in the tables,
// and in the live cluster.
//
// Reading order:
//
//	gateway.go     what it is made of, and how it starts and ends
//	connection.go  one client: frames in, frames out, one request after another
//	requests.go    which requests there are, in which versions; shape.go what they consist of
//	sasl.go        who a client is; users.go reads the file that says who may read what
//	topics.go      which topics there are, each life of a topic under a name of its own
//	cluster.go     metadata: one node, which leads every partition
//	positions.go   the offsets at a position or a time
//	fetch.go       records; fetchanswer.go the bytes of an answer with them
//	live.go        the live cluster: leaders, coordinators, where its logs begin and end
//	splice.go      records of the live log, where the archive ends
//	upstream.go    a client's own connections to the live cluster
//	groups.go      who may use which group; committed.go has the positions
//	moves.go       whether a group may move to the live cluster
//	refuse.go      what is refused: everything that writes
//	partition.go   one partition as a log: what is at an offset, and what is behind it
//	times.go       which range a time is in
//	segment.go     a member of an object as batches; cache.go keeps some in memory
//	readahead.go   what is read before clients ask for it
//	memory.go      who may have how much
//	metrics.go     what it did, for Prometheus
//
// Requests and answers are read and written by franz-go's kmsg; the server is ours,
// because no library is one.
package gateway
