package baldr

import (
	"encoding/hex"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// hexLine is a line of docs/format.md that shows bytes of records.baldr.gz: a
// position, and bytes with an explanation behind them.
var hexLine = regexp.MustCompile(`(?m)^([0-9a-f]{4}) ((?: +[0-9a-f]{2}\b)+)`)

// TestDocumentShowsTheBytesOfTheTestVector keeps the hex of the document true.
func TestDocumentShowsTheBytesOfTheTestVector(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../docs/format.md")
	check(t, err)
	vector, err := os.ReadFile("testdata/records.baldr.gz")
	check(t, err)
	lines := hexLine.FindAllStringSubmatch(string(document), -1)
	shown := 0
	for i, line := range lines {
		at, err := strconv.ParseInt(line[1], 16, 64)
		check(t, err)
		bytes := strings.Fields(line[2])
		// A number at the begin of the explanation may look like a byte; the
		// next line says where this one ends.
		if i+1 < len(lines) {
			next, err := strconv.ParseInt(lines[i+1][1], 16, 64)
			check(t, err)
			if size := int(next - at); size > 0 && size < len(bytes) {
				bytes = bytes[:size]
			}
		}
		want := hex.EncodeToString(vector[at : int(at)+len(bytes)])
		if got := strings.Join(bytes, ""); got != want {
			t.Errorf("docs/format.md shows %s at %04x, the file has %s", got, at, want)
		}
		shown += len(bytes)
	}
	if shown < 250 {
		t.Errorf("found only %d bytes in docs/format.md", shown)
	}
}
