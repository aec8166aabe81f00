// The Kafka cluster that measured ticks see.

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A fakeCluster answers Kafka's protocol for more topics and partitions than a
// real cluster could hold on this machine. It has no records: it answers what a
// tick asks, with encoding and decoding as they are.
type fakeCluster struct {
	topics     int
	partitions int // of each topic
	// nothing is ever open: the high watermark is the last stable offset
	offsets  func(topic, partition int) (start, stable int64)
	brokers  []net.Listener
	requests atomic.Int64
	metadata atomic.Pointer[encodedMetadata]
}

type encodedMetadata struct {
	version int16
	body    []byte
}

// fakeBrokers is how many brokers share the partitions.
const fakeBrokers = 6

func startFakeCluster(
	topics, partitions int, offsets func(topic, partition int) (start, stable int64),
) (*fakeCluster, error) {
	c := &fakeCluster{topics: topics, partitions: partitions, offsets: offsets}
	for range fakeBrokers {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			c.close()
			return nil, err
		}
		c.brokers = append(c.brokers, listener)
		go c.acceptClients(listener)
	}
	return c, nil
}

func (c *fakeCluster) close() {
	for _, b := range c.brokers {
		b.Close()
	}
}

func (c *fakeCluster) addr() string { return c.brokers[0].Addr().String() }

func topicName(n int) string { return fmt.Sprintf("topic-%05d", n) }

func topicNumber(name string) int {
	var n int
	fmt.Sscanf(name, "topic-%05d", &n)
	return n
}

func topicID(n int) (id [16]byte) {
	id[0] = 'T'
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return id
}

func (c *fakeCluster) acceptClients(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			for c.serve(connection) == nil {
			}
		}()
	}
}

func (c *fakeCluster) serve(connection net.Conn) error {
	var size [4]byte
	if _, err := io.ReadFull(connection, size[:]); err != nil {
		return err
	}
	message := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(connection, message); err != nil {
		return err
	}
	c.requests.Add(1)
	answer, err := c.answer(message)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(answer, uint32(len(answer)-4))
	_, err = connection.Write(answer)
	return err
}

var errNotSpoken = errors.New("a request that the cluster does not speak")

// answer takes a request with its header (KIP-482) and gives the response with
// room for its length.
func (c *fakeCluster) answer(message []byte) ([]byte, error) {
	key, version := int16(binary.BigEndian.Uint16(message)), int16(binary.BigEndian.Uint16(message[2:]))
	request := kmsg.RequestForKey(key)
	if request == nil {
		return nil, errNotSpoken
	}
	request.SetVersion(version)
	body := message[8+2+max(0, int(int16(binary.BigEndian.Uint16(message[8:])))):]
	answer := append(make([]byte, 4, 64), message[4:8]...)
	if request.IsFlexible() {
		body = body[1:] // no tags
		if key != int16(kmsg.ApiVersions) {
			answer = append(answer, 0)
		}
	}
	if err := request.ReadFrom(body); err != nil {
		return nil, err
	}
	switch request := request.(type) {
	case *kmsg.ApiVersionsRequest:
		return c.answerVersions(request).AppendTo(answer), nil
	case *kmsg.MetadataRequest:
		return append(answer, c.answerMetadata(request)...), nil
	case *kmsg.ListOffsetsRequest:
		return c.listOffsets(request).AppendTo(answer), nil
	case *kmsg.DescribeConfigsRequest:
		return c.answerConfigs(request).AppendTo(answer), nil
	}
	return nil, errNotSpoken
}

func (c *fakeCluster) answerVersions(request *kmsg.ApiVersionsRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.ApiVersionsResponse)
	for _, spoken := range []kmsg.Request{
		kmsg.NewPtrApiVersionsRequest(), kmsg.NewPtrMetadataRequest(), kmsg.NewPtrListOffsetsRequest(),
		kmsg.NewPtrDescribeConfigsRequest(),
	} {
		key := kmsg.NewApiVersionsResponseApiKey()
		key.ApiKey, key.MaxVersion = spoken.Key(), min(spoken.MaxVersion(), 9)
		if spoken.Key() == int16(kmsg.Metadata) {
			key.MaxVersion = 12 // with topic IDs
		}
		response.ApiKeys = append(response.ApiKeys, key)
	}
	return response
}

// answerMetadata is the metadata of all topics, encoded once: a broker's own work is
// not what is measured.
func (c *fakeCluster) answerMetadata(request *kmsg.MetadataRequest) []byte {
	if request.Topics != nil {
		return c.describeSome(request).AppendTo(nil)
	}
	if encoded := c.metadata.Load(); encoded != nil && encoded.version == request.Version {
		return encoded.body
	}
	body := c.describeSome(request).AppendTo(nil)
	c.metadata.Store(&encodedMetadata{request.Version, body})
	return body
}

func (c *fakeCluster) describeSome(request *kmsg.MetadataRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.MetadataResponse)
	id := "scale-cluster"
	response.ClusterID, response.ControllerID = &id, 0
	for n, b := range c.brokers {
		broker := kmsg.NewMetadataResponseBroker()
		broker.NodeID, broker.Host, broker.Port = int32(n), "127.0.0.1", int32(b.Addr().(*net.TCPAddr).Port)
		response.Brokers = append(response.Brokers, broker)
	}
	if request.Topics == nil {
		for n := range c.topics {
			response.Topics = append(response.Topics, c.describeTopic(n))
		}
	}
	for _, t := range request.Topics {
		response.Topics = append(response.Topics, c.describeTopic(topicNumber(*t.Topic)))
	}
	return response
}

func (c *fakeCluster) describeTopic(n int) kmsg.MetadataResponseTopic {
	topic := kmsg.NewMetadataResponseTopic()
	name := topicName(n)
	topic.Topic, topic.TopicID = &name, topicID(n)
	for number := range c.partitions {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.LeaderEpoch = int32(number), int32((n+number)%fakeBrokers), 1
		for r := range 3 {
			p.Replicas = append(p.Replicas, int32((n+number+r)%fakeBrokers))
		}
		p.ISR = p.Replicas
		topic.Partitions = append(topic.Partitions, p)
	}
	return topic
}

func (c *fakeCluster) listOffsets(request *kmsg.ListOffsetsRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.ListOffsetsResponse)
	for _, t := range request.Topics {
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = t.Topic
		n := topicNumber(t.Topic)
		for _, asked := range t.Partitions {
			p := kmsg.NewListOffsetsResponseTopicPartition()
			p.Partition, p.LeaderEpoch = asked.Partition, 1
			start, stable := c.offsets(n, int(asked.Partition))
			p.Offset = stable
			if asked.Timestamp == -2 {
				p.Offset = start
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		response.Topics = append(response.Topics, topic)
	}
	return response
}

func (c *fakeCluster) answerConfigs(request *kmsg.DescribeConfigsRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.DescribeConfigsResponse)
	for _, asked := range request.Resources {
		resource := kmsg.NewDescribeConfigsResponseResource()
		resource.ResourceType, resource.ResourceName = asked.ResourceType, asked.ResourceName
		for name, value := range map[string]string{
			"cleanup.policy":         "delete",
			"retention.ms":           "604800000",
			"retention.bytes":        "-1",
			"message.timestamp.type": "CreateTime",
		} {
			config := kmsg.NewDescribeConfigsResponseResourceConfig()
			config.Name, config.Value = name, &value
			resource.Configs = append(resource.Configs, config)
		}
		response.Resources = append(response.Resources, resource)
	}
	return response
}
