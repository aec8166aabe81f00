//go:build real

package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// readHour asks DuckDB for an hour, and says how many bytes it read for that, as Linux counts
// them for the process.
const readHour = `
import json, sys, duckdb

def read_bytes():
    return int(dict(line.split(": ") for line in open("/proc/self/io").read().splitlines())["rchar"])

connection = duckdb.connect()
connection.sql("set enable_progress_bar = false")
before = read_bytes()
rows = connection.sql(f"""
    select "offset", key, value from read_parquet('{sys.argv[1]}/topic=*/date=*/*.parquet', hive_partitioning = true)
    where {sys.argv[2]} order by 1""").fetchall()
print(json.dumps({"read": read_bytes() - before, "first": rows[0][0], "rows": len(rows)}))
`

// endOfFile is about what DuckDB reads of a file to see that nothing in it was asked for.
const endOfFile = 16 << 10

// For one hour of thirty days DuckDB reads at most a twentieth of the bytes if it is told the
// day. If it has to find it by the statistics of times, it also reads the end of each file,
// which is much here, where an object holds about a day and a file 500 KB. Values are random,
// so that files are not much smaller than what is in them.
func TestOneHourOfThirtyDays(t *testing.T) {
	t.Parallel()
	python := localservices.PythonForTest(t)
	s := sandboxOf(t)
	s.env = append(s.env, "BIFROST_TARGET_BYTES=1048576")
	const days, perHour = 30, 40
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	topic, random := s.topics+"-orders", rand.NewChaCha8([32]byte{})
	must(t, s.topic(t.Context(), topic, 1))
	var records []*kgo.Record
	for n := range days * 24 * perHour {
		value := make([]byte, 1000)
		_, _ = random.Read(value)
		records = append(records, &kgo.Record{Topic: topic, Timestamp: begin.Add(time.Duration(n) * time.Hour / perHour), Key: value[:8], Value: value})
	}
	must(t, s.produce(t.Context(), records...))
	s.bifrost(t, "flush")
	lake := filepath.Join(t.TempDir(), "lake")
	s.bifrost(t, "export", topic, "--to", lake)
	files, all := 0, int64(0)
	must(t, filepath.WalkDir(lake, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".parquet" {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			files, all = files+1, all+info.Size()
		}
		return err
	}))
	const hour = 14*24 + 9
	at := begin.Add(hour * time.Hour)
	times := fmt.Sprintf("timestamp >= timestamptz '%s' and timestamp < timestamptz '%s'",
		at.Format(time.RFC3339), at.Add(time.Hour).Format(time.RFC3339))
	for where, most := range map[string]int64{
		"date = '" + at.Format(time.DateOnly) + "' and " + times: all / 20,
		times: all/20 + int64(files)*endOfFile,
	} {
		out, err := exec.CommandContext(t.Context(), python, "-c", readHour, lake, where).Output()
		must(t, err)
		var got struct{ Read, First, Rows int64 }
		must(t, json.Unmarshal(out, &got))
		t.Logf("%s: %d of %d bytes in %d files, 1/%.0f", where, got.Read, all, files, float64(all)/float64(got.Read))
		if got.Rows != perHour || got.First != hour*perHour {
			t.Errorf("%s: %+v, want %d rows from offset %d", where, got, perHour, hour*perHour)
		}
		if got.Read < perHour*1000 || got.Read > most {
			t.Errorf("%s: %d of %d bytes are read, want at most %d", where, got.Read, all, most)
		}
	}
}
