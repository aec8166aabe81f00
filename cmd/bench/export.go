// The speed of export beside cat, beside a program written by hand.

package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

const (
	exportObjects = 4
	exportRounds  = 3
)

// exportByHand is what somebody writes without Bifrost: the README's reader, which
// sees values only, and pyarrow.
const exportByHand = `
import glob, gzip, struct, sys
import pyarrow as pa, pyarrow.parquet as pq
schema = pa.schema([("value", pa.binary())])
with pq.ParquetWriter(sys.argv[1], schema, compression="zstd") as out:
    values = []
    for name in sorted(glob.glob("*.gz")):
        with gzip.open(name) as stream:
            while head := stream.read(8):
                values.append(stream.read(struct.unpack(">Q", head)[0]))
                if len(values) == 100_000:
                    out.write_table(pa.table([pa.array(values, pa.binary())], schema=schema))
                    values = []
    out.write_table(pa.table([pa.array(values, pa.binary())], schema=schema))
`

// benchExport compares export with cat on the same objects, and with a program of
// pyarrow on the same objects as files, each on one core.
func benchExport(report func(figure)) error {
	ctx := context.Background()
	if err := localservices.Install(ctx, nil, localservices.PartEngines); err != nil {
		return err
	}
	python, err := localservices.Tool("python-engines")
	if err != nil {
		return err
	}
	a, err := newCLIArchive(ctx)
	if err != nil {
		return err
	}
	defer a.stop()
	if err := a.archive(ctx, bifrost.Partition{Name: "views"}, pageViews(catRecords, 1), exportObjects); err != nil {
		return err
	}
	stored := bytesBelow(a.dir, ".gz")
	costs, memory := map[string][]cost{}, int64(0)
	lake := filepath.Join(a.dir, "lake")
	subjects := map[string][]string{
		"cat":     {"./bifrost", "cat", "views", "--format", "value"},
		"export":  {"./bifrost", "export", "views", "--to", lake},
		"pyarrow": {python, "-c", exportByHand, filepath.Join(a.dir, "by-hand.parquet")},
	}
	size := int64(0)
	for range exportRounds {
		for _, name := range []string{"cat", "export", "pyarrow"} {
			if err := os.RemoveAll(lake); err != nil {
				return err
			}
			c, peak, err := a.runProgram(append([]string{"taskset", "-c", "0"}, subjects[name]...)...)
			if err != nil {
				return err
			}
			costs[name] = append(costs[name], c)
			if name == "export" {
				memory, size = max(memory, peak), bytesBelow(lake, ".parquet")
			}
		}
	}
	note := fmt.Sprintf("%.1f GB raw in %d objects on a local S3, one core", float64(a.raw)/1e9, exportObjects)
	report(figure{Name: "cli/export/speed", Value: megabytes(a.raw, costs["export"], wall), Unit: "MB/s", Note: note})
	report(figure{
		Name:   "cli/export/ratio-processor",
		Value:  ratio(costs["export"], costs["cat"], processor),
		Unit:   "of cat --format value, by processor time",
		Target: "at least 0.5",
	})
	report(figure{
		Name:   "cli/export/pyarrow",
		Value:  ratio(costs["export"], costs["pyarrow"], processor),
		Unit:   "of pyarrow by the README's reader, values only, by processor time",
		Target: "at least 3",
	})
	report(figure{Name: "cli/export/memory", Value: float64(memory) / (1 << 20), Unit: "MiB", Target: "under 512"})
	report(figure{
		Name:   "cli/export/size",
		Value:  float64(size) / float64(stored),
		Unit:   "of the objects",
		Target: "at most 1.1",
	})
	return nil
}

// bytesBelow is the size of the files below a directory whose names end so.
func bytesBelow(dir, ending string) (size int64) {
	check(filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ending) {
			var info fs.FileInfo
			if info, err = entry.Info(); err == nil {
				size += info.Size()
			}
		}
		return err
	}))
	return size
}
