// Package target looks at a cluster that is about to be written into, and makes
// topics there. Whatever writes archived records into Kafka starts from here, so
// that what would be refused or lost is known before anything is made.
//
// Reading order:
//
//	need.go      what is about to be written into one topic
//	look.go      the look: asks the cluster, writes nothing
//	topic.go     what the settings of a topic say about the records
//	gauge.go     what the records say: the largest, the oldest, the newest
//	transactionlog.go  whether transactions can be made there at all
//	make.go      makes the topics, and takes back those that stayed empty
//
// A topic that does not exist is looked at as if it did: Kafka is asked to make it,
// for validation only, and answers with the settings that it would have.
package target
