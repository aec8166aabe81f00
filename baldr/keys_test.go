package baldr_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
)

// Members without a wanted key are left out, and their values not even looked at;
// the others come whole, wherever the reading begins.
func TestMembersWithoutAWantedKeyAreLeftOut(t *testing.T) {
	t.Parallel()
	var object bytes.Buffer
	w := baldr.NewWriter(&object, baldr.Options{MemberBytes: 1 << 10})
	const records = 1000
	for n := range int64(records) {
		r := baldr.Record{Offset: n, Timestamp: n, Key: fmt.Appendf(nil, "k%d", n), Value: bytes.Repeat([]byte{byte(n)}, 100)}
		if n%10 == 0 {
			r.Key = nil
		}
		if err := w.WriteRecord(&r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(baldr.Summary{Topic: "t", End: records, LastLeaderEpoch: -1}); err != nil {
		t.Fatal(err)
	}
	wanted := func(key []byte) bool { return string(key) == "k501" }
	for _, workers := range []int{1, 3} {
		file, err := baldr.Open(bytes.NewReader(object.Bytes()), int64(object.Len()), baldr.ReaderOptions{Workers: workers, Keys: wanted})
		if err != nil {
			t.Fatal(err)
		}
		members := 0
		for range file.Members() {
			members++
		}
		for name, read := range map[string]func(func(baldr.Record, error) bool){"all": file.All(), "from": file.From(7), "since": file.Since(7)} {
			found, seen := 0, 0
			for r, err := range read {
				if err != nil {
					t.Fatal(err)
				}
				seen++
				if wanted(r.Key) {
					found++
					if r.Offset != 501 || !bytes.Equal(r.Value, bytes.Repeat([]byte{byte(501 & 0xff)}, 100)) {
						t.Errorf("%s: %d %q", name, r.Offset, r.Value)
					}
				}
			}
			if found != 1 || members < 20 || seen > records/members*3 {
				t.Errorf("%s with %d workers: %d found among %d records of %d members", name, workers, found, seen, members)
			}
		}
		for range file.From(600) {
			t.Error("a record behind the last wanted one")
		}
	}
	damaged := bytes.Clone(object.Bytes())
	at := bytes.LastIndex(damaged[:len(damaged)/4], []byte{0x1f, 0x8b, 8, 4}) // a member far from the wanted one
	for i := range 8 {
		damaged[at-12-i] ^= 0xff // the end of the deflated values before it
	}
	file, err := baldr.Open(bytes.NewReader(damaged), int64(len(damaged)), baldr.ReaderOptions{Keys: wanted})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range file.All() {
		if err != nil {
			t.Errorf("values that nobody wants were inflated: %v", err)
		}
	}
	if file, err = baldr.Open(bytes.NewReader(damaged), int64(len(damaged)), baldr.ReaderOptions{}); err != nil {
		t.Fatal(err)
	}
	failed := false
	for _, err := range file.All() {
		failed = failed || err != nil
	}
	if !failed {
		t.Error("the damage is none")
	}
}
