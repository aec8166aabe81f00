// Package readback reads what Bifrost has archived: from the catalogue of ranges
// to the objects to their records, in the order of the log, at the speed of
// decompression and in bounded memory.
//
// Reading order:
//
//	catalogue.go  which ranges there are, and which object holds each
//	reader.go     the records of one partition, across its objects
//	objects.go    opening objects ahead of the one that is being read
//	rowfile.go    single members of one object
//	readahead.go  few large reads of the store instead of one for each member
//	find.go       one record; the last records
//	merge.go      the records of several partitions by time
//	file.go       a file on disk or a stream, without a catalogue
//
// Nothing here writes, and nothing here asks Kafka.
package readback
