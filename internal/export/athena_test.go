package export

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/templates"
)

// An athenaTable is a table of infra/athena.yaml.
type athenaTable struct {
	projection templates.Projection
	location   string
	columns    []any // name and type of each
	keys       []string
}

// athenaTables are the tables of infra/athena.yaml by name, over these exports, with the
// days that the stack lets queries see unless it is told others.
func athenaTables(t *testing.T, exports string) map[string]athenaTable {
	t.Helper()
	// A test of the tests gives a copy of the module's root with a mistake in it.
	root := cmp.Or(os.Getenv("BIFROST_TEST_ROOT"), "../..")
	template, err := templates.Load(root + "/infra/athena.yaml")
	if err != nil {
		t.Fatal(err)
	}
	outer, err := templates.Load(root + "/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]string{
		"AthenaExports": exports, "AthenaDates": fmt.Sprint(outer.Get("Parameters", "AthenaDates", "Default")),
	}
	tables := map[string]athenaTable{}
	for _, r := range template.Resources("AWS::Glue::Table") {
		input, parameters := r.Get("TableInput"), map[string]string{}
		values, _ := templates.Get(input, "Parameters").(map[string]any)
		for name, value := range values {
			parameters[name] = evaluated(value, given)
		}
		var table athenaTable
		for _, key := range templates.Get(input, "PartitionKeys").([]any) {
			table.keys = append(table.keys, fmt.Sprint(templates.Get(key, "Name")))
			if kind := templates.Get(key, "Type"); kind != "string" {
				t.Errorf("%s: the partition key %v is %v", r.Name, table.keys, kind)
			}
		}
		if table.projection, err = templates.ProjectionOf(parameters, table.keys...); err != nil {
			t.Fatalf("%s: %v", r.Name, err)
		}
		table.location = evaluated(templates.Get(input, "StorageDescriptor", "Location"), given)
		for _, c := range templates.Get(input, "StorageDescriptor", "Columns").([]any) {
			table.columns = append(table.columns, fmt.Sprintf("%v %v", templates.Get(c, "Name"), templates.Get(c, "Type")))
		}
		tables[fmt.Sprint(templates.Get(input, "Name"))] = table
	}
	if len(tables) != 2 {
		t.Fatalf("%d tables, want records and undated", len(tables))
	}
	return tables
}

// evaluated is the text that CloudFormation makes of a value.
func evaluated(value any, parameters map[string]string) string {
	if name, ok := templates.Get(value, "Ref").(string); ok {
		return parameters[name]
	}
	if text, ok := templates.Get(value, "Fn::Sub").(string); ok {
		for name, v := range parameters {
			text = strings.ReplaceAll(text, "${"+name+"}", v)
		}
		return strings.ReplaceAll(text, "${!", "${")
	}
	return fmt.Sprint(value)
}

// Each file of an export is in one partition of one table that Athena projects, the one
// that its topic and its day say, whatever the topic is called and whenever the records are from.
func TestAthenaFindsEveryFile(t *testing.T) {
	t.Parallel()
	now := time.Now()
	days := []int64{0, 1, int64(dayOf(now.UnixMilli())), int64(dayOf(now.UnixMilli())) - 400}
	const exports = "s3://my-lake/kafka"
	tables := athenaTables(t, exports)
	for _, topic := range []string{"orders", "a.b-c_D", "orders@AAAAAAAAAAAAAAAAAAAAAA"} {
		a := newArchived()
		a.topic = topic
		for _, d := range days {
			a.add(baldr.Record{Timestamp: d * millisecondsOfADay})
		}
		a.add(baldr.Record{Timestamp: -1}, baldr.Record{Timestamp: endOfTime}, baldr.Record{Timestamp: -5})
		seen := map[string][]string{}
		for name := range exportTo(t, a, filepath.Join(t.TempDir(), "lake")) {
			folder := exports + "/" + path.Dir(name)
			for table, found := range tables {
				if !strings.HasPrefix(folder, found.location) {
					t.Errorf("%s lies outside of the location %s of %s", folder, found.location, table)
				}
				values, ok := found.projection.Partition(folder, now)
				if ok && values["topic"] != topic ||
					ok && table == "records" && !strings.HasSuffix(folder, "/date="+values["date"]) {
					t.Errorf("%s is partition %v of %s", folder, values, table)
				}
				if ok {
					seen[name] = append(seen[name], table)
				}
			}
			want := "records"
			if strings.Contains(name, "/date="+noDay.String()+"/") {
				want = "undated"
			}
			if !slices.Equal(seen[name], []string{want}) {
				t.Errorf("%s is in %v, want %s", name, seen[name], want)
			}
		}
		if len(seen) != len(days)+1 {
			t.Errorf("%s: %d files, want one a day and one without: %v", topic, len(seen), seen)
		}
	}
}

// hiveTypes are the types of the tables for those of the files (Amazon Athena User Guide,
// "Data types in Amazon Athena").
var hiveTypes = map[string]string{
	"INT32": "int", "INT64": "bigint", "TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS)": "timestamp", "STRING": "string", "BYTE_ARRAY": "binary",
}

func hiveTypeOf(node parquet.Node) string {
	if node.Leaf() {
		if logical := node.Type().LogicalType(); logical != nil && hiveTypes[logical.String()] != "" {
			return hiveTypes[logical.String()]
		}
		return hiveTypes[node.Type().Kind().String()]
	}
	if logical := node.Type().LogicalType(); logical != nil && logical.String() == "LIST" {
		return "array<" + hiveTypeOf(node.Fields()[0].Fields()[0]) + ">"
	}
	var fields []string
	for _, f := range node.Fields() {
		fields = append(fields, f.Name()+":"+hiveTypeOf(f))
	}
	return "struct<" + strings.Join(fields, ",") + ">"
}

// The tables have the columns of the files, by name and type.
func TestAthenaHasTheColumnsOfTheFiles(t *testing.T) {
	t.Parallel()
	var columns []any
	for _, f := range parquet.SchemaOf(decodedRow{}).Fields() {
		columns = append(columns, f.Name()+" "+hiveTypeOf(f))
	}
	for name, table := range athenaTables(t, "s3://my-lake/kafka") {
		if !reflect.DeepEqual(table.columns, columns) {
			t.Errorf("%s has\n%v, the files\n%v", name, table.columns, columns)
		}
	}
}
