// Package recordbatch reads and writes record batches, the format in which Kafka keeps
// its logs and sends them (message format v2, KIP-98).
//
// Reading order:
//
//	read.go        the header, and the records one after another
//	decompress.go  the codecs, into memory that is reused
//	write.go       a batch while it is filled
//	stored.go      batches at given offsets, as a broker answers a fetch with them
//	codec.go       the codecs, a block at a time
//	shape.go       how large a batch may become
//
// Both directions are written here and not taken from the client, for speed: records
// go between batches and the archive without a record of the client's in between
// (docs/decisions/0009). The tests compare them with the client's.
package recordbatch
