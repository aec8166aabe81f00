// What sarama does.

package main

import (
	"context"
	"crypto/sha512"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

type viaSarama struct{}

func saramaConfig() (*sarama.Config, error) {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	c.Consumer.Return.Errors = true
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	c.Metadata.Retry.Max = 100 // until the coordinator is there
	c.Consumer.MaxWaitTime = 200 * time.Millisecond
	c.Producer.Return.Successes = true
	mechanism, user, password := login()
	if mechanism == "" {
		return c, nil
	}
	config, err := encryption()
	c.Net.TLS.Enable, c.Net.TLS.Config = true, config
	c.Net.SASL.Enable, c.Net.SASL.User, c.Net.SASL.Password = true, user, password
	c.Net.SASL.Mechanism = sarama.SASLMechanism(mechanism)
	c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return new(scramClient) }
	return c, err
}

// scramClient is what sarama leaves to its users.
type scramClient struct{ *scram.ClientConversation }

func (c *scramClient) Begin(user, password, authorization string) error {
	client, err := scram.HashGeneratorFcn(sha512.New).NewClient(user, password, authorization)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}

func (viaSarama) read(from string, number int64, count int) error {
	config, err := saramaConfig()
	if err != nil {
		return err
	}
	client, err := sarama.NewClient([]string{servers}, config)
	if err != nil {
		return err
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return err
	}
	defer consumer.Close()
	partitions, err := client.Partitions(topic)
	if err != nil {
		return err
	}
	r := &saramaReader{consumer: consumer, records: make(chan *sarama.ConsumerMessage), problems: make(chan *sarama.ConsumerError, 100),
		open: map[int32]sarama.PartitionConsumer{}, ended: map[int32]chan struct{}{}, left: count}
	for _, p := range partitions {
		at := number
		switch from {
		case "earliest":
			at = sarama.OffsetOldest
		case "time":
			if at, err = client.GetOffset(topic, p, number); err != nil {
				return err
			}
			if at < 0 {
				continue // nothing is so new
			}
		}
		if err := r.begin(p, at); err != nil {
			return err
		}
	}
	return r.readAll()
}

// saramaReader reads partitions.
type saramaReader struct {
	consumer sarama.Consumer
	records  chan *sarama.ConsumerMessage
	problems chan *sarama.ConsumerError
	open     map[int32]sarama.PartitionConsumer
	ended    map[int32]chan struct{}
	left     int
}

func (r *saramaReader) begin(p int32, at int64) error {
	c, err := r.consumer.ConsumePartition(topic, p, at)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	r.open[p], r.ended[p] = c, ended
	go func() {
		defer close(ended)
		for m := range c.Messages() {
			r.records <- m
		}
	}()
	go func() {
		for e := range c.Errors() {
			r.problems <- e
		}
	}()
	return nil
}

// end ends a partition, and prints what had come of it.
func (r *saramaReader) end(p int32) {
	r.open[p].AsyncClose()
	for {
		select {
		case m := <-r.records:
			r.take(m)
		case <-r.ended[p]:
			return
		}
	}
}

func (r *saramaReader) take(m *sarama.ConsumerMessage) {
	showSarama(m)
	r.left--
}

func (r *saramaReader) readAll() error {
	for {
		patience := time.Minute
		if r.left <= 0 {
			patience = time.Second / 2 // what is there behind the last record must not come as one
		}
		select {
		case m := <-r.records:
			r.take(m)
		case e := <-r.problems:
			r.end(e.Partition)
			fmt.Fprintln(out, "error", e.Err)
			if err := r.begin(e.Partition, resume); err != nil {
				return err
			}
		case <-time.After(patience):
			if r.left > 0 {
				return fmt.Errorf("after a minute without one %d records are missing", r.left)
			}
			for p := range r.open {
				r.end(p)
			}
			return nil
		}
	}
}

func showSarama(r *sarama.ConsumerMessage) {
	var headers [][2][]byte
	for _, h := range r.Headers {
		headers = append(headers, [2][]byte{h.Key, h.Value})
	}
	show(r.Partition, r.Offset, r.Timestamp, r.Key, r.Value, headers)
}

// saramaMember is one of a group.
type saramaMember struct {
	*members
	number int
}

func (m saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	m.Lock()
	defer m.Unlock()
	if m.joined == m.size && len(session.Claims()[topic]) > 0 {
		m.owners[m.number] = true
	}
	return nil
}

func (m saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case <-session.Context().Done():
			return nil
		case r, some := <-claim.Messages():
			if !some || !m.take(session, r) {
				return nil
			}
		}
	}
}

// take prints and commits a record, unless it is no longer the member's or everything
// was read.
func (m saramaMember) take(session sarama.ConsumerGroupSession, r *sarama.ConsumerMessage) bool {
	for m.waits() {
		select {
		case <-session.Context().Done():
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	m.Lock()
	defer m.Unlock()
	if session.Context().Err() != nil || total >= m.n && len(m.owners) == m.size {
		return false
	}
	showSarama(r)
	total++
	session.MarkMessage(r, "")
	session.Commit()
	return true
}

func (viaSarama) group(name string, n, size int) error {
	config, err := saramaConfig()
	if err != nil {
		return err
	}
	all, before := &members{n: n, size: size, owners: map[int]bool{}}, total
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := make(chan error, 100)
	var groups []sarama.ConsumerGroup
	ended := make(chan struct{}, size)
	for began := time.Now(); !all.done(); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-failed:
			return err
		default:
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("after a minute %d records", total)
		}
		all.Lock()
		next := all.joined < size && (all.joined == 0 || total > before)
		if next {
			all.joined++
		}
		all.Unlock()
		if !next {
			continue
		}
		g, err := sarama.NewConsumerGroup([]string{servers}, name, config)
		if err != nil {
			return err
		}
		groups = append(groups, g)
		go func() {
			for err := range g.Errors() {
				failed <- err
			}
		}()
		member := saramaMember{all, len(groups) - 1}
		go func() {
			defer func() { ended <- struct{}{} }()
			for ctx.Err() == nil && !all.done() {
				if err := g.Consume(ctx, []string{topic}, member); err != nil && ctx.Err() == nil {
					failed <- err
					return
				}
			}
		}()
	}
	cancel()
	for range groups {
		<-ended
	}
	for _, g := range groups {
		if err := g.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (viaSarama) subscribe() error {
	config, err := saramaConfig()
	if err != nil {
		return err
	}
	g, err := sarama.NewConsumerGroup([]string{servers}, "somebody", config)
	if err != nil {
		return err
	}
	defer g.Close()
	err = g.Consume(context.Background(), []string{topic}, saramaMember{&members{n: 1, size: 1, owners: map[int]bool{}}, 0})
	fmt.Fprintln(out, "error", err)
	return nil
}

func (viaSarama) produce() error {
	config, err := saramaConfig()
	if err != nil {
		return err
	}
	p, err := sarama.NewSyncProducer([]string{servers}, config)
	if err != nil {
		return err
	}
	defer p.Close()
	_, _, err = p.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("x")})
	fmt.Fprintln(out, "error", err)
	return nil
}
