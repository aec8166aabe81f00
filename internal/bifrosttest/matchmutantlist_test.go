package bifrosttest

import "maps"

func init() { maps.Copy(kindMutants, matchMutants) }

// matchMutants are mistakes with the matches of deflated data, on their way into the files of an
// export. None of them loses data, which is why nothing but a test of its own finds them.
var matchMutants = map[string][]kindMutant{
	"matches that are noted": {
		{mutant{"only those of the fast loop", "the end of each member has none", []edit{{
			"../../baldr/internal/deflate/inflate.go", "	if f.noting {\n		f.roomForNotes()\n",
			"	if f.noting && f.out < 0 {\n		f.roomForNotes()\n",
		}}}, "baldr/internal/deflate", "TestMatchesAreNoted", ""},
		{mutant{"as many as there was room for", "the rest of a member has none", []edit{{
			"../../baldr/internal/deflate/inflate.go", "dst[:min(len(dst), out+f.roomForNotes()*leastMatch)]",
			"dst[:min(len(dst), out+len(dst)+f.roomForNotes()*leastMatch)]",
		}}}, "baldr/internal/deflate", "TestMatchesAreNoted", ""},
		{mutant{"those of the call before", "they are of another member", []edit{{
			"../../baldr/internal/deflate/inflate.go", "	f.noted = 0\n", "",
		}}}, "baldr/internal/deflate", "TestMatchesAreNoted", ""},
	},
	"matches of a record": {
		{mutant{"those of members that are too long to be noted", "they are of another member", []edit{{
			"../../baldr/decoder.go", "	if d.facts.rawBytes <= arrivalBytes {\n		d.matches, d.known",
			"	if d.facts.rawBytes > 0 {\n		d.matches, d.known",
		}}}, "baldr", "TestNoMatches", ""},
		{mutant{"the one that goes on in the next value", "that value lacks it", []edit{{
			"../../baldr/decoder.go", "d.matches = d.matches[max(n-1, 0):]", "d.matches = d.matches[n:]",
		}}}, "baldr", "TestMatchesOfRecords", ""},
		{mutant{"without being asked", "everybody pays for them", []edit{{
			"../../baldr/data_reader.go", "d.decoder.noteMatches = d.opts.Matches", "d.decoder.noteMatches = true",
		}}}, "baldr", "TestNoMatches", ""},
		{mutant{"a clone that borrows them", "they change under its owner", []edit{{
			"../../baldr/record.go", "	c.ValueAt, c.Matches = 0, nil\n", "",
		}}}, "baldr", "TestMatchesOfRecords", ""},
		{mutant{"an export that does not ask", "it searches for what is known", []edit{{
			"../export/objectfiles.go", "		Matches: true}", "		Matches: false}",
		}}}, "internal/export", "TestExportAsksForMatches", ""},
	},
	"matches in a file": {
		{mutant{"frames counted as values", "the header between two is taken for data", []edit{{
			"../export/valuecodec.go", "c.addMatch(at, at-p.column-int64(inside), end-start)",
			"c.addMatch(at, int64(m.Distance), end-start)",
		}}}, "internal/export", "TestMatchesArePlaced", ""},
		{mutant{"a header of which the whole match is lost", "only what is in it is", []edit{{
			"../export/valuecodec.go", "skipped > 0 {\n			at, from", "skipped > 0 {\n			return\n			at, from",
		}}}, "internal/export", "TestMatchesThatMeetAHeader", ""},
		{mutant{"values of the member before", "their matches are of this one", []edit{{
			"../export/valuecodec.go", "c.placed, c.blocks, n = c.placed[:0], c.blocks[:0], 0", "n += 0",
		}}}, "internal/export", "TestMatchesArePlaced", ""},
		{mutant{"a match that goes on in the next page", "the rest of it is lost", []edit{{
			"../export/valuecodec.go", "last.At+int64(last.Length) > c.begin {", "last.At < 0 {",
		}}}, "internal/export", "TestAMatchOverTwoPages", ""},
		{mutant{"the lengths before the values of a page", "every match is at another place", []edit{{
			"../export/valuecodec.go", "src, lengths, begin,", "src, 0*lengths, begin,",
		}}}, "internal/export", "TestValuesAreCompressedByTheirMatches", ""},
	},
	"frames of zstd": {
		{mutant{"a match that is not compared", "what is wrong in it is written", []edit{{
			"../zstdframe/encoder.go", "same = bytes.Equal(src[at:at+length], src[at-distance:at-distance+length])",
			"same = bytes.Equal(src[at:at+length], src[at:at+length])",
		}}}, "internal/zstdframe", "TestMatchesThatAreWrong", ""},
		{mutant{"the last bytes of a match that are not compared", "what is wrong in them is written", []edit{{
			"../zstdframe/encoder.go", "for i := range length {\n			masks", "for i := range length - 1 {\n			masks",
		}}}, "internal/zstdframe", "TestMatchesThatAreWrongInOneByte", ""},
		{mutant{"distances of a block that was not written", "a decoder has others", []edit{{
			"../zstdframe/encoder.go", "e.recent, e.huffman.Reuse = before, huff0.ReusePolicyNone",
			"e.huffman.Reuse = huff0.ReusePolicyNone",
		}}}, "internal/zstdframe", "TestABlockThatIsNotWritten", ""},
		{mutant{"a match over the end of a block", "the next block lacks the rest", []edit{{
			"../zstdframe/encoder.go", "		if last > end {\n			break", "		if last > end && at >= end {\n			break",
		}}}, "internal/zstdframe", "TestMatchesAreCut", ""},
		{mutant{"the last distance behind no literal", "it means another one", []edit{{
			"../zstdframe/sequences.go", "	case distance == r.first && literals > 0:", "	case distance == r.first:",
		}}}, "internal/zstdframe", "TestRecentDistances", ""},
		{mutant{"a code that occurs once", "it has no state", []edit{{
			"../zstdframe/fse.go", "max(1, (int(count)*size+n/2)/n)", "(int(count)*size+n/2)/n",
		}}}, "internal/zstdframe", "TestSharesOfStates", ""},
		{mutant{"literals of two sizes", "14 bits are too few for the larger", []edit{{
			"../zstdframe/literals.go", "	case size < 1<<14:", "	case size <= 1<<14:",
		}}}, "internal/zstdframe", "TestSectionsOfEverySize", ""},
		{mutant{"a word that is full", "its bits are written twice", []edit{{
			"../zstdframe/sequences.go", "w = w.flush(out).add(extra, lBits+mBits).flush(out)",
			"w = w.add(extra, lBits+mBits).flush(out)",
		}}}, "internal/zstdframe", "TestASequenceOfTheMostBits", ""},
		{mutant{"what is before the values as a source", "whatever goes on from the page before is lost", []edit{{
			"../zstdframe/encoder.go", "at = max(at, anchor, head+distance)", "at = max(at, anchor, distance)",
		}}}, "internal/export", "TestPagesOfTheSameRecord", ""},
		{mutant{"a frame without its checksum", "a mistake of the encoder would be read", []edit{{
			"../zstdframe/encoder.go", "binary.LittleEndian.AppendUint32(dst, uint32(checksum))",
			"binary.LittleEndian.AppendUint32(dst, uint32(checksum>>1))",
		}}}, "internal/zstdframe", "TestEncodedComesBack", ""},
		{mutant{"many sequences", "two bytes are too few for their number", []edit{{
			"../zstdframe/sequences.go", "	case n < threeBytes:", "	case n <= threeBytes:",
		}}}, "internal/zstdframe", "TestSectionsOfEverySize", ""},
	},
}
