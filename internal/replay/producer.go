// The transactional protocol of Kafka.

package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// producer speaks the protocol of a transactional producer (KIP-98) by itself,
// with whole batches instead of records: decisions/0009 says why the client's own
// producer is not used. The client finds coordinators, keeps connections and
// encodes requests.
//
// A batch that got no answer is sent again as it is; the broker knows it by its
// sequence number, and answers with the offset it has. So only one batch of a
// partition may be on its way at a time. Everything else that goes wrong ends the
// transaction, and the run: what is committed stands, and the next run goes on.
type producer struct {
	client   *kgo.Client
	name     string // transactional ID
	identity identity
}

// identity is what Kafka knows a producer by: whoever initializes it later has a
// higher epoch, and shuts this one out.
type identity struct {
	id    int64
	epoch int16
}

// protocol is the newest one that is spoken. Since 4.0 a transaction may end with a
// new epoch (KIP-890, part 2); what this writes is what brokers take from all
// clients before that.
var protocol = kversion.V3_8_0()

// patience is how long a request is sent again. Kafka gives up a transaction that
// stands still for as long.
const patience = transactionTimeout

// initialize asks for the identity of the producer with this transactional ID. What
// an earlier one left open is aborted.
func initialize(ctx context.Context, client *kgo.Client, name string, timeout time.Duration) (by identity, err error) {
	err = insist(ctx, func(ctx context.Context) error {
		request := kmsg.NewPtrInitProducerIDRequest()
		request.TransactionalID = &name
		request.TransactionTimeoutMillis = int32(timeout.Milliseconds())
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		by = identity{response.ProducerID, response.ProducerEpoch}
		return kerr.ErrorForCode(response.ErrorCode)
	})
	return by, err
}

// addPartitions makes partitions part of the transaction. The first ones begin it.
func (p *producer) addPartitions(ctx context.Context, topics map[string][]int32) error {
	return insist(ctx, func(ctx context.Context) error {
		request := kmsg.NewPtrAddPartitionsToTxnRequest()
		request.TransactionalID = p.name
		request.ProducerID, request.ProducerEpoch = p.identity.id, p.identity.epoch
		for topic, partitions := range topics {
			request.Topics = append(request.Topics, kmsg.AddPartitionsToTxnRequestTopic{Topic: topic,
				Partitions: partitions})
		}
		response, err := request.RequestWith(ctx, p.client)
		if err != nil {
			return err
		}
		for _, t := range response.Topics {
			for _, partition := range t.Partitions {
				answer := kerr.ErrorForCode(partition.ErrorCode)
				if err == nil || errors.Is(err, kerr.OperationNotAttempted) { // because of another partition's error
					err = answer
				}
			}
		}
		return err
	})
}

// transaction is what the coordinator says of a producer.
type transaction struct {
	identity
	state string
}

// describeTransaction asks for the state of the producer's transaction (KIP-664, Kafka 3.0).
func (p *producer) describeTransaction(ctx context.Context) (transaction, error) {
	request := kmsg.NewPtrDescribeTransactionsRequest()
	request.TransactionalIDs = []string{p.name}
	response, err := request.RequestWith(ctx, p.client)
	if err != nil {
		return transaction{}, err
	}
	if len(response.TransactionStates) != 1 {
		return transaction{}, errors.New("the broker answered for another transaction")
	}
	t := response.TransactionStates[0]
	return transaction{identity{t.ProducerID, t.ProducerEpoch}, t.State}, kerr.ErrorForCode(t.ErrorCode)
}

// timedOut reports whether it is the coordinator that has ended the producer's open
// transaction, and nobody has begun anything since. It raises the epoch by one then;
// another run, which has to abort the transaction first, raises it once more.
func (t transaction) timedOut(of identity) bool {
	return t.id == of.id && t.epoch <= of.epoch+1 && t.state != "Ongoing" && t.state != "PrepareCommit" &&
		t.state != "CompleteCommit"
}

// endTransaction commits the transaction, or aborts it.
func (p *producer) endTransaction(ctx context.Context, commit bool) error {
	return insist(ctx, func(ctx context.Context) error {
		request := kmsg.NewPtrEndTxnRequest()
		request.TransactionalID = p.name
		request.ProducerID, request.ProducerEpoch = p.identity.id, p.identity.epoch
		request.Commit = commit
		response, err := request.RequestWith(ctx, p.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(response.ErrorCode)
	})
}

// target is a partition that a producer writes to, by one goroutine at a time.
type target struct {
	topic     string
	partition int32
	leader    int32 // broker, -1 unknown
	sequence  int32 // of the next record
}

// sendBatch writes a batch and returns the offset of its first record.
func (p *producer) sendBatch(ctx context.Context, t *target, b *recordbatch.Writer) (offset int64, err error) {
	request := kmsg.NewPtrProduceRequest()
	request.TransactionID = &p.name
	request.Acks = -1 // all replicas in sync
	request.TimeoutMillis = int32(ackTimeout.Milliseconds())
	request.Topics = []kmsg.ProduceRequestTopic{{Topic: t.topic,
		Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: t.partition,
			Records: b.Seal(recordbatch.Producer{ID: p.identity.id, Epoch: p.identity.epoch}, t.sequence)}}}}
	err = insist(ctx, func(ctx context.Context) error {
		if t.leader < 0 {
			leader, err := p.findLeader(ctx, t.topic, t.partition)
			if err != nil {
				return err
			}
			t.leader = leader
		}
		response, err := request.RequestWith(ctx, p.client.Broker(int(t.leader)))
		if err == nil {
			offset, err = answer(response)
		}
		if err != nil {
			t.leader = -1
		}
		return err
	})
	t.sequence = sequenceAfter(t.sequence, b.Count())
	return offset, err
}

// sequenceAfter is the sequence of the record behind some records. Brokers count from 0
// to 2^31-1, and from 0 again.
func sequenceAfter(sequence, records int32) int32 {
	return int32((int64(sequence) + int64(records)) % (1 << 31))
}

// answer is what a broker says to a request with one batch.
func answer(response *kmsg.ProduceResponse) (offset int64, err error) {
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return 0, errors.New("the broker answered for another partition")
	}
	p := response.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		if p.ErrorMessage != nil {
			err = fmt.Errorf("%w (%s)", err, *p.ErrorMessage)
		}
		return 0, err
	}
	return p.BaseOffset, nil
}

// ackTimeout is how long a leader waits for its followers.
const ackTimeout = 10 * time.Second

// findLeader asks who leads a partition.
func (p *producer) findLeader(ctx context.Context, topic string, partition int32) (int32, error) {
	facts, err := askTopics(ctx, p.client, []string{topic})
	if err != nil {
		return -1, err
	}
	leader, exists := facts[topic].leaders[partition]
	if !exists {
		return -1, kerr.UnknownTopicOrPartition
	}
	if leader < 0 {
		return -1, kerr.LeaderNotAvailable
	}
	return leader, nil
}

// brokersPause is how often brokers are asked for what they will know in a moment.
const brokersPause = 20 * time.Millisecond

// insist calls do until it succeeds, fails for good, or patience is at an end.
func insist(ctx context.Context, do func(context.Context) error) error {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	for {
		err := do(patient)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case patient.Err() != nil && last != nil:
			return last // says more than that the time is over
		case patient.Err() != nil || !passing(err):
			return err
		}
		last = err
		select {
		case <-patient.Done():
		case <-time.After(brokersPause):
		}
	}
}

// passing reports whether an error may be gone when the request is sent again: a
// broker is away or going, a leader has changed, or the coordinator is still ending
// the transaction before.
func passing(err error) bool {
	var closed *kgo.ErrFirstReadEOF
	return kerr.IsRetriable(err) || errors.Is(err, kerr.ConcurrentTransactions) || errors.Is(err, errUndecided) ||
		errors.Is(err, errNothing) || errors.Is(err, errThrottled) || kgo.IsRetryableBrokerErr(err) ||
		errors.As(err, &closed)
}
