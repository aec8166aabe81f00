// Package kafka reads Apache Kafka with franz-go. Its one type, [Client], lists
// topics and offsets for a tick ([bifrost.Cluster], [bifrost.History],
// [bifrost.RetentionReader]) and reads ranges of records ([bifrost.Source]).
//
// It uses no consumer group, and it never writes or creates anything.
//
// The path of a record, the only part where speed counts:
//
//	fetch.go          raw fetch requests, one response ahead of the reader
//	fetchresponse.go  how far a response reaches, from the batch headers alone
//	walk.go           from batches to records, and the account of missing offsets
//	transaction.go    which batches belong to aborted transactions
//
// Batches themselves are read by internal/recordbatch.
//
// Invariants that are easy to break:
//
//   - A range ends where the fetch position reaches its end, not at a record:
//     markers, aborted records and compaction leave offsets without one.
//   - Records plus missing offsets always add up to the distance from one
//     position to the next. A distance that cannot be explained is an error.
//   - What a batch or a response claims about its size is never believed before
//     the bytes are there.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Config says which cluster to read and how to reach it.
type Config struct {
	Brokers []string // host:port of some brokers; the others are found through them
	// where this client runs, as brokers know it (client.rack, KIP-392); empty to always read from leaders
	Rack     string
	Security // TLS and credentials
	// LargestBatch is the largest record batch that is taken, in bytes, as it is sent
	// and as it is uncompressed: it has to fit into memory several times. 0 stands for
	// [DefaultLargestBatch]; more than [LargestBatch] is not possible.
	LargestBatch int64
	Options      []kgo.Opt // they override what this package sets
}

// Client is a connection to one cluster, safe for concurrent use. A function keeps it
// from one invocation to the next: connections that died meanwhile are opened again,
// without an error.
type Client struct {
	kgo        *kgo.Client
	keyring    *keyring
	throttles  *throttles
	brokers    string // the configured ones, for errors
	rack       string
	patience   time.Duration // how long to wait for a cluster that does not answer
	maxWait    time.Duration // how long a broker may hold back an answer that would be empty
	fetchBytes int32         // what one fetch asks for at most; a larger batch still comes whole (KIP-74)
	largest    int64         // bytes of the largest batch that is taken
}

var (
	_ bifrost.Cluster         = (*Client)(nil)
	_ bifrost.History         = (*Client)(nil)
	_ bifrost.RetentionReader = (*Client)(nil)
	_ bifrost.Source          = (*Client)(nil)
)

// The bounds of Config.LargestBatch. Beyond a gibibyte franz-go reads no answer.
const (
	DefaultLargestBatch = 256 << 20
	LargestBatch        = bifrost.LargestRecord - answerSlack
)

// answerSlack is more than an answer contains besides one batch.
const answerSlack = 64 << 10

// defaultPatience is longer than a leader election and shorter than an
// operator's own patience.
const defaultPatience = 15 * time.Second

// New returns a client. It does not connect: the first request does.
func New(config Config) (*Client, error) {
	return newClient(config, defaultPatience)
}

func newClient(config Config, patience time.Duration) (*Client, error) {
	if len(config.Brokers) == 0 {
		return nil, errors.New("kafka: no brokers given: want at least one host:port")
	}
	keyring, err := newKeyring(config.Security)
	if err != nil {
		return nil, err
	}
	largest := config.LargestBatch
	if largest == 0 {
		largest = DefaultLargestBatch
	}
	largest = min(largest, LargestBatch)
	throttles := new(throttles)
	options := append([]kgo.Opt{
		kgo.SeedBrokers(config.Brokers...),
		kgo.WithHooks(throttles),
		kgo.ClientID("bifrost"),
		kgo.DisableClientMetrics(), // KIP-714 would talk in the background of a frozen function
		kgo.BrokerMaxReadBytes(int32(largest + answerSlack)),
		kgo.FetchMaxBytes(answerSlack), // of a consumer, which this is not; it must not be above the other
		kgo.FetchMaxPartitionBytes(answerSlack),
		kgo.RequestTimeoutOverhead(patience / 2), // leaves time to ask again on a new connection
		kgo.RetryTimeout(patience * 4 / 5),       // ends before the patience does, so that its error tells the cause
		kgo.RetryBackoffFn(func(tries int) time.Duration { return patience / 60 * time.Duration(min(tries, 5)) }),
	}, slices.Concat(keyring.clientOptions(patience/3), config.Options)...)
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("kafka %s: %w", strings.Join(config.Brokers, ","), err)
	}
	return &Client{
		kgo:        client,
		keyring:    keyring,
		throttles:  throttles,
		brokers:    strings.Join(config.Brokers, ","),
		rack:       config.Rack,
		patience:   patience,
		maxWait:    500 * time.Millisecond,
		fetchBytes: 4 << 20,
		largest:    largest,
	}, nil
}

// Close closes the connections. Whatever is still being read fails.
func (c *Client) Close() { c.kgo.Close() }

// ClusterID returns the cluster's own ID; empty for clusters before 0.10.1,
// which have none.
func (c *Client) ClusterID(ctx context.Context) (string, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{}
	metadata, err := c.fetchMetadata(ctx, request)
	if err != nil {
		return "", fmt.Errorf("kafka: ask for the cluster's ID: %w", err)
	}
	return clusterID(metadata), nil
}

func clusterID(metadata *kmsg.MetadataResponse) string {
	if metadata.ClusterID == nil {
		return ""
	}
	return *metadata.ClusterID
}

// fetchMetadata sends one metadata request to any broker.
func (c *Client) fetchMetadata(ctx context.Context, request *kmsg.MetadataRequest) (*kmsg.MetadataResponse, error) {
	return c.metadataFrom(ctx, c.kgo, request)
}

func (c *Client) metadataFrom(
	ctx context.Context, broker kmsg.Requestor, request *kmsg.MetadataRequest,
) (*kmsg.MetadataResponse, error) {
	request.AllowAutoTopicCreation = false
	ctx, cancel := c.patiently(ctx)
	defer cancel()
	response, err := c.sendRequest(ctx, broker, request)
	if err != nil {
		return nil, c.explainError(ctx, err)
	}
	return response.(*kmsg.MetadataResponse), nil
}

// sendRequest sends a request to a broker, or to whichever the client chooses. When
// that fails for credentials which have changed meanwhile, it is sent again.
func (c *Client) sendRequest(ctx context.Context, to kmsg.Requestor, request kmsg.Request) (kmsg.Response, error) {
	var response kmsg.Response
	err := c.withCredentials(ctx, func() (err error) {
		response, err = to.Request(ctx, request)
		return err
	})
	return response, err
}

// withCredentials calls do, and once more if it fails with credentials that are
// no longer those of the secret.
func (c *Client) withCredentials(ctx context.Context, do func() error) error {
	if err := c.keyring.readyOptions(ctx); err != nil {
		return err
	}
	begun := time.Now()
	refused := do()
	again, err := c.keyring.renewSecret(ctx, refused, begun)
	if again {
		return do()
	}
	return errors.Join(refused, err)
}
