// The records that the demo produces.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What the demo writes to Kafka. The names set it apart from the topics of a
// reader who brings a cluster.
const (
	topicPageViews = "demo.page-views" // many records, keys
	topicOrders    = "demo.orders"     // transactions, some aborted; keys and headers
	topicCustomers = "demo.customers"  // compacted; values replaced and deleted
	demoTopics     = "demo.*"          // a glob of the three
)

const (
	pageViews    = 60_000
	transactions = 60 // of the orders topic, each fifth aborted
	ordersEach   = 100
	customers    = 500
)

// makeTopics makes the topics of the demo, anew if an interrupted demo left them.
func makeTopics(ctx context.Context, admin *kadm.Client) error {
	if err := removeTopics(ctx, admin); err != nil {
		return err
	}
	compact := "compact"
	for topic, t := range map[string]struct {
		partitions int32
		configs    map[string]*string
	}{
		topicPageViews: {3, nil},
		topicOrders:    {2, nil},
		topicCustomers: {1, map[string]*string{"cleanup.policy": &compact}},
	} {
		if err := makeTopic(ctx, admin, topic, t.partitions, t.configs); err != nil {
			return err
		}
	}
	return nil
}

// makeTopic makes a topic with as many replicas as the cluster likes to have. A
// topic of that name that is being deleted is waited for.
func makeTopic(
	ctx context.Context, admin *kadm.Client, topic string, partitions int32, configs map[string]*string,
) error {
	for {
		response, err := admin.CreateTopic(ctx, partitions, -1, configs, topic)
		if err == nil {
			err = response.Err
		}
		if !errors.Is(err, kerr.TopicAlreadyExists) {
			if err != nil {
				return fmt.Errorf("create topic %s: %w", topic, err)
			}
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("create topic %s: an old one does not go away: %w", topic, err)
		}
	}
}

func removeTopics(ctx context.Context, admin *kadm.Client) error {
	responses, err := admin.DeleteTopics(ctx, topicPageViews, topicOrders, topicCustomers)
	if err != nil {
		return fmt.Errorf("delete the topics of the demo: %w", err)
	}
	for _, r := range responses.Sorted() {
		if r.Err != nil && !errors.Is(r.Err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("delete topic %s: %w", r.Topic, r.Err)
		}
	}
	return nil
}

// pause waits a little between two looks at a condition.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(200 * time.Millisecond):
		return nil
	}
}

// produce writes the events of the demo. They are the same in every run, but for
// their times.
func produce(ctx context.Context, brokers []string) error {
	random := rand.New(rand.NewPCG(2013, 2026))
	if err := producePlain(ctx, brokers, random); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if err := produceOrders(ctx, brokers, random); err != nil {
		return fmt.Errorf("produce to %s: %w", topicOrders, err)
	}
	return nil
}

func producePlain(ctx context.Context, brokers []string, random *rand.Rand) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.UnknownTopicRetries(-1))
	if err != nil {
		return err
	}
	defer client.Close()
	var failed error
	promise := kgo.AbortingFirstErrPromise(client)
	for i := range pageViews {
		client.Produce(ctx, pageView(random, i), promise.Promise())
	}
	for i := range 3 * customers {
		client.Produce(ctx, customer(random, i), promise.Promise())
	}
	if err := promise.Err(); err != nil {
		failed = err
	}
	return failed
}

func pageView(random *rand.Rand, i int) *kgo.Record {
	user := "user-" + strconv.Itoa(int(random.ExpFloat64()*500))
	value := encode(map[string]any{
		"id":       fmt.Sprintf("%016x", random.Uint64()),
		"sequence": i,
		"user":     user,
		"url":      "https://shop.example/products/" + strconv.Itoa(random.IntN(2000)),
		"referrer": []string{"https://search.example/", "https://news.example/today", ""}[random.IntN(3)],
		"user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/" +
			strconv.Itoa(120+random.IntN(20)),
		"duration": random.IntN(60_000),
		"viewport": []int{1280 + random.IntN(3)*320, 720 + random.IntN(3)*180},
	})
	return &kgo.Record{Topic: topicPageViews, Key: []byte(user), Value: value}
}

// customer returns a new state of a customer. Now and then it is a tombstone, or
// a value that is empty and not null.
func customer(random *rand.Rand, i int) *kgo.Record {
	record := &kgo.Record{Topic: topicCustomers, Key: []byte("customer-" + strconv.Itoa(i%customers))}
	switch random.IntN(10) {
	case 0:
		record.Value = nil
	case 1:
		record.Value = []byte{}
	default:
		record.Value = encode(map[string]any{
			"name":     "Customer " + strconv.Itoa(i%customers),
			"revision": i/customers + 1,
		})
	}
	return record
}

// produceOrders writes transactions, and aborts each fifth of them.
func produceOrders(ctx context.Context, brokers []string, random *rand.Rand) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.UnknownTopicRetries(-1),
		kgo.TransactionalID("demo-"+strconv.FormatInt(time.Now().UnixNano(), 36)))
	if err != nil {
		return err
	}
	defer client.Close()
	for t := range transactions {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		promise := kgo.AbortingFirstErrPromise(client)
		for i := range ordersEach {
			client.Produce(ctx, order(random, t*ordersEach+i), promise.Promise())
		}
		if err := promise.Err(); err != nil {
			return err
		}
		if err := client.EndTransaction(ctx, kgo.TransactionEndTry(t%5 != 4)); err != nil {
			return err
		}
	}
	return nil
}

func order(random *rand.Rand, i int) *kgo.Record {
	id := "order-" + strconv.Itoa(i)
	return &kgo.Record{
		Topic: topicOrders,
		Key:   []byte(id),
		Value: encode(map[string]any{
			"order":    id,
			"amount":   random.IntN(100_000),
			"currency": "EUR",
			"status":   "placed",
		}),
		Headers: []kgo.RecordHeader{
			{Key: "content-type", Value: []byte("application/json")},
			{Key: "trace-id", Value: []byte(strconv.FormatUint(random.Uint64(), 16))},
			{Key: "trace-id", Value: nil}, // keys may repeat, and null is not empty
		},
	}
}

func encode(value map[string]any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return text
}
