// Package zstdframe compresses data whose repetitions are known already, as zstd (RFC 8878).
//
// A compressor spends most of its time on searching for what it has seen before. Data that
// was deflated a moment ago has been searched: the references in the deflate stream say
// where it repeats. An Encoder takes them as they are and only codes them anew, which is
// about twice as fast as a fast compressor. It believes none of them: it compares the
// bytes, so a wrong reference costs space and never data.
//
// Reading order:
//
//	encoder.go    matches to the sequences of blocks, and blocks to a frame
//	literals.go   what no sequence covers, by a library's Huffman coder
//	sequences.go  lengths and distances as codes, and their bitstream
//	fse.go        tables of finite state entropy for those codes
package zstdframe
