// The speed of export beside cat, beside a program written by hand.

package main

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

const (
	exportObjects = 4
	exportRounds  = 3
	largeRecords  = 3 // of an object
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
// pyarrow on the same objects as files: each on one core, by what a core-second does, and
// each with the whole machine, by what a user waits for.
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
	stored, raw := bytesBelow(a.objectFiles(), ".gz"), a.raw
	costs, memory := map[string][]cost{}, int64(0)
	lake := filepath.Join(a.dir, "lake")
	export := []string{"./bifrost", "export", "views", "--to", lake}
	byHand := []string{python, "-c", exportByHand, filepath.Join(a.dir, "by-hand.parquet")}
	oneCore := []string{"taskset", "-c", "0"}
	subjects := map[string][]string{
		"cat":         slices.Concat(oneCore, []string{"./bifrost", "cat", "views", "--format", "value"}),
		"export":      slices.Concat(oneCore, export),
		"pyarrow":     slices.Concat(oneCore, byHand),
		"export-all":  export,
		"pyarrow-all": byHand,
	}
	size := int64(0)
	for range exportRounds {
		for _, name := range []string{"cat", "export", "pyarrow", "export-all", "pyarrow-all"} {
			if err := os.RemoveAll(lake); err != nil {
				return err
			}
			c, peak, err := a.runProgram(subjects[name]...)
			if err != nil {
				return err
			}
			costs[name] = append(costs[name], c)
			if strings.HasPrefix(name, "export") {
				memory, size = max(memory, peak), bytesBelow(lake, ".parquet")
			}
		}
	}
	note := fmt.Sprintf("%.1f GB raw in %d objects on a local S3, one core", float64(raw)/1e9, exportObjects)
	report(figure{Name: "cli/export/speed", Value: megabytes(raw, costs["export"], wall), Unit: "MB/s", Note: note})
	report(figure{
		Name:   "cli/export/ratio-processor",
		Value:  ratio(costs["export"], costs["cat"], processor),
		Unit:   "of cat --format value, by processor time",
		Target: "at least 0.5",
	})
	report(figure{
		Name:   "cli/export/pyarrow-processor",
		Value:  ratio(costs["export"], costs["pyarrow"], processor),
		Unit:   "of pyarrow by the README's reader, values only, by processor time",
		Target: "at least 3",
	})
	note = fmt.Sprintf("%d cores, the S3 server on them too; pyarrow reads files", runtime.NumCPU())
	report(figure{Name: "cli/export/speed-all", Value: megabytes(raw, costs["export-all"], wall), Unit: "MB/s",
		Note: note})
	report(figure{Name: "cli/export/pyarrow-speed-all", Value: megabytes(raw, costs["pyarrow-all"], wall), Unit: "MB/s"})
	report(figure{
		Name:   "cli/export/pyarrow",
		Value:  ratio(costs["export-all"], costs["pyarrow-all"], wall),
		Unit:   "of pyarrow, each with the whole machine",
		Target: "at least 3",
	})
	report(figure{Name: "cli/export/memory", Value: float64(memory) / (1 << 20), Unit: "MiB", Target: "under 512"})
	report(figure{
		Name:   "cli/export/size",
		Value:  float64(size) / float64(stored),
		Unit:   "of the objects",
		Target: "at most 1.1",
	})
	for _, megabytes := range []int{20, 100} {
		if err := benchExportOfLargeRecords(ctx, a, megabytes, report); err != nil {
			return err
		}
	}
	return nil
}

// benchExportOfLargeRecords measures the memory of an export of records that do not compress.
func benchExportOfLargeRecords(ctx context.Context, a *cliArchive, megabytes int, report func(figure)) error {
	topic := fmt.Sprintf("large-%d", megabytes)
	random := rand.NewChaCha8([32]byte{})
	records := make([]baldr.Record, largeRecords)
	for i := range records {
		value := make([]byte, megabytes*1e6)
		_, _ = random.Read(value)
		records[i] = baldr.Record{Offset: int64(i), Value: value}
	}
	for number := range int32(exportObjects) {
		if err := a.archive(ctx, bifrost.Partition{Name: topic, Number: number}, records, 1); err != nil {
			return err
		}
		for i := range records {
			records[i].Offset = int64(i)
		}
	}
	_, peak, err := a.runProgram("./bifrost", "export", topic, "--to", filepath.Join(a.dir, topic))
	report(figure{
		Name:   fmt.Sprintf("cli/export/memory-%dMB-records", megabytes),
		Value:  float64(peak) / (1 << 20),
		Unit:   "MiB",
		Target: fmt.Sprintf("at most %.0f", 512+4*float64(megabytes)*1e6/(1<<20)),
		Note:   fmt.Sprintf("%d objects with %d records", exportObjects, largeRecords),
	})
	return err
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
