// Whether the cluster can keep transactions.

package target

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// transactionLog is where coordinators keep transactions. The brokers make it when the
// first one is asked for.
const transactionLog = "__transaction_state"

// probeID is the transactional ID that a coordinator is asked for. It begins as those of
// replays do, since rights are given to a prefix.
const probeID = "bifrost-replay-look"

// brokerSettings are what one broker says of its settings.
type brokerSettings struct {
	count        int // brokers that are there
	known        bool
	values       map[string]string
	requestBytes int64 // socket.request.max.bytes
}

// askBrokers asks one broker for its settings, which may not be allowed.
func askBrokers(ctx context.Context, admin administrator, cluster kadm.Metadata) brokerSettings {
	const requestBytes = 100 << 20 // Kafka's default
	settings := brokerSettings{count: len(cluster.Brokers), values: map[string]string{}, requestBytes: requestBytes}
	if len(cluster.Brokers) == 0 {
		return settings
	}
	described, err := admin.DescribeBrokerConfigs(ctx, cluster.Brokers[0].NodeID)
	if err == nil && len(described) == 1 && described[0].Err == nil {
		settings.known = true
		for _, c := range described[0].Configs {
			settings.values[c.Key] = c.MaybeValue()
		}
	}
	settings.requestBytes = number(settings.values, "socket.request.max.bytes", requestBytes)
	return settings
}

// askTransactionRights asks a broker to abort a transaction that nobody has begun. It
// looks at the rights before anything else, and then has nothing to do.
func (l *Look) askTransactionRights(ctx context.Context, admin administrator, cluster kadm.Metadata) error {
	if len(cluster.Brokers) == 0 {
		return nil
	}
	request := kmsg.NewPtrEndTxnRequest()
	request.TransactionalID = probeID
	response, err := request.RequestWith(ctx, admin.raw.Broker(int(cluster.Brokers[0].NodeID)))
	if err != nil {
		return fmt.Errorf("ask for the rights on transactions: %w", err)
	}
	if errors.Is(kerr.ErrorForCode(response.ErrorCode), kerr.TransactionalIDAuthorizationFailed) {
		l.Obstacles = append(l.Obstacles, "these credentials may not use transactions: allow them Write on "+
			"transactional IDs that begin with bifrost-replay-")
	}
	return nil
}

// askTransactionLog makes sure that there can be transactions. Without a log, or with
// too few replicas of it, the first request for one waits for a minute and fails.
func (l *Look) askTransactionLog(ctx context.Context, admin administrator, probe bool) error {
	details, err := admin.describeTopics(ctx, transactionLog)
	if err != nil {
		return fmt.Errorf("ask for the transaction log: %w", err)
	}
	detail := details[transactionLog]
	exists := detail.err == nil && len(detail.partitions) > 0
	switch {
	case exists:
		l.checkTransactionLog(ctx, admin, detail)
	case errors.Is(detail.err, kerr.UnknownTopicOrPartition) && l.brokers.known:
		l.checkFutureTransactionLog()
	}
	if len(l.Obstacles) > 0 || !exists && !probe {
		return nil
	}
	return l.probeTransactions(ctx, admin)
}

func (l *Look) checkTransactionLog(ctx context.Context, admin administrator, detail description) {
	least := int64(1)
	if described, err := admin.DescribeTopicConfigs(ctx, transactionLog); err == nil {
		if config, err := described.On(transactionLog, nil); err == nil && config.Err == nil {
			for _, c := range config.Configs {
				if c.Key == "min.insync.replicas" {
					least = number(map[string]string{c.Key: c.MaybeValue()}, c.Key, least)
				}
			}
		}
	}
	for _, p := range detail.partitions {
		if p.Leader < 0 || int64(len(p.ISR)) < least {
			l.Obstacles = append(l.Obstacles, fmt.Sprintf("partition %d of the transaction log (%s) has %d replicas "+
				"in sync and needs %d, so that transactions wait: start the brokers that hold it (%d)",
				p.Partition, transactionLog, len(p.ISR), least, p.Replicas))
			return
		}
	}
}

// checkFutureTransactionLog looks at a log that is not there yet.
func (l *Look) checkFutureTransactionLog() {
	const factor, least = "transaction.state.log.replication.factor", "transaction.state.log.min.isr"
	brokers := l.brokers
	replicas, inSync := number(brokers.values, factor, 3), number(brokers.values, least, 2)
	switch {
	case replicas > int64(brokers.count):
		l.Obstacles = append(l.Obstacles, fmt.Sprintf("the brokers cannot make the transaction log (%s): %s is %d "+
			"and %d broker(s) are there: add brokers, or set it and %s to no more than there are, and restart the "+
			"brokers",
			transactionLog, factor, replicas, brokers.count, least))
	case inSync > replicas:
		l.Obstacles = append(l.Obstacles, fmt.Sprintf("the transaction log (%s) would take nothing: %s is %d and %s "+
			"is %d: lower the first, and restart the brokers",
			transactionLog, least, inSync, factor, replicas))
	}
}

// probeTransactions asks for a coordinator, as the first transaction will. Brokers that have to make
// the log for it, or have just started, need a moment.
func (l *Look) probeTransactions(ctx context.Context, admin administrator) error {
	var err error
	for begun := time.Now(); ; {
		err = admin.FindTxnCoordinators(ctx, probeID)[probeID].Err
		if !errors.Is(err, kerr.CoordinatorNotAvailable) && !errors.Is(err, kerr.CoordinatorLoadInProgress) ||
			time.Since(begun) > probePatience {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(awaitPause):
		}
	}
	switch {
	case errors.Is(err, kerr.CoordinatorNotAvailable), errors.Is(err, kerr.CoordinatorLoadInProgress):
		l.Obstacles = append(l.Obstacles, fmt.Sprintf("after %s there is no coordinator for transactions (%v): are "+
			"as many brokers there as transaction.state.log.replication.factor says?", probePatience, err))
	case err != nil:
		return fmt.Errorf("ask for the coordinator of a transaction: %w", err)
	}
	return nil
}

// probePatience is how long brokers may take to make the transaction log.
const probePatience = 2 * patience
