package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/runtimefake"
)

// TestScripts runs the scripts in testdata/script through the binary: with the real
// parts against Apache Kafka, DynamoDB Local and versitygw, in "go test ./..." against
// services in the process. $T begins the names of a script's topics. Beside testscript's
// own commands there are:
//
//	topic NAME PARTITIONS [SETTING=VALUE ...]   make a topic
//	delete-topic NAME                           delete it, and wait until it is gone
//	delete-object KEY                           delete an object of the bucket
//	delete-row NAME PARTITION                   delete the progress row of a partition
//	lose-tables                                 empty both tables
//	diverge NAME                                say in the table that the log of partition 0 was cut
//	versions                                    keep versions of objects in the bucket
//	set progress|objects KEY N ATTRIBUTE VALUE  overwrite a number, or a text, in a row of a table
//	records NAME FILE                           records of partition 0: a line each, key and value in Go's quotes, or null
//	produce NAME PARTITION FROM TO              records value-PARTITION-N with keys kN and rising times
func TestScripts(t *testing.T) {
	t.Parallel()
	brokers, db, store := services(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			s, err := newSandbox(context.Background(), brokers, db, store)
			if err != nil {
				return err
			}
			env.Values[sandboxKey{}] = s
			env.Vars = append(env.Vars, s.env...)
			env.Setenv("T", s.topics)
			env.Setenv(runtimefake.MutantVariable, os.Getenv(runtimefake.MutantVariable))
			env.Setenv("GORACE", "atexit_sleep_ms=0") // or every command of a race build waits a second
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"topic":   scriptTopic,
			"produce": scriptProduce,
			"records": scriptRecords,
			"delete-object": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(ts.Value(sandboxKey{}).(*sandbox).deleteObject(context.Background(), args[0]))
			},
			"delete-topic": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(ts.Value(sandboxKey{}).(*sandbox).deleteTopic(context.Background(), args[0]))
			},
			"delete-row": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(ts.Value(sandboxKey{}).(*sandbox).deleteRow(context.Background(), args[0], args[1]))
			},
			"lose-tables": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Check(ts.Value(sandboxKey{}).(*sandbox).loseTables(context.Background()))
			},
			"versions": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Check(ts.Value(sandboxKey{}).(*sandbox).keepVersions(context.Background()))
			},
			"set": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(ts.Value(sandboxKey{}).(*sandbox).setAttribute(context.Background(), args[0], args[1], args[2],
					args[3], args[4]))
			},
			"diverge": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(ts.Value(sandboxKey{}).(*sandbox).diverge(context.Background(), args[0]))
			},
		},
		RequireExplicitExec: true,
	})
}

type sandboxKey struct{}

func scriptTopic(ts *testscript.TestScript, _ bool, args []string) {
	partitions, err := strconv.ParseInt(args[1], 10, 32)
	ts.Check(err)
	ts.Check(ts.Value(sandboxKey{}).(*sandbox).topic(context.Background(), args[0], int32(partitions), args[2:]...))
}

func scriptRecords(ts *testscript.TestScript, _ bool, args []string) {
	var records []*kgo.Record
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		record := &kgo.Record{Topic: args[0], Timestamp: human.Millis(1_700_000_000_000)}
		for to, text := range map[*[]byte]string{&record.Key: key, &record.Value: value} {
			if text != "null" {
				unquoted, err := strconv.Unquote(text)
				ts.Check(err)
				*to = []byte(unquoted)
			}
		}
		records = append(records, record)
	}
	ts.Check(ts.Value(sandboxKey{}).(*sandbox).produce(context.Background(), records...))
}

func scriptProduce(ts *testscript.TestScript, _ bool, args []string) {
	var numbers [3]int
	for i, text := range args[1:] {
		n, err := strconv.Atoi(text)
		ts.Check(err)
		numbers[i] = n
	}
	s := ts.Value(sandboxKey{}).(*sandbox)
	ts.Check(s.produce(context.Background(), numbered(args[0], int32(numbers[0]), numbers[1], numbers[2])...))
	ts.Logf("produced to %s", strings.Join(args, " "))
}
