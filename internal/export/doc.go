// Package export writes what is archived as Parquet, for query engines.
//
// Reading order:
//
//	export.go       topics to rows to objects, and what is told about each
//	objectfiles.go  the files of an object, and what they take of memory
//	slices.go       which partitions, and how a job cuts them
//	days.go         which days of an object have a file of their own
//	typed.go        columns of a topic's newest schema, which a place keeps to
//	parquetfile.go  records to Parquet
//	rowbatch.go     rows on their way into its columns
//	valuecodec.go   values compressed by the matches that they were read with
//	shred.go        what the columns of a schema hold, to Parquet
//	columns.go      keys and values decoded beside their bytes
//	place.go        what is asked of the place that files are written into
//	bucket.go       a prefix of a bucket
//	directory.go    a directory
//
// Which records go into which file depends on one object of the archive and on
// nothing else: not on when or how often an export ran, nor on what else was there.
// So a file that exists is complete and right, whoever wrote it, and every file is
// written only if there is none of its name.
package export
