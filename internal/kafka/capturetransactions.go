// How a cluster is asked for its transactions.

package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/bifrost-archive/bifrost/internal/capture"
)

// stateCommitting is Kafka's word for a transaction that is decided to be committed: its
// coordinator writes the markers, one partition after the other, until all have one.
const stateCommitting = "PrepareCommit"

// CommittingTransactions implements [capture.Cluster]. Each broker lists those that it
// coordinates (KIP-664).
func (c *Client) CommittingTransactions(ctx context.Context) ([]string, error) {
	request := kmsg.NewPtrListTransactionsRequest()
	request.StateFilters = []string{stateCommitting}
	var ids []string
	for _, shard := range c.askAll(ctx, request) {
		err := shard.Err
		if response, ok := shard.Resp.(*kmsg.ListTransactionsResponse); err == nil && ok {
			err = listedTransactions(response, &ids)
		}
		if err != nil {
			return nil, fmt.Errorf("the transactions that broker %d coordinates: %w", shard.Meta.NodeID, err)
		}
	}
	return ids, nil
}

func listedTransactions(response *kmsg.ListTransactionsResponse, ids *[]string) error {
	if len(response.UnknownStateFilters) > 0 {
		return fmt.Errorf("%w: it knows no state %s", capture.ErrNone, stateCommitting)
	}
	for _, t := range response.TransactionStates {
		*ids = append(*ids, t.TransactionalID)
	}
	return captureError(kerr.ErrorForCode(response.ErrorCode))
}

// noTransaction is a transactional ID that nobody has, and no rule for a prefix covers: who
// may describe it may describe all of them.
const noTransaction = "~"

// errHiddenTransactions: a broker leaves out what may not be described, without a word.
var errHiddenTransactions = errors.New(
	"transactions that these credentials may not describe are not listed; there may be none")

// SeesTransactions implements [capture.Cluster].
func (c *Client) SeesTransactions(ctx context.Context) error {
	response, err := c.apiVersions(ctx, c.kgo)
	if err != nil {
		return fmt.Errorf("whether all transactions are listed: %w", err)
	}
	if !kversion.FromApiVersionsResponse(response).HasKey(int16(kmsg.ListTransactions)) {
		return fmt.Errorf("%w: the brokers list no transactions, like all before Kafka 3.0", capture.ErrNone)
	}
	err = c.describeTransaction(ctx, noTransaction)
	switch {
	case errors.Is(err, capture.ErrDenied):
		return fmt.Errorf("%w (%w)", err, errHiddenTransactions)
	case err != nil:
		return fmt.Errorf("whether all transactions are listed: %w", err)
	}
	return nil
}

// describeTransaction asks any broker, and whether it may be asked is all there is to
// learn. The coordinator would have to be found first, and looking for it makes the
// transaction log of a cluster that has none.
func (c *Client) describeTransaction(ctx context.Context, id string) error {
	request := kmsg.NewPtrDescribeTransactionsRequest()
	request.TransactionalIDs = []string{id}
	err := errLeftOut
	for _, broker := range c.kgo.DiscoveredBrokers() {
		var response kmsg.Response
		if response, err = c.askBrokers(ctx, broker, request); err == nil {
			return mayBeDescribed(response.(*kmsg.DescribeTransactionsResponse))
		}
	}
	return err
}

// mayBeDescribed: that there is no such transaction, or that another broker would know it,
// is told to those only who may describe it.
func mayBeDescribed(response *kmsg.DescribeTransactionsResponse) error {
	for _, t := range response.TransactionStates {
		if err := captureError(kerr.ErrorForCode(t.ErrorCode)); errors.Is(err, capture.ErrDenied) {
			return err
		}
	}
	return nil
}
