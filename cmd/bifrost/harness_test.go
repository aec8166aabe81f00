package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// TestMain lets this test binary stand in for the bifrost binary: testscript puts
// it on the path under that name.
func TestMain(m *testing.M) {
	programs := maps.Clone(tools)
	programs["bifrost"] = func() { os.Exit(runWithReason(os.Args[1:])) }
	testscript.Main(m, programs)
}

// exitNoReason is how a command ends here that failed and did not say why: no test expects it.
const exitNoReason = 99

// runWithReason is run, and holds every command of every test to this: an exit code other
// than 0 comes with a line that says why.
func runWithReason(args []string) int {
	terminal := os.Stderr
	read, write, err := os.Pipe()
	if err != nil {
		fmt.Fprintln(terminal, err)
		return exitNoReason
	}
	os.Stderr = write
	var talk bytes.Buffer
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.MultiWriter(terminal, &talk), read)
		copied <- err
	}()
	code := run(args)
	_ = write.Close()
	<-copied // whoever closed standard error does not read the reason either
	if code != exitOK && !regexp.MustCompile(`(?m)^bifrost: ..`).Match(talk.Bytes()) {
		fmt.Fprintf(terminal, "bifrost %q ended with %d and did not say why\n", args, code)
		return exitNoReason
	}
	if found := onePlural.FindStringSubmatch(talk.String()); found != nil && !slices.Contains(singulars, found[1]) {
		fmt.Fprintf(terminal, "bifrost %q says %q: a word that human.InNumber does not know\n", args, found[0])
		return exitNoReason
	}
	return code
}

// onePlural matches what no command of any test says: 1 of a thing in the plural.
var onePlural = regexp.MustCompile(`(?m)(?:^|[\s(])1 (?:[a-z]+ )?([a-z]{3,}s)\b`)

// singulars are words that only look like a plural.
var singulars = []string{"was", "has", "this", "less", "waits", "needs", "says", "does", "knows"}

// A sandbox is an archive of one test: a bucket, tables and topics of its own on
// services that tests share.
type sandbox struct {
	brokers string
	topics  string // what the names of its topics begin with
	env     []string
	bucket  string
	tables  dynamoledger.Tables
	db      aws.Config
	store   *s3.Client

	storeConfig aws.Config
}

func newSandbox(ctx context.Context, brokers string, db, store localservices.Endpoint) (*sandbox, error) {
	name := "cli-" + strings.ToLower(rand.Text()[:12])
	client := s3.NewFromConfig(store.Config())
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
		return nil, err
	}
	tables := dynamoledger.Tables{Progress: name + "-progress", Objects: name + "-objects"}
	if err := dynamoledger.CreateTables(ctx, db.Config(), tables); err != nil {
		return nil, err
	}
	env := []string{
		"BIFROST_BROKERS=" + brokers, "BIFROST_GROUP=test", "BIFROST_BUCKET=" + name,
		"BIFROST_PROGRESS_TABLE=" + tables.Progress, "BIFROST_OBJECTS_TABLE=" + tables.Objects, "BIFROST_INCLUDE_TOPICS=" + name + "*",
		"BIFROST_FENCE_PAUSE_SECONDS=2", // no store of these tests takes that long to complete an upload
	}
	env = append(env, store.Env()...)
	// The two services have addresses of their own here.
	env = append(env, "AWS_ENDPOINT_URL_DYNAMODB="+db.URL)
	return &sandbox{brokers: brokers, topics: name, env: env, bucket: name, tables: tables, db: db.Config(), store: client, storeConfig: store.Config()}, nil
}

func sandboxOf(t testing.TB) *sandbox {
	t.Helper()
	brokers, db, store := services(t)
	s, err := newSandbox(t.Context(), brokers, db, store)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sandbox) client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(strings.Split(s.brokers, ",")...), kgo.UnknownTopicRetries(-1)}, options...)...)
}

// topic makes a topic, with settings such as "retention.ms=-1".
func (s *sandbox) topic(ctx context.Context, name string, partitions int32, settings ...string) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	configs := map[string]*string{"retention.ms": kadm.StringPtr("-1")}
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		configs[key] = &value
	}
	_, err = localservices.CreateTopic(ctx, client, name, partitions, 1, configs)
	return err
}

func (s *sandbox) deleteObject(ctx context.Context, key string) error {
	_, err := s.store.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key})
	return err
}

// keepVersions makes the bucket keep versions, as the template does.
func (s *sandbox) keepVersions(ctx context.Context) error {
	_, err := s.store.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &s.bucket,
		VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}})
	return err
}

// setAttribute overwrites an attribute of the row of the progress or of the objects
// table that has the two keys, with a number if the value is one.
func (s *sandbox) setAttribute(ctx context.Context, table, key, number, attribute, value string) error {
	name, first, second := s.tables.Progress, "topic", "partition"
	if table == "objects" {
		name, first, second = s.tables.Objects, "partition_key", "start_offset"
	}
	var set types.AttributeValue = &types.AttributeValueMemberS{Value: value}
	if _, err := strconv.ParseInt(value, 10, 64); err == nil {
		set = &types.AttributeValueMemberN{Value: value}
	}
	_, err := dynamodb.NewFromConfig(s.db).UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &name,
		Key: map[string]types.AttributeValue{first: &types.AttributeValueMemberS{Value: key},
			second: &types.AttributeValueMemberN{Value: number}},
		UpdateExpression: aws.String("SET #a = :v"), ConditionExpression: aws.String("attribute_exists(#k)"),
		ExpressionAttributeNames:  map[string]string{"#a": attribute, "#k": first},
		ExpressionAttributeValues: map[string]types.AttributeValue{":v": set},
	})
	return err
}

// deleteRow deletes the progress row of a partition.
func (s *sandbox) deleteRow(ctx context.Context, topic, partition string) error {
	_, err := dynamodb.NewFromConfig(s.db).DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &s.tables.Progress,
		Key: map[string]types.AttributeValue{"topic": &types.AttributeValueMemberS{Value: topic},
			"partition": &types.AttributeValueMemberN{Value: partition}},
		ConditionExpression:      aws.String("attribute_exists(#k)"),
		ExpressionAttributeNames: map[string]string{"#k": "topic"},
	})
	return err
}

// loseTables deletes both tables and makes them again, empty.
func (s *sandbox) loseTables(ctx context.Context) error {
	client := dynamodb.NewFromConfig(s.db)
	for _, table := range []string{s.tables.Progress, s.tables.Objects} {
		if _, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &table}); err != nil {
			return err
		}
	}
	return dynamoledger.CreateTables(ctx, s.db, s.tables)
}

// diverge makes partition 0 of a topic DIVERGED, as ticks do that see its log cut:
// one broker cuts no logs.
func (s *sandbox) diverge(ctx context.Context, topic string) error {
	ledger := dynamoledger.New(s.db, s.tables)
	p, err := ledger.Progress(ctx, bifrost.Partition{Name: topic})
	if err != nil {
		return err
	}
	return ledger.ChangeStatus(ctx, bifrost.StatusWrite{Progress: p, Status: bifrost.StatusDiverged, Error: "the log was cut"})
}

// end is the sum of the last stable offsets of all partitions of a topic; 0 when there is no such topic.
func (s *sandbox) end(t testing.TB, topic string) (end int64) {
	t.Helper()
	client, err := s.client()
	must(t, err)
	defer client.Close()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(t.Context(), topic)
	must(t, err)
	ends.Each(func(o kadm.ListedOffset) { end += max(0, o.Offset) })
	return end
}

// setting is what a topic has for one of its settings; empty if it has none.
func (s *sandbox) setting(t testing.TB, topic, name string) string {
	t.Helper()
	client, err := s.client()
	must(t, err)
	defer client.Close()
	described, err := kadm.NewClient(client).DescribeTopicConfigs(t.Context(), topic)
	must(t, err)
	config, err := described.On(topic, nil)
	must(t, err)
	for _, c := range config.Configs {
		if c.Key == name {
			return c.MaybeValue()
		}
	}
	return ""
}

// deleteTopic deletes a topic and waits until it is gone.
func (s *sandbox) deleteTopic(ctx context.Context, topic string) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.DeleteTopic(ctx, topic); err != nil {
		return err
	}
	for range 100 {
		topics, err := admin.ListTopics(ctx)
		if err != nil {
			return err
		}
		if !topics.Has(topic) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("topic %s is still there", topic)
}

// produce writes records, waits until they are in the log, and fills in their offsets.
func (s *sandbox) produce(ctx context.Context, records ...*kgo.Record) error {
	client, err := s.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	return client.ProduceSync(ctx, records...).FirstErr()
}

// bifrost runs the binary and returns what it printed.
func (s *sandbox) bifrost(t testing.TB, args ...string) string {
	t.Helper()
	command := s.command(t.Context(), args...)
	var out, talk bytes.Buffer
	command.Stdout, command.Stderr = &out, &talk
	if err := command.Run(); err != nil {
		t.Fatalf("bifrost %s: %v\n%s%s", strings.Join(args, " "), err, talk.String(), out.String())
	}
	return out.String()
}

func (s *sandbox) command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "bifrost", args...)
	command.Env = append(os.Environ(), s.env...)
	return command
}

// numbered makes records "NAME-PARTITION-N" with keys, headers and rising times.
func numbered(topic string, partition int32, from, to int) []*kgo.Record {
	var records []*kgo.Record
	for n := from; n < to; n++ {
		records = append(records, &kgo.Record{
			Topic: topic, Partition: partition, Timestamp: human.Millis(int64(1_700_000_000_000 + n*1000 + int(partition))),
			Key: fmt.Appendf(nil, "k%d", n), Value: fmt.Appendf(nil, "value-%d-%d", partition, n),
			Headers: []kgo.RecordHeader{{Key: "n", Value: fmt.Append(nil, n)}},
		})
	}
	return records
}

// ran is what a command did.
type ran struct {
	code int
	out  string
	talk string
}

func (s *sandbox) run(t testing.TB, args ...string) ran {
	t.Helper()
	command := s.command(t.Context(), args...)
	var out, talk bytes.Buffer
	command.Stdout, command.Stderr = &out, &talk
	_ = command.Run()
	t.Logf("bifrost %s: %d\n%s%s", strings.Join(args, " "), command.ProcessState.ExitCode(), talk.String(), out.String())
	return ran{command.ProcessState.ExitCode(), out.String(), talk.String()}
}

// must compares the exit code, and looks for words in what was said.
func (r ran) must(t testing.TB, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	for _, w := range words {
		if !strings.Contains(r.talk+r.out, w) {
			t.Errorf("it does not say %q", w)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
