// The transactional protocol of Kafka.

package replay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// producer speaks the protocol of a transactional producer (KIP-98) by itself,
// with whole batches instead of records: decisions/0009 says why the client's own
// producer is not used. The client finds coordinators, keeps connections and
// encodes requests.
//
// Any number of batches of a partition are on their way, in order, and none is ever
// sent again. Whatever is not answered as it should be ends the transaction:
// decisions/0022 says why nothing late can count, and goOnInTime what happens next.
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

// endTransaction commits the transaction, or aborts it. A commit that no broker has
// answered is not sent again: the first one may come when the next transaction is open,
// and commit a part of that (decisions/0022).
func (p *producer) endTransaction(ctx context.Context, commit bool) error {
	return insist(ctx, func(ctx context.Context) error {
		coordinator, err := p.findCoordinator(ctx)
		if err != nil {
			return err
		}
		request := kmsg.NewPtrEndTxnRequest()
		request.TransactionalID = p.name
		request.ProducerID, request.ProducerEpoch = p.identity.id, p.identity.epoch
		request.Commit = commit
		response, err := request.RequestWith(ctx, p.client.Broker(int(coordinator))) // which sends it once
		switch {
		case err != nil && commit:
			return fmt.Errorf("%w: %w", errUnanswered, err)
		case err != nil:
			return err
		}
		return kerr.ErrorForCode(response.ErrorCode)
	})
}

// errUnanswered says that nobody knows what became of a commit.
var errUnanswered = errors.New("no answer to the commit")

// findCoordinator asks for the broker that keeps the producer's transactions.
func (p *producer) findCoordinator(ctx context.Context) (int32, error) {
	request := kmsg.NewPtrFindCoordinatorRequest()
	request.CoordinatorKey, request.CoordinatorKeys = p.name, []string{p.name}
	request.CoordinatorType = 1 // of transactions
	response, err := request.RequestWith(ctx, p.client)
	if err != nil {
		return -1, err
	}
	if len(response.Coordinators) == 1 { // since Kafka 3.0
		found := response.Coordinators[0]
		return found.NodeID, kerr.ErrorForCode(found.ErrorCode)
	}
	return response.NodeID, kerr.ErrorForCode(response.ErrorCode)
}

// target is a partition that a producer writes to, by one goroutine at a time.
type target struct {
	topic     string
	partition int32
	leader    int32 // broker, -1 unknown
	sequence  int32 // of the next record
	end       int64 // offset behind the last batch that was answered
}

// startBatch sends a batch. Its turn is when it is written to the connection: what is sent
// to this partition after that is behind it. The answer is given to done, from another
// goroutine. The memory of the batch is borrowed until then.
func (p *producer) startBatch(ctx context.Context, t *target, batch []byte, done func(offset int64, err error)) (
	turn <-chan struct{}) {
	request := &produceInTurn{ProduceRequest: kmsg.NewPtrProduceRequest()}
	request.TransactionID = &p.name
	request.Acks = -1 // all replicas in sync
	request.TimeoutMillis = int32(ackTimeout.Milliseconds())
	request.Topics = []kmsg.ProduceRequestTopic{{Topic: t.topic,
		Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: t.partition, Records: batch}}}}
	came := make(chan struct{})
	request.itsTurn = sync.OnceFunc(func() { close(came) })
	broker := p.client.Broker(int(t.leader))
	go func() {
		defer request.itsTurn() // it may have failed before
		response, err := broker.Request(ctx, request)
		if err != nil {
			done(0, err)
			return
		}
		produced, isProduced := response.(*kmsg.ProduceResponse)
		if !isProduced {
			done(0, fmt.Errorf("the broker answered a batch with %T", response))
			return
		}
		done(answer(produced))
	}()
	return came
}

// produceInTurn is a request that says when it is written: the client has one goroutine
// for each broker that encodes requests and writes them, one after the other.
type produceInTurn struct {
	*kmsg.ProduceRequest
	itsTurn func()
}

// AppendTo implements kmsg.Request.
func (r *produceInTurn) AppendTo(dst []byte) []byte {
	r.itsTurn()
	return r.ProduceRequest.AppendTo(dst)
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
		errors.Is(err, errNothing) || errors.Is(err, errThrottled) ||
		!errors.Is(err, errUnanswered) && (kgo.IsRetryableBrokerErr(err) || errors.As(err, &closed))
}
