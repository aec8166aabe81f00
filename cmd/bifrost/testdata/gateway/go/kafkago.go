// What kafka-go does. It shows transaction markers and aborted records, from Kafka as well.

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

type viaKafkaGo struct{}

func mechanism() (sasl.Mechanism, error) {
	name, user, password := login()
	switch name {
	case "":
		return nil, nil
	case "PLAIN":
		return plain.Mechanism{Username: user, Password: password}, nil
	case "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, user, password)
	}
	return scram.Mechanism(scram.SHA512, user, password)
}

func dialer() (*kafka.Dialer, error) {
	d := &kafka.Dialer{Timeout: 10 * time.Second}
	who, err := mechanism()
	if who == nil || err != nil {
		return d, err
	}
	d.SASLMechanism = who
	d.TLS, err = encryption()
	return d, err
}

// left are the partitions that are not read to the end, with the offset of that.
func left() (map[int]int64, error) {
	d, err := dialer()
	if err != nil {
		return nil, err
	}
	partitions, err := d.LookupPartitions(context.Background(), "tcp", servers, topic)
	if err != nil {
		return nil, err
	}
	ends := map[int]int64{}
	for _, p := range partitions {
		conn, err := d.DialLeader(context.Background(), "tcp", servers, topic, p.ID)
		if err != nil {
			return nil, err
		}
		ends[p.ID], err = conn.ReadLastOffset()
		if err := errors.Join(err, conn.Close()); err != nil {
			return nil, err
		}
	}
	return ends, nil
}

func readerConfig() (kafka.ReaderConfig, error) {
	d, err := dialer()
	return kafka.ReaderConfig{
		Brokers: []string{servers}, Topic: topic, Dialer: d, IsolationLevel: kafka.ReadCommitted, MinBytes: 1, MaxBytes: 20 << 20,
		MaxWait: 200 * time.Millisecond, HeartbeatInterval: 500 * time.Millisecond, StartOffset: kafka.FirstOffset,
	}, err
}

func (viaKafkaGo) read(from string, number int64, _ int) error {
	ends, err := left()
	if err != nil {
		return err
	}
	for p := range len(ends) {
		if err := readPartition(p, ends[p], from, number); err != nil {
			return err
		}
	}
	return nil
}

func readPartition(p int, end int64, from string, number int64) error {
	config, err := readerConfig()
	if err != nil {
		return err
	}
	config.Partition = p
	r := kafka.NewReader(config)
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch from {
	case "earliest":
		err = r.SetOffset(kafka.FirstOffset)
	case "offset":
		err = r.SetOffset(number)
	default:
		err = r.SetOffsetAt(ctx, time.UnixMilli(number))
		if at := r.Offset(); at < 0 || at >= end {
			return err // nothing is so new
		}
	}
	if err != nil {
		return err
	}
	for next := int64(0); next < end; {
		m, err := r.FetchMessage(ctx)
		var shown kafka.Error
		if errors.As(err, &shown) {
			fmt.Fprintln(out, "error", strings.TrimSpace(shown.Title()))
			if err := r.SetOffset(resume); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		showKafkaGo(m)
		next = m.Offset + 1
	}
	return nil
}

func showKafkaGo(m kafka.Message) {
	var headers [][2][]byte
	for _, h := range m.Headers {
		headers = append(headers, [2][]byte{[]byte(h.Key), h.Value})
	}
	show(int32(m.Partition), m.Offset, m.Time, m.Key, m.Value, headers)
}

func transport() (*kafka.Transport, error) {
	who, err := mechanism()
	t := &kafka.Transport{SASL: who}
	if who != nil && err == nil {
		t.TLS, err = encryption()
	}
	return t, err
}

// withoutRead leaves out the partitions that a group has read to their ends.
func withoutRead(name string, ends map[int]int64) error {
	if len(ends) == 0 {
		return nil
	}
	t, err := transport()
	if err != nil {
		return err
	}
	defer t.CloseIdleConnections()
	asked := &kafka.OffsetFetchRequest{GroupID: name, Topics: map[string][]int{}}
	for p := range ends {
		asked.Topics[topic] = append(asked.Topics[topic], p)
	}
	committed, err := (&kafka.Client{Addr: kafka.TCP(servers), Transport: t}).OffsetFetch(context.Background(), asked)
	if err != nil {
		return err
	}
	for _, p := range committed.Topics[topic] {
		if p.CommittedOffset >= ends[p.Partition] {
			delete(ends, p.Partition)
		}
	}
	return nil
}

// shared reports whether each member of a group has a partition.
func shared(name string, size int) (bool, error) {
	t, err := transport()
	if err != nil {
		return false, err
	}
	defer t.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(servers), Transport: t}
	described, err := client.DescribeGroups(context.Background(), &kafka.DescribeGroupsRequest{GroupIDs: []string{name}})
	if err != nil || len(described.Groups) != 1 || described.Groups[0].Error != nil {
		return false, err
	}
	g := described.Groups[0]
	for _, m := range g.Members {
		if len(m.MemberAssignments.Topics) == 0 {
			return false, nil
		}
	}
	return g.GroupState == "Stable" && len(g.Members) == size, nil
}

func (viaKafkaGo) group(name string, n, size int) error {
	ends := map[int]int64{}
	config, err := readerConfig()
	if err == nil && n == 0 {
		ends, err = left()
	}
	if err != nil {
		return err
	}
	if err := withoutRead(name, ends); err != nil {
		return err
	}
	config.GroupID = name
	var members []*kafka.Reader
	defer func() {
		for _, m := range members {
			_ = m.Close()
		}
	}()
	before, owned := total, false
	for began := time.Now(); total < n || len(ends) > 0 || !owned; {
		if time.Since(began) > time.Minute {
			return fmt.Errorf("after a minute %d records, left %v", total, ends)
		}
		if len(members) < size && (len(members) == 0 || total > before) {
			members = append(members, kafka.NewReader(config))
		}
		if len(members) == size && !owned {
			if owned, err = shared(name, size); err != nil {
				return err
			}
			if !owned {
				time.Sleep(50 * time.Millisecond)
				continue
			}
		}
		for _, r := range members {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			m, err := r.FetchMessage(ctx)
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				continue
			}
			if err != nil {
				return err
			}
			showKafkaGo(m)
			total++
			if m.Offset+1 >= ends[m.Partition] {
				delete(ends, m.Partition)
			}
			if err := r.CommitMessages(context.Background(), m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (viaKafkaGo) subscribe() error {
	config, err := readerConfig()
	if err != nil {
		return err
	}
	config.GroupID = "somebody"
	told := make(chan string, 100)
	config.ErrorLogger = kafka.LoggerFunc(func(text string, args ...any) { told <- fmt.Sprintf(text, args...) })
	r := kafka.NewReader(config)
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	go func() { _, _ = r.FetchMessage(ctx) }()
	for {
		select {
		case said := <-told:
			if strings.Contains(said, "Group Authorization Failed") {
				fmt.Fprintln(out, "in the log alone: Group Authorization Failed")
				return nil
			}
		case <-ctx.Done():
			fmt.Fprintln(out, "no error")
			return nil
		}
	}
}

func (viaKafkaGo) produce() error {
	t, err := transport()
	if err != nil {
		return err
	}
	w := &kafka.Writer{Addr: kafka.TCP(servers), Topic: topic, BatchTimeout: time.Millisecond, Transport: t, RequiredAcks: kafka.RequireAll}
	defer w.Close()
	err = w.WriteMessages(context.Background(), kafka.Message{Value: []byte("x")})
	var failed kafka.WriteErrors
	var shown kafka.Error
	if errors.As(err, &failed) && errors.As(failed[0], &shown) || errors.As(err, &shown) {
		fmt.Fprintln(out, "error", shown.Title())
		return nil
	}
	if err == nil {
		fmt.Fprintln(out, "no error")
	}
	return err
}
