//go:build real && soak

package main

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// The recipe of docs/engines.md puts exported records into a table of Iceberg, in runs between
// which the export grew, and one after which nothing is left: the table has what a Kafka
// consumer reads, each record once. A filter on the files finds what a look at all rows finds.
func TestSparkPutsEachRecordIntoATableOnce(t *testing.T) {
	must(t, localservices.Install(t.Context(), nil, localservices.PartPySpark))
	python, err := localservices.Tool("python-pyspark")
	must(t, err)
	iceberg, err := localservices.Tool("iceberg")
	must(t, err)
	t.Setenv("SPARK_LOCAL_IP", "127.0.0.1")
	t.Setenv("PYSPARK_SUBMIT_ARGS", "--master local[2] --driver-memory 1g --conf spark.ui.enabled=false pyspark-shell")
	s := sandboxOf(t)
	ctx := t.Context()
	orders := s.topics + "-orders"
	must(t, s.topic(ctx, orders, 2, "message.timestamp.after.max.ms="+strconv.Itoa(math.MaxInt64)))
	lake := filepath.Join(t.TempDir(), "lake")
	recipe := strings.Replace(recipesOf(t)["Spark"], "iceberg-spark-runtime-3.5_2.12-1.9.2.jar", iceberg, 1)
	recipe += `
rows = spark.sql("select partition, offset, timestamp_ms, timestamp_type, key, value, headers from lake.db.orders order by partition, offset").collect()

from pyspark.sql.functions import col, lit
for name in ("key", "value"):
    some = [r[name] for r in rows if r[name]]
    for one in some[:: len(some) // 5]:
        found = spark.table("files").filter(col(name) == lit(bytearray(one))).count()
        want = sum(r[name] == one for r in rows)
        assert found == want, f"{name} {one[:40]}: a filter finds {found} of {want} rows"
`
	const parts, each = 2, 10_000
	random := rand.New(rand.NewPCG(3, 4))
	var got []string
	for part := range parts {
		var records []*kgo.Record
		for range each {
			records = append(records, oddOrder(orders, random))
		}
		must(t, s.produce(ctx, records...))
		s.bifrost(t, "flush")
		s.bifrost(t, "export", orders, "--to", lake)
		got = runRecipe(t, python, recipe, "rows", filepath.Dir(lake), orders, "none")
		if len(got) != (part+1)*each {
			t.Fatalf("after run %d the table has %d rows, want %d", part+1, len(got), (part+1)*each)
		}
	}
	again := runRecipe(t, python, recipe, "rows", filepath.Dir(lake), orders, "none")
	if want := s.consumed(t, orders, parts*each); !slices.Equal(got, want) || !slices.Equal(again, want) {
		t.Errorf("the table has %d rows, and %d after another run, the consumer read %d, and they differ",
			len(got), len(again), len(want))
	}
}
