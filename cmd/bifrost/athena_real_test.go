//go:build real

package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/templates"
)

// exports is where the tests of Athena export to, as docs/athena.md does.
const exports = "s3://my-lake/kafka"

// trino is what the local Athena lacks of the real one: it runs DuckDB. Each query of a test is
// behind it, word for word.
const trino = `SET TimeZone = 'UTC';
CREATE MACRO from_utf8(b) AS decode(b);
CREATE MACRO to_utf8(s) AS encode(s);
CREATE MACRO json_extract_scalar(j, p) AS json_extract_string(j, p);
`

// The saved queries of infra/athena.yaml answer what is known of the exported records. The local
// Athena reads whatever lies under the location of a table; what it finds there is what the
// projection of the deployed table lets Athena see, and nothing else.
func TestAthenaAnswersTheUsualQuestions(t *testing.T) {
	t.Parallel()
	l := startLake(t)
	orders, recent := l.topics+"-orders", time.Now().Add(-10*time.Minute).Truncate(time.Millisecond).UTC()
	l.produceOrders(t, orders, recent)
	l.bifrost(t, "init")
	l.bifrost(t, "flush")
	l.bifrost(t, "export", orders, "--to", exports, "--decode", "--schemas", l.registry())
	l.createStack(t, withoutQueries(t))
	l.project(t, "records")
	l.project(t, "undated")

	// A mock answers every query with the same.
	if got := l.query(t, "bifrost", `SELECT 6 * 7, count(*) FROM records WHERE topic = '`+orders+`'`); !slices.Equal(got, []string{"42|9"}) {
		t.Fatalf("the engine of the local Athena answers %q", got)
	}
	known := map[string][]string{
		"Records of each day and partition": {"2026-01-30|0|1|0|0|0", "2026-01-31|0|4|1|4|1", "2026-01-31|1|2|0|1|0"},
		"Records of the last hour":          {"0|6|" + pythonTime(recent) + "|9|recent"},
		"Records between two times":         {"0|1|2026-01-31 12:00:00+00:00|42|" + avroOrder("paid"), "0|2|2026-01-31 12:59:59.999000+00:00|7|plain"},
		"History of a key": {"0|0|2026-01-30 23:59:59.999000+00:00|" + avroOrder("new"),
			"0|1|2026-01-31 12:00:00+00:00|" + avroOrder("paid"), "0|3|2026-01-31 13:00:00+00:00|NULL"},
		"Newest record of each key": {"0|2|7|plain", "1|1|8|in a transaction"},
		"Tombstones":                {"0|3|2026-01-31 13:00:00+00:00|42"},
		"Records by a field":        {"new|2", "paid|1"},
		"What was not decoded":      {"schema 99: no schema: the topic of the registry has none of this ID|1|1|0"},
		"Offsets of each partition": {"0|0|6|7|0", "1|0|3|3|1"},
		"Gaps between offsets":      {"1|2|3|1"},
		"Records without a day":     {"0|5|-5|7|before 1970"},
	}
	for name, sql := range namedQueries(t) {
		if strings.Count(sql, "topic = 'orders'") == 0 {
			t.Errorf("%s names no topic, and Athena refuses it", name)
		}
		sql = strings.ReplaceAll(sql, "'orders'", "'"+orders+"'")
		if got := l.query(t, "bifrost", sql); !slices.Equal(got, known[name]) {
			t.Errorf("%s answers\n%q, want\n%q", name, got, known[name])
		}
		delete(known, name)
	}
	if len(known) > 0 {
		t.Errorf("there is no such query: %v", known)
	}
}

// The table that docs/athena.md makes for a typed topic has the fields of the files.
func TestAthenaReadsATypedTopic(t *testing.T) {
	t.Parallel()
	l := startLake(t)
	shop := l.topics + "-shop"
	must(t, l.topic(t.Context(), shop, 1))
	must(t, l.produce(t.Context(), shopOrder(shop, 1, "ann", 1250), shopOrder(shop, 2, "bob", 300), shopOrder(shop, 3, "ann", 125)))
	l.bifrost(t, "init")
	l.bifrost(t, "flush")
	l.bifrost(t, "export", shop, "--to", "s3://my-lake/typed", "--typed=shop", "--schemas", l.registry())
	l.call(t, "glue", "AWSGlue.CreateDatabase", map[string]any{"DatabaseInput": map[string]any{"Name": "lake"}}, nil)
	blocks := blocksOf(t, "sql")
	if len(blocks) != 2 {
		t.Fatalf("docs/athena.md has %d statements, want a table and a query", len(blocks))
	}
	l.execute(t, "lake", strings.ReplaceAll(blocks[0], "topic=orders", "topic="+shop), nil)
	if got, want := l.query(t, "lake", blocks[1]), []string{"ann|13.75", "bob|3.00"}; !slices.Equal(got, want) {
		t.Errorf("the query of the page answers %q, want %q", got, want)
	}
	const declared = "struct<id:bigint,customer:string,total:decimal(9,2),lines:array<struct<sku:string,count:int>>,placed:timestamp>"
	const read = `STRUCT(id BIGINT, customer VARCHAR, total DECIMAL(9,2), lines STRUCT(sku VARCHAR, count INTEGER)[], placed TIMESTAMP WITH TIME ZONE)`
	got := l.query(t, "lake", "SELECT typeof(record) FROM lake.orders LIMIT 1")
	if !strings.Contains(blocks[0], declared) || len(got) != 1 || strings.ReplaceAll(got[0], `"`, "") != read {
		t.Errorf("the files have %q, want %s, which the page says as %s", got, read, declared)
	}
	var made struct{ Table glueTable }
	l.call(t, "glue", "AWSGlue.GetTable", map[string]any{"DatabaseName": "lake", "Name": "orders"}, &made)
	parameters := made.Table.Parameters
	parameters["storage.location.template"] = fmt.Sprint(made.Table.StorageDescriptor["Location"]) + "/date=${date}" // what it is unless somebody says another
	parameters["projection.date.interval"], parameters["projection.date.interval.unit"] = "1", "DAYS"
	projection, err := templates.ProjectionOf(parameters, "date")
	must(t, err)
	if _, seen := projection.Partition("s3://my-lake/typed/topic="+shop+"/date=2026-01-31", time.Now()); !seen {
		t.Errorf("the table of the page does not find the file of its topic: %v", parameters)
	}
}

// A lake is a local AWS with an archive and a bucket for exports.
type lake struct {
	*sandbox
	aws localservices.Endpoint
}

func startLake(t *testing.T) lake {
	t.Helper()
	server, err := localservices.StartAWS(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, server.Remove()) })
	name := "athena-" + strings.ToLower(rand.Text()[:8])
	s := &sandbox{brokers: localservices.Kafka(t), topics: name, db: server.Endpoint.Config()}
	s.store = s3.NewFromConfig(server.Endpoint.Config(), func(o *s3.Options) { o.UsePathStyle = true })
	s.env = append(server.Endpoint.Env(), "BIFROST_GROUP=test", "BIFROST_BROKERS="+s.brokers, "BIFROST_INCLUDE_TOPICS="+name+"*")
	l := lake{s.elsewhere(name), server.Endpoint}
	bucket := "my-lake"
	_, err = l.store.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: localservices.Region}})
	must(t, err)
	must(t, l.topic(t.Context(), l.registry(), 1, "cleanup.policy=compact"))
	for subject, fields := range map[string]string{
		"o": `"id":1,"schema":"{\"type\":\"record\",\"name\":\"O\",\"fields\":[{\"name\":\"status\",\"type\":\"string\"}]}"`,
		"shop": `"id":2,"schema":"{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"id\",\"type\":\"long\"},{\"name\":\"customer\",\"type\":\"string\"},` +
			`{\"name\":\"total\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}},` +
			`{\"name\":\"lines\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"sku\",\"type\":\"string\"},{\"name\":\"count\",\"type\":\"int\"}]}}},` +
			`{\"name\":\"placed\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}]}"`,
	} {
		must(t, l.produce(t.Context(), &kgo.Record{
			Topic: l.registry(), Key: fmt.Appendf(nil, `{"keytype":"SCHEMA","subject":"%s","version":1,"magic":1}`, subject),
			Value: fmt.Appendf(nil, `{"subject":"%s","version":1,%s}`, subject, fields),
		}))
	}
	return l
}

func (l lake) registry() string { return l.topics + "-schemas" }

// avroOrder is a value of the first schema behind Confluent's header.
func avroOrder(status string) string {
	return "\x00\x00\x00\x00\x01" + string(rune(2*len(status))) + status
}

// shopOrder is a record of the second schema.
func shopOrder(topic string, id byte, customer string, cents int) *kgo.Record {
	value := []byte{0, 0, 0, 0, 2, 2 * id, byte(2 * len(customer))}
	value = append(value, customer...)
	value = append(value, 4, byte(cents>>8), byte(cents), 2, 2, 'a', 4, 0) // one line
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for n := uint64(at.UnixMilli()) << 1; ; n >>= 7 {
		if n < 0x80 {
			value = append(value, byte(n))
			break
		}
		value = append(value, byte(n)|0x80)
	}
	return &kgo.Record{Topic: topic, Value: value, Timestamp: at}
}

// produceOrders writes the records that the queries are asked about.
func (l lake) produceOrders(t *testing.T, topic string, recent time.Time) {
	t.Helper()
	must(t, l.topic(t.Context(), topic, 2))
	january := func(day, hour, minute, second, ms int) time.Time {
		return time.Date(2026, 1, day, hour, minute, second, ms*1_000_000, time.UTC)
	}
	r := func(partition int32, key, value string, at time.Time) *kgo.Record {
		return &kgo.Record{Topic: topic, Partition: partition, Key: []byte(key), Value: []byte(value), Timestamp: at}
	}
	tombstone, keyless := r(0, "42", "", january(31, 13, 0, 0, 0)), r(0, "", avroOrder("new"), january(31, 13, 0, 1, 0))
	tombstone.Value, keyless.Key = nil, nil
	must(t, l.produce(t.Context(),
		r(0, "42", avroOrder("new"), january(30, 23, 59, 59, 999)),
		r(0, "42", avroOrder("paid"), january(31, 12, 0, 0, 0)),
		r(0, "7", "plain", january(31, 12, 59, 59, 999)),
		tombstone,
		keyless,
		r(0, "7", "before 1970", time.UnixMilli(-5)),
		r(0, "9", "recent", recent),
		r(1, "8", "\x00\x00\x00\x00\x63\x01", january(31, 0, 0, 0, 0)), // of a schema that is missing
	))
	client, err := l.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(topic))
	must(t, err)
	defer client.Close()
	must(t, client.BeginTransaction())
	must(t, client.ProduceSync(t.Context(), r(1, "8", "in a transaction", january(31, 0, 0, 1, 0))).FirstErr())
	must(t, client.EndTransaction(t.Context(), kgo.TryCommit))
	for l.end(t, topic) < 7+3 { // the marker, which comes after the answer, is offset 2
		time.Sleep(20 * time.Millisecond)
	}
	must(t, l.produce(t.Context(), r(1, "9", "older", recent.Add(-2*time.Hour))))
}

// withoutQueries is infra/athena.yaml as far as the local AWS knows its resources: all but the saved queries.
func withoutQueries(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../../infra/athena.yaml")
	must(t, err)
	before, queries, found := strings.Cut(string(text), "  # --- Questions.")
	if !found || strings.Count(queries, "    Type: ") != strings.Count(queries, "    Type: AWS::Athena::NamedQuery\n") {
		t.Fatal("infra/athena.yaml ends otherwise than with saved queries")
	}
	return before
}

// namedQueries are the saved queries of infra/athena.yaml by name.
func namedQueries(t *testing.T) map[string]string {
	t.Helper()
	template, err := templates.Load("../../infra/athena.yaml")
	must(t, err)
	queries := map[string]string{}
	for _, q := range template.Resources("AWS::Athena::NamedQuery") {
		queries[fmt.Sprint(q.Get("Name"))] = fmt.Sprint(q.Get("QueryString"))
	}
	return queries
}

// blocksOf are the blocks of docs/athena.md in a language.
func blocksOf(t testing.TB, language string) (blocks []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/athena.md")
	must(t, err)
	for i, part := range strings.Split(string(page), "```") {
		if code, ok := strings.CutPrefix(part, language+"\n"); ok && i%2 == 1 {
			blocks = append(blocks, code)
		}
	}
	return blocks
}

// pythonTime is a time as the local Athena writes it.
func pythonTime(at time.Time) string {
	if at.Nanosecond() == 0 {
		return at.Format("2006-01-02 15:04:05-07:00")
	}
	return at.Format("2006-01-02 15:04:05.000000-07:00")
}

// send sends a signed request to the local AWS and returns the answer.
func (l lake) send(t *testing.T, service, contentType, target string, body []byte) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.aws.URL, bytes.NewReader(body))
	must(t, err)
	request.Header.Set("Content-Type", contentType)
	if target != "" {
		request.Header.Set("X-Amz-Target", target)
	}
	config := l.aws.Config()
	credentials, err := config.Credentials.Retrieve(t.Context())
	must(t, err)
	sum := fmt.Sprintf("%x", sha256.Sum256(body))
	must(t, v4.NewSigner().SignHTTP(t.Context(), credentials, request, sum, service, config.Region, time.Now()))
	response, err := config.HTTPClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s\n%s", service, target, response.Status, answer)
	}
	return answer
}

// call calls an operation of a service that speaks JSON.
func (l lake) call(t *testing.T, service, target string, input, output any) {
	t.Helper()
	body, err := json.Marshal(input)
	must(t, err)
	answer := l.send(t, service, "application/x-amz-json-1.1", target, body)
	if output != nil {
		must(t, json.Unmarshal(answer, output))
	}
}

// createStack deploys a template with the parameters of docs/athena.md.
func (l lake) createStack(t *testing.T, template string) {
	t.Helper()
	form := url.Values{"Action": {"CreateStack"}, "Version": {"2010-05-15"}, "StackName": {"bifrost-athena"}, "TemplateBody": {template}}
	for i, p := range [][2]string{{"Name", "bifrost"}, {"AthenaExports", exports}, {"AthenaResults", "s3://my-lake/athena"},
		{"AthenaDatabase", "bifrost"}, {"AthenaDates", "1970-01-01,NOW+1DAYS"}} {
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterKey", i+1), p[0])
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterValue", i+1), p[1])
	}
	const encoded = "application/x-www-form-urlencoded; charset=utf-8"
	l.send(t, "cloudformation", encoded, "", []byte(form.Encode()))
	for {
		described := string(l.send(t, "cloudformation", encoded, "", []byte("Action=DescribeStacks&Version=2010-05-15&StackName=bifrost-athena")))
		if strings.Contains(described, "CREATE_COMPLETE") {
			return
		}
		if !strings.Contains(described, "CREATE_IN_PROGRESS") {
			t.Fatalf("the stack is not made:\n%s", described)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// A glueTable is what AWS Glue knows of a table.
type glueTable struct {
	Name, TableType   string
	Parameters        map[string]string
	PartitionKeys     []map[string]string
	StorageDescriptor map[string]any
}

// project copies what Athena would see by a table's projection to a place of its own, and lets
// the table be there.
func (l lake) project(t *testing.T, table string) {
	t.Helper()
	var deployed struct{ Table glueTable }
	l.call(t, "glue", "AWSGlue.GetTable", map[string]any{"DatabaseName": "bifrost", "Name": table}, &deployed)
	var keys []string
	for _, key := range deployed.Table.PartitionKeys {
		keys = append(keys, key["Name"])
	}
	projection, err := templates.ProjectionOf(deployed.Table.Parameters, keys...)
	must(t, err)
	bucket, copied := "my-lake", 0
	listed, err := l.store.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	must(t, err)
	for _, object := range listed.Contents {
		values, seen := projection.Partition("s3://my-lake/"+path.Dir(*object.Key), time.Now())
		if !seen {
			continue
		}
		folder := "projected/" + table
		for _, key := range keys {
			folder += "/" + key + "=" + values[key]
		}
		to, from := folder+"/"+path.Base(*object.Key), bucket+"/"+*object.Key
		_, err := l.store.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &bucket, Key: &to, CopySource: &from})
		must(t, err)
		copied++
	}
	if copied == 0 {
		t.Fatalf("%s sees nothing of %d objects", table, len(listed.Contents))
	}
	deployed.Table.StorageDescriptor["Location"] = "s3://my-lake/projected/" + table + "/"
	l.call(t, "glue", "AWSGlue.UpdateTable", map[string]any{"DatabaseName": "bifrost", "TableInput": deployed.Table}, nil)
}

// query returns the rows of an answer, with | between the columns.
func (l lake) query(t *testing.T, database, sql string) (rows []string) {
	t.Helper()
	var results struct {
		ResultSet struct {
			Rows []struct {
				Data []struct{ VarCharValue *string }
			}
		}
	}
	l.execute(t, database, trino+sql, &results)
	for _, row := range results.ResultSet.Rows {
		var cells []string
		for _, cell := range row.Data {
			if cell.VarCharValue == nil {
				cells = append(cells, "NULL")
			} else {
				cells = append(cells, *cell.VarCharValue)
			}
		}
		rows = append(rows, strings.Join(cells, "|"))
	}
	return rows
}

// execute runs a statement and waits for its results.
func (l lake) execute(t *testing.T, database, sql string, results any) {
	t.Helper()
	var started struct{ QueryExecutionId string }
	l.call(t, "athena", "AmazonAthena.StartQueryExecution", map[string]any{
		"QueryString": sql, "QueryExecutionContext": map[string]any{"Database": database},
		"ResultConfiguration": map[string]any{"OutputLocation": "s3://my-lake/athena/"},
	}, &started)
	for {
		var state struct {
			QueryExecution struct {
				Status struct{ State, StateChangeReason string }
			}
		}
		l.call(t, "athena", "AmazonAthena.GetQueryExecution", started, &state)
		switch status := state.QueryExecution.Status; status.State {
		case "SUCCEEDED":
			l.call(t, "athena", "AmazonAthena.GetQueryResults", started, results)
			return
		case "FAILED", "CANCELLED":
			t.Fatalf("%s: %s\n%s", status.State, status.StateChangeReason, sql)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
