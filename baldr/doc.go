// Package baldr reads and writes Baldr.gz: files of Kafka records that every
// gzip can unpack, and that this package can also search and read in full.
//
// # The format, by example
//
// Plain Baldr is the values of records, one after another, each preceded by its length, 8
// bytes with the most significant first. There is nothing else: no header, no end mark.
// The values "hello" and "", then a JSON document:
//
//	00 00 00 00 00 00 00 05  68 65 6c 6c 6f                 |hello|
//	00 00 00 00 00 00 00 00
//	00 00 00 00 00 00 00 0c  7b 22 70 61 67 65 22 3a 22 2f  |{"page":"/|
//	22 7d                                                   |"}|
//
// Baldr.gz is a gzip file (RFC 1952) of such a stream. A gzip file is a sequence of
// members, each deflated separately, and unpacks to the data of all of them. A member's
// header may carry an extra field of up to 65,535 bytes, which readers ignore if they do
// not know it. Everything that this package adds to Baldr.gz is in extra fields:
//
//	┌────────┬───────────┬──────────┐
//	│ header │ facts     │ deflated │  data member: whole frames, about 1 MiB of them
//	│        │ envelope  │ frames   │
//	├────────┼───────────┼──────────┤
//	│ header │ facts     │ deflated │  data member
//	│        │ envelope  │ frames   │
//	├────────┼───────────┼──────────┤
//	│  ...   │           │          │
//	├────────┼───────────┼──────────┤
//	│ header │ index     │    -     │  members without data; so are those with the
//	│ header │ summary   │    -     │  begin of an envelope too long for one field
//	│ header │ footer    │    -     │
//	└────────┴───────────┴──────────┘
//
// The facts are how many records and bytes a member has, and their offsets and
// timestamps. The envelope is what a frame has no place for: the offset, timestamp, key
// and headers of each record, and whether its value is null. The index repeats the facts
// of all members with their sizes, the summary says which range of which partition the
// object contains, and the footer, always the last 68 bytes, says where both are.
//
// So a program from 2013 unpacks the file and finds the values. This package finds the
// full records, in a stream or starting at any of them: the end of the file tells which
// member contains it, and only that member is read. docs/format.md is the specification,
// for other languages.
//
// # Writing
//
// [NewWriter] takes the place of a gzip writer. Members are deflated by as many
// workers as wanted, and the bytes do not depend on how many:
//
//	w := baldr.NewWriter(file, baldr.Options{Workers: 2})
//	for ... {
//		err := w.WriteRecord(&baldr.Record{Offset: 42, Timestamp: 1384338600000, Key: key, Value: value})
//	}
//	summary, err := w.Close(baldr.Summary{Topic: "orders", Partition: 3, Start: 40, End: 60})
//
// # Reading
//
// [NewReader] reads any stream: objects, plain Baldr.gz, uncompressed Baldr. It ends with
// [io.EOF] only if the file is complete. [Open] reads an object by random access:
//
//	file, err := baldr.Open(readerAt, size, baldr.ReaderOptions{Workers: 2})
//	for record, err := range file.From(42) { ... }
//	for record, err := range file.Since(1384338600000) { ... }
//
// Records are borrowed: they are valid until the next one is requested. [Record.Clone]
// keeps them.
//
// # Uncompressed Baldr
//
// [FrameWriter], [FrameReader] and [AppendFrame] are for plain Baldr alone.
package baldr
