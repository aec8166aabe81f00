//go:build real

package bifrost_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/repair"
	"github.com/bifrost-archive/bifrost/internal/s3store"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

type item = map[string]dynamotypes.AttributeValue

// realArchive is an archive in DynamoDB and S3 that can be damaged by hand.
type realArchive struct {
	*testing.T
	clock  *bifrosttest.Clock
	kafka  *bifrosttest.Kafka
	ledger *dynamoledger.Ledger
	store  *s3store.Store
	tables dynamoledger.Tables
	bucket string
	dynamo *dynamodb.Client
	s3     *s3.Client
}

func newRealArchive(t *testing.T) *realArchive {
	t.Helper()
	n, dynamoConfig, s3Config := rand.Uint64(), localservices.DynamoDB(t).Config(), localservices.S3(t).Config()
	a := &realArchive{
		T: t, clock: bifrosttest.NewClock(time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)),
		tables: dynamoledger.Tables{Progress: fmt.Sprintf("progress-%x", n), Objects: fmt.Sprintf("objects-%x", n)},
		bucket: fmt.Sprintf("verify-%x", n), dynamo: dynamodb.NewFromConfig(dynamoConfig), s3: s3.NewFromConfig(s3Config),
	}
	a.kafka = bifrosttest.NewKafka("cluster", a.clock.Now)
	a.must(dynamoledger.CreateTables(t.Context(), dynamoConfig, a.tables))
	_, err := a.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &a.bucket,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: localservices.Region}})
	a.must(err)
	a.ledger, a.store = dynamoledger.New(dynamoConfig, a.tables), s3store.New(s3Config, a.bucket)
	return a
}

func (a *realArchive) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

// settle ticks and works until nothing is left to do.
func (a *realArchive) settle() {
	a.Helper()
	lambda, generation := &bifrosttest.Lambda{}, 0
	sizing := bifrost.Sizing{TargetBytes: 64, MaxAge: time.Minute}
	discoverer := &bifrost.Discoverer{
		Cluster: a.kafka, History: a.kafka, Ledger: a.ledger, Store: a.store, Bucket: a.store, Dispatcher: lambda,
		Settings: bifrost.Settings{Group: testGroup, Sizing: sizing, MaxInFlight: 8, Lease: 5 * time.Minute},
		Now:      a.clock.Now, Log: slog.New(slog.DiscardHandler),
		NewGeneration: func() string { generation++; return fmt.Sprintf("%x-%d", rand.Uint64(), generation) },
	}
	archiver := &bifrost.Archiver{Group: testGroup, Source: a.kafka, Store: a.store, Ledger: a.ledger,
		MaxRawBytes: 1 << 20, Writer: "test", Format: baldr.Options{MemberBytes: 64}, Now: a.clock.Now}
	begun := a.clock.Now()
	for quiet := 0; quiet < 2; quiet++ {
		if a.clock.Advance(2 * time.Minute); a.clock.Now().Sub(begun) > 24*time.Hour {
			a.Fatal("the stack does not come to rest")
		}
		summary, err := discoverer.Tick(a.Context(), time.Time{})
		a.must(err)
		if summary.Planned+summary.Dispatched+summary.Waiting > 0 {
			quiet = -1
		}
		for len(lambda.Waiting()) > 0 {
			if _, err := archiver.Archive(a.Context(), lambda.Take(0), time.Time{}); err != nil {
				a.Log(err)
			}
		}
	}
}

func (a *realArchive) verify(options verify.Options) []verify.Violation {
	a.Helper()
	var found []verify.Violation
	v := &verify.Verifier{Group: testGroup, Ledger: a.ledger, Bucket: a.store, Cluster: a.kafka, Source: a.kafka, Now: a.clock.Now, Parallel: 4}
	_, err := v.Verify(a.Context(), options, func(v verify.Violation) { found = append(found, v) })
	a.must(err)
	return found
}

func (a *realArchive) sound(what string) {
	a.Helper()
	for _, v := range a.verify(verify.Options{Deep: true, Kafka: true}) {
		a.Errorf("%s: %+v", what, v)
	}
}

func (a *realArchive) items(table string) []item {
	a.Helper()
	out, err := a.dynamo.Scan(a.Context(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
	a.must(err)
	return out.Items
}

func (a *realArchive) put(table string, i item) {
	a.Helper()
	_, err := a.dynamo.PutItem(a.Context(), &dynamodb.PutItemInput{TableName: &table, Item: i})
	a.must(err)
}

func (a *realArchive) deleteItem(table string, i item, hash, sort string) {
	a.Helper()
	_, err := a.dynamo.DeleteItem(a.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: item{hash: i[hash], sort: i[sort]}})
	a.must(err)
}

// wipe deletes everything from both tables.
func (a *realArchive) wipe() {
	a.Helper()
	for _, i := range a.items(a.tables.Progress) {
		a.deleteItem(a.tables.Progress, i, "topic", "partition")
	}
	for _, i := range a.items(a.tables.Objects) {
		a.deleteItem(a.tables.Objects, i, "partition_key", "start_offset")
	}
}

func (a *realArchive) read(key string) []byte {
	a.Helper()
	out, err := a.s3.GetObject(a.Context(), &s3.GetObjectInput{Bucket: &a.bucket, Key: &key})
	a.must(err)
	content, err := io.ReadAll(out.Body)
	a.must(err)
	a.must(out.Body.Close())
	return content
}

// write puts an object over what is there, as a careless person would.
func (a *realArchive) write(key string, content []byte) {
	a.Helper()
	_, err := a.s3.PutObject(a.Context(), &s3.PutObjectInput{Bucket: &a.bucket, Key: &key, Body: bytes.NewReader(content),
		ChecksumCRC64NVME: aws.String(bifrosttest.Checksum(content))})
	a.must(err)
}

func (a *realArchive) remove(key string) {
	a.Helper()
	_, err := a.s3.DeleteObject(a.Context(), &s3.DeleteObjectInput{Bucket: &a.bucket, Key: &key})
	a.must(err)
}

// said is what both tables say, without what the bucket does not know.
func (a *realArchive) said() []string {
	a.Helper()
	all, err := a.ledger.ListProgress(a.Context())
	a.must(err)
	var lines []string
	for _, p := range all {
		lines = append(lines, fmt.Sprintf("%s of %s: next %d planned %d %+v last %s %s", p.Partition, p.TopicID, p.NextOffset, p.PlannedOffset, p.Totals, p.LastObject, p.LastRecordAt))
		rows, err := a.ledger.Rows(a.Context(), p.Partition, 0, 1000)
		a.must(err)
		for _, r := range rows {
			lines = append(lines, fmt.Sprintf("%s %s of %s: %s %q %+v", r.Partition, r.Range, r.TopicID, r.State, r.GapReason, r.Facts))
		}
	}
	slices.Sort(lines)
	return lines
}

func (a *realArchive) season() {
	a.Helper()
	topic := a.kafka.CreateTopic("orders", 2)
	topic.Logs[0].Produce("gone", "one", "two, and longer", "three", "four")
	topic.Logs[0].Retain(1)
	a.settle()
	topic.Logs[1].End(topic.Logs[1].Begin("aborted"), false)
	topic.Logs[1].Produce("five", "six", "seven")
	a.settle()
	a.kafka.DeleteTopic("orders")
	a.kafka.CreateTopic("orders", 1).Logs[0].Produce("another life", "of the topic")
	a.settle()
	a.settle()
}

func number(n string) dynamotypes.AttributeValue { return &dynamotypes.AttributeValueMemberN{Value: n} }

// TestVerifyAndRebuildOnRealParts damages an archive in DynamoDB and S3, lets
// verify find it, mends it, and at last loses both tables.
func TestVerifyAndRebuildOnRealParts(t *testing.T) {
	t.Parallel()
	a := newRealArchive(t)
	a.season()
	a.sound("undamaged")
	said := a.said()
	a.damageObjects()
	a.damageItems()
	a.sound("after everything was mended")
	a.wipe()
	if found := a.verify(verify.Options{}); len(found) == 0 {
		t.Error("lost tables were not found")
	}
	generation := 0
	r := &repair.Rebuilder{Group: testGroup, Ledger: a.ledger, Store: a.store, Bucket: a.store, Now: a.clock.Now,
		Sizing: bifrost.Sizing{TargetBytes: 64, MaxAge: time.Minute}, Log: slog.New(slog.DiscardHandler),
		NewGeneration: func() string { generation++; return fmt.Sprintf("rebuilt-%d-%x", generation, rand.Uint64()) }}
	summary, err := r.Rebuild(t.Context())
	if err != nil || summary.Failures > 0 {
		t.Fatalf("error %v, summary %+v", err, summary)
	}
	if got := a.said(); !slices.Equal(got, said) {
		t.Errorf("rebuilt tables say\n%s\nthe lost ones said\n%s", strings.Join(got, "\n"), strings.Join(said, "\n"))
	}
	a.sound("rebuilt")
	if again, err := r.Rebuild(t.Context()); err != nil || again.Made+again.Adopted+again.Planned+again.Failures > 0 {
		t.Errorf("a second rebuild: error %v, summary %+v", err, again)
	}
	t.Logf("%d rows and progress rows, rebuilt: %+v", len(said), summary)
}

// finds checks that the damage shows as one of the kind, and mends it.
func (a *realArchive) finds(kind verify.Kind, what string, mend func()) {
	a.Helper()
	found := a.verify(verify.Options{})
	if !slices.ContainsFunc(found, func(v verify.Violation) bool { return v.Kind == kind }) {
		a.Errorf("%s: no %s in %+v", what, kind, found)
	}
	mend()
}

func (a *realArchive) damageObjects() {
	a.Helper()
	orders := bifrost.Partition{Name: "orders", Number: 1}
	rows, err := a.ledger.Rows(a.Context(), orders, 0, 10)
	a.must(err)
	if len(rows) < 2 {
		a.Fatalf("only rows %+v", rows)
	}
	one, two := rows[0].Facts.Key, rows[1].Facts.Key
	content, other := a.read(one), a.read(two)
	back := func() { a.write(one, content); a.write(two, other) }

	a.remove(one)
	a.finds(verify.ObjectMissing, "deleted", back)
	a.write(one, content[:len(content)-9])
	a.finds(verify.ObjectDamaged, "cut", back)
	flipped := bytes.Clone(content)
	flipped[len(flipped)/3] ^= 4
	a.write(one, flipped)
	a.finds(verify.ObjectDamaged, "flipped", back)
	a.write(one, other)
	a.write(two, content)
	a.finds(verify.ObjectMisplaced, "swapped", back)
	extra := bifrost.ObjectKey(testGroup, orders, rows[0].Start, 1)
	a.write(extra, content)
	a.finds(verify.ObjectWithoutRow, "extra", func() { a.remove(extra) })
	a.write("archive/orders/partition=1/notes.txt", []byte("hello"))
	a.finds(verify.ForeignObject, "foreign", func() { a.remove("archive/orders/partition=1/notes.txt") })
	marker := bifrost.MarkerKey(testGroup, "orders")
	text := a.read(marker)
	a.remove(marker)
	a.finds(verify.MarkerMissing, "marker deleted", func() { a.write(marker, text) })
	a.write(marker, []byte(`{"topic":"orders"}`))
	a.finds(verify.MarkerMismatch, "marker of nobody", func() { a.write(marker, text) })
}

func (a *realArchive) damageItems() {
	a.Helper()
	var row item
	for _, i := range a.items(a.tables.Objects) {
		if _, ok := i["last_timestamp"]; ok && i["start_offset"].(*dynamotypes.AttributeValueMemberN).Value != "0" {
			row = i
		}
	}
	edit := func(table string, whole item, attribute string, value dynamotypes.AttributeValue, kind verify.Kind) {
		a.Helper()
		edited := item{}
		for name, v := range whole {
			edited[name] = v
		}
		edited[attribute] = value
		a.put(table, edited)
		a.finds(kind, attribute+" edited", func() { a.put(table, whole) })
	}
	edit(a.tables.Objects, row, "records", number("77"), verify.RowInvalid)
	edit(a.tables.Objects, row, "raw_bytes", number("77"), verify.ObjectMismatch)
	edit(a.tables.Objects, row, "stored_bytes", number("77"), verify.ObjectSize)
	edit(a.tables.Objects, row, "last_timestamp", number("77"), verify.ObjectMismatch)
	edit(a.tables.Objects, row, "checksum", &dynamotypes.AttributeValueMemberS{Value: "rosUhgp5mIg="}, verify.ObjectChecksum)
	edit(a.tables.Objects, row, "end_offset", number("77"), verify.RowInvalid)
	edit(a.tables.Objects, row, "state", &dynamotypes.AttributeValueMemberS{Value: "LOST"}, verify.RowInvalid)

	a.deleteItem(a.tables.Objects, row, "partition_key", "start_offset")
	a.finds(verify.RowMissing, "row deleted", func() { a.put(a.tables.Objects, row) })
	double := item{}
	for name, v := range row {
		double[name] = v
	}
	double["start_offset"] = number("1000")
	double["end_offset"] = number("1001")
	a.put(a.tables.Objects, double)
	a.finds(verify.RowBeyondPlanned, "double row", func() { a.deleteItem(a.tables.Objects, double, "partition_key", "start_offset") })

	all := a.items(a.tables.Progress)
	progress := all[slices.IndexFunc(all, func(i item) bool { // the mark of the tables is no partition's row
		return !strings.HasPrefix(i["topic"].(*dynamotypes.AttributeValueMemberS).Value, "@")
	})]
	edit(a.tables.Progress, progress, "archived_records", number("77"), verify.TotalsWrong)
	edit(a.tables.Progress, progress, "next_offset", number("0"), verify.TotalsWrong)
	edit(a.tables.Progress, progress, "planned_offset", number("77"), verify.RowMissing)
	a.deleteItem(a.tables.Progress, progress, "topic", "partition")
	a.finds(verify.ProgressMissing, "progress row deleted", func() { a.put(a.tables.Progress, progress) })
}
