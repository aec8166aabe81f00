// The demo: the main job from end to end.

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// demo runs the main job of Bifrost from end to end and cleans up after itself.
// It is an error if anything in S3 differs from what is in Kafka.
func demo(ctx context.Context, _ []string) (err error) {
	begun := time.Now()
	settings := options()
	settings.Parameters = map[string]string{"IncludeTopics": demoTopics}
	s, err := localservices.StartStack(ctx, settings)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, step("stop everything and clean up", func() error { return cleanUp(s) }))
		if err == nil {
			fmt.Printf("\nAll of it took %.0f s. To keep such a stack running: make up\n", time.Since(begun).Seconds())
		}
	}()
	return showMainJob(ctx, s)
}

// cleanUp removes the topics too: the cluster may be the reader's own.
func cleanUp(s *localservices.Stack) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := withAdmin(s, func(admin *kadm.Client) error { return removeTopics(ctx, admin) })
	return errors.Join(err, s.Remove())
}

func withAdmin(s *localservices.Stack, do func(*kadm.Client) error) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(s.Brokers, ",")...))
	if err != nil {
		return err
	}
	defer client.Close()
	return do(kadm.NewClient(client))
}

func showMainJob(ctx context.Context, s *localservices.Stack) error {
	what := fmt.Sprintf("produce %d page views, %d orders in transactions (each fifth aborted) "+
		"and %d customers to Kafka",
		pageViews, transactions*ordersEach, 3*customers)
	if err := step(what, func() error {
		if err := withAdmin(s, func(admin *kadm.Client) error { return makeTopics(ctx, admin) }); err != nil {
			return err
		}
		return produce(ctx, strings.Split(s.Brokers, ","))
	}); err != nil {
		return err
	}
	var ticks []string
	archiving := step("invoke the discover function with {} until all is archived", func() error {
		return archiveAll(ctx, s, func(answer summary) { ticks = append(ticks, answer.text) })
	})
	for _, t := range slices.Compact(ticks) {
		fmt.Println("    " + t)
	}
	rows, err := showProgress(ctx, s)
	if err := errors.Join(archiving, err); err != nil {
		return err
	}
	if err := showObjects(ctx, s, rows); err != nil {
		return err
	}
	if err := check(ctx, s, rows); err != nil {
		return err
	}
	return showGateway(ctx, s)
}

// A progressRow is what the demo shows of a row of the progress table.
type progressRow struct {
	Topic       string `dynamodbav:"topic"`
	Partition   int32  `dynamodbav:"partition"`
	Status      string `dynamodbav:"status"`
	Error       string `dynamodbav:"error"`
	NextOffset  int64  `dynamodbav:"next_offset"`
	EndOffset   int64  `dynamodbav:"log_end_offset"`
	Lag         int64  `dynamodbav:"lag"`
	Records     int64  `dynamodbav:"archived_records"`
	Missing     int64  `dynamodbav:"missing_offsets"`
	RawBytes    int64  `dynamodbav:"raw_bytes"`
	StoredBytes int64  `dynamodbav:"stored_bytes"`
}

// progressRows are those of the progress table, in order.
func progressRows(ctx context.Context, s *localservices.Stack) ([]progressRow, error) {
	pages := dynamodb.NewScanPaginator(dynamodb.NewFromConfig(s.AWS.Config()),
		&dynamodb.ScanInput{TableName: aws.String(s.Outputs["ProgressTable"]), ConsistentRead: aws.Bool(true)})
	var rows []progressRow
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the progress table: %w", err)
		}
		var some []progressRow
		if err := attributevalue.UnmarshalListOfMaps(page.Items, &some); err != nil {
			return nil, fmt.Errorf("read the progress table: %w", err)
		}
		for _, row := range some {
			if !strings.HasPrefix(row.Topic, "@") { // the mark of the tables is no partition's row
				rows = append(rows, row)
			}
		}
	}
	slices.SortFunc(rows, func(a, b progressRow) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return rows, nil
}

func showProgress(ctx context.Context, s *localservices.Stack) ([]progressRow, error) {
	rows, err := progressRows(ctx, s)
	if err != nil {
		return nil, err
	}
	fmt.Println("\nThe progress table in DynamoDB (missing: markers of transactions, aborted and compacted records):")
	table := newTable()
	fmt.Fprintln(table,
		"  topic\tpartition\tstatus\tnext_offset\tlog_end_offset\tlag\t"+
			"archived_records\tmissing_offsets\traw_bytes\tstored_bytes")
	for _, r := range rows {
		fmt.Fprintf(table, "  %s\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n",
			r.Topic, r.Partition, r.Status, r.NextOffset, r.EndOffset, r.Lag, r.Records, r.Missing, r.RawBytes,
			r.StoredBytes)
		if r.Error != "" {
			fmt.Fprintf(table, "  %s\n", r.Error)
		}
	}
	return rows, table.Flush()
}

func newTable() *tabwriter.Writer { return tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0) }

// shownRecords is how many records of an object the demo prints.
const shownRecords = 3

// showObjects lists the objects and prints some records of an object with orders.
func showObjects(ctx context.Context, s *localservices.Stack, rows []progressRow) error {
	fmt.Printf("\nThe objects in s3://%s:\n", s.Outputs["Bucket"])
	table := newTable()
	var orders string
	for _, r := range rows {
		objects, err := listObjects(ctx, s, r.Topic, r.Partition)
		if err != nil {
			return err
		}
		for _, o := range objects {
			fmt.Fprintf(table, "  %s\t%d bytes\n", o.key, o.size)
			if r.Topic == topicOrders && orders == "" {
				orders = o.key
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Printf("\nThe first records of %s:\n", orders)
	shown := 0
	for record, err := range readObject(ctx, s, orders) {
		if err != nil {
			return err
		}
		fmt.Printf("  offset %d  %s  key %s  value %s\n", record.Offset,
			time.UnixMilli(record.Timestamp).UTC().Format(time.RFC3339), record.Key, bytes.TrimSpace(record.Value))
		if shown++; shown == shownRecords {
			break
		}
	}
	fmt.Println()
	return nil
}

// check compares every partition in S3 with Kafka.
func check(ctx context.Context, s *localservices.Stack, rows []progressRow) error {
	total := 0
	err := step("compare S3 with Kafka, record by record: offset, time, key, value, headers", func() error {
		for _, r := range rows {
			same, err := comparePartition(ctx, s, r.Topic, r.Partition)
			if err != nil {
				return err
			}
			total += same
		}
		want := pageViews + transactions*ordersEach*4/5 + 3*customers
		if total > want || total < want-3*customers {
			return fmt.Errorf("S3 and Kafka agree on %d records, but %d were produced and committed", total, want)
		}
		return nil
	})
	if err == nil {
		fmt.Printf("  %d records, the same in S3 and in Kafka\n", total)
	}
	return err
}
