package export

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/schema"
)

// boundedOrder has a column of each kind whose bounds could be wrong.
const boundedOrder = `{"type":"record","name":"O","fields":[{"name":"status","type":"string"},{"name":"n","type":"long"},` +
	`{"name":"small","type":{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}},` +
	`{"name":"total","type":{"type":"bytes","logicalType":"decimal","precision":38,"scale":2}},` +
	`{"name":"id","type":["null",{"type":"string","logicalType":"uuid"}]}]}`

// boundedValue is one of them as a serializer writes it.
func boundedValue(status string, n int8, uuid string) []byte {
	long := func(to []byte, n int) []byte { return binary.AppendVarint(to, int64(n)) }
	value := []byte{0, 0, 0, 0, 1}
	value = append(long(value, len(status)), status...)
	value = long(value, int(n))
	for range 2 { // decimals of one byte
		value = append(long(value, 1), byte(n))
	}
	if uuid == "" {
		return long(value, 0)
	}
	return append(long(long(value, 1), len(uuid)), uuid...)
}

// TestNoValueLiesOutsideOfBounds: engines pass over row groups and pages whose bounds say
// that what is asked for is not there. Bounds that are wrong hide records without a word.
func TestNoValueLiesOutsideOfBounds(t *testing.T) {
	t.Parallel()
	a, l, lake := newArchived(), schema.NewLog(), bifrosttest.NewStore()
	addVersion(l, 1, boundedOrder)
	uuids := []string{"", "00000000-0000-0000-0000-000000000001", "ffffffff-0000-0000-0000-000000000001"}
	var records []baldr.Record
	for i := range 900 { // more than one row group, the last ones without any UUID
		uuid := uuids[i%3]
		if i > 300 {
			uuid = ""
		}
		n := int8(i*37%256 - 128)
		records = append(records, baldr.Record{Timestamp: int64(i % 7), Key: bytes.Repeat([]byte{byte(i)}, i%20),
			Value: boundedValue(strings.Repeat("PAID", i%4), n, uuid)})
	}
	a.add(records...)
	columns := ColumnDecoder{Decoder: schema.NewDecoder(l), Values: true}
	e := Exporter{Reader: a.reader(), Place: InBucket(lake, "lake", "x/"), Typing: typing(l),
		Options: Options{Layout: 1, Typed: TopicSubject, Decode: true}, Decode: columns.Decode}
	if err := e.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Export(t.Context(), &Summary{}, Part{a.partition(), readback.Everything}); err != nil {
		t.Fatal(err)
	}
	bounded, groups := map[string]bool{}, 0
	for _, key := range lake.Keys() {
		if strings.HasSuffix(key, ".parquet") {
			groups += mustLieInBounds(t, lake.Versions(key)[0], bounded)
		}
	}
	var names []string
	for name, bounds := range bounded {
		if bounds {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	want := "key offset partition record.n record.small timestamp timestamp_ms timestamp_type"
	if got := strings.Join(names, " "); got != want || groups < 3 {
		t.Errorf("%d row groups; with bounds are %s, want %s", groups, got, want)
	}
}

// mustLieInBounds reads a file, and notes which columns have bounds in all row groups.
func mustLieInBounds(t *testing.T, content []byte, bounded map[string]bool) (groups int) {
	t.Helper()
	file, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	for i, group := range file.RowGroups() {
		for number, chunk := range group.ColumnChunks() {
			path := file.Schema().Columns()[number]
			name := strings.Join(path, ".")
			leaf, _ := file.Schema().Lookup(path...)
			kind := leaf.Node.Type()
			compare := kind.Compare
			if kind.Kind() == parquet.FixedLenByteArray && strings.Contains(kind.String(), "DECIMAL") {
				compare = func(a, b parquet.Value) int { return signedOf(a).Cmp(signedOf(b)) }
			}
			raw := file.Metadata().RowGroups[i].Columns[number]
			stats := raw.MetaData.Statistics
			hasIndex, hasStats := raw.ColumnIndexOffset > 0, stats.MinValue != nil || stats.MaxValue != nil
			var index parquet.ColumnIndex
			if hasIndex {
				if index, err = chunk.ColumnIndex(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			present := 0
			pages := chunk.Pages()
			for at := 0; ; at++ {
				page, err := pages.ReadPage()
				if err != nil {
					break
				}
				values := make([]parquet.Value, page.NumValues())
				n, _ := page.Values().ReadValues(values)
				for _, v := range values[:n] {
					if v.IsNull() {
						continue
					}
					present++
					least, largest := kind.Kind().Value(stats.MinValue), kind.Kind().Value(stats.MaxValue)
					if hasStats && (compare(least, v) > 0 || compare(largest, v) < 0) {
						t.Fatalf("%s: %v is not in [%v, %v] of the row group", name, v, stats.MinValue, stats.MaxValue)
					}
					if hasIndex && (index.NullPage(at) || compare(index.MinValue(at), v) > 0 || compare(index.MaxValue(at), v) < 0) {
						t.Fatalf("%s: %v is not in [%v, %v] of the page", name, v, index.MinValue(at), index.MaxValue(at))
					}
				}
			}
			_ = pages.Close()
			if present > 0 {
				all, known := bounded[name]
				bounded[name] = hasIndex && hasStats && (all || !known)
			}
		}
		groups++
	}
	return groups
}

// signedOf is a number in two's complement.
func signedOf(v parquet.Value) *big.Int {
	n := new(big.Int).SetBytes(v.ByteArray())
	if b := v.ByteArray(); len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}
