//go:build real

package zstdframe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// decodeFrames decodes pairs of data and its frame by the C library, as pyarrow does.
const decodeFrames = `
import struct, sys
import pyarrow as pa

zstd, count = pa.Codec("zstd"), 0
with open(sys.argv[1], "rb") as pairs:
    while head := pairs.read(8):
        size, stored = struct.unpack("<II", head)
        data, frame = pairs.read(size), pairs.read(stored)
        if zstd.decompress(frame, size).to_pybytes() != data:
            sys.exit(f"frame {count} of {size} bytes comes back as others")
        count += 1
print(count)
`

// The reference implementation shares no code with the encoder, nor with its Huffman coder.
func TestTheCLibraryDecodesFrames(t *testing.T) {
	t.Parallel()
	python := localservices.PythonForTest(t)
	var pairs bytes.Buffer
	var e Encoder
	frames := 0
	add := func(src []byte, matches []Match) {
		frame := e.Encode(nil, src, 0, 0, matches)
		sizes := binary.LittleEndian.AppendUint32(nil, uint32(len(src)))
		pairs.Write(binary.LittleEndian.AppendUint32(sizes, uint32(len(frame))))
		pairs.Write(src)
		pairs.Write(frame)
		frames++
	}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 7))
		src := mixed(random, 1+random.IntN(1<<(4+random.IntN(16))))
		add(src, findMatches(src, 0, []int{leastMatch, 20, 258, 1 << 20}[random.IntN(4)]))
		add(mostBits(seed))
	}
	name := filepath.Join(t.TempDir(), "pairs")
	if err := os.WriteFile(name, pairs.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := exec.CommandContext(t.Context(), python, "-c", decodeFrames, name).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	var decoded int
	if _, err := fmt.Sscan(string(said), &decoded); err != nil || decoded != frames {
		t.Errorf("%d frames, python says %s", frames, said)
	}
}
