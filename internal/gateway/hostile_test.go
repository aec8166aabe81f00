package gateway

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"reflect"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// failingObjects is a store that fails while it is told to.
type failingObjects struct {
	readback.Objects
	fails atomic.Bool
}

// Open implements readback.Objects.
func (f *failingObjects) Open(ctx context.Context, key string) (bifrost.Object, error) {
	if f.fails.Load() {
		return nil, errors.New("slow down")
	}
	return f.Objects.Open(ctx, key)
}

// encoded is a request as it comes, without its length.
func encoded(request kmsg.Request, version int16) []byte {
	request.SetVersion(version)
	b := binary.BigEndian.AppendUint16(nil, uint16(request.Key()))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, 77)
	b = append(b, 0, 2, 'm', 'e')
	if request.IsFlexible() {
		b = append(b, 0)
	}
	return request.AppendTo(b)
}

// sample is a request of the kind that asks for something.
func sample(key, version int16) kmsg.Request {
	request := kmsg.RequestForKey(key)
	request.SetVersion(version)
	switch r := request.(type) {
	case *kmsg.FetchRequest:
		topic, partition := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
		topic.Topic, topic.TopicID, partition.PartitionMaxBytes = "orders", bifrost.TopicID{1, 7}, 1<<20
		topic.Partitions = append(topic.Partitions, partition)
		r.Topics, r.MaxBytes = append(r.Topics, topic), 1<<20
	case *kmsg.ListOffsetsRequest:
		topic, partition := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
		topic.Topic, partition.Timestamp = "orders", 2
		topic.Partitions = append(topic.Partitions, partition)
		r.Topics = append(r.Topics, topic)
	case *kmsg.OffsetCommitRequest:
		topic := kmsg.NewOffsetCommitRequestTopic()
		topic.Partitions = append(topic.Partitions, kmsg.NewOffsetCommitRequestTopicPartition())
		r.Topics = append(r.Topics, topic)
	case *kmsg.OffsetFetchRequest:
		topic, group := kmsg.NewOffsetFetchRequestTopic(), kmsg.NewOffsetFetchRequestGroup()
		topic.Partitions = []int32{0}
		r.Topics, r.Groups = append(r.Topics, topic), append(r.Groups, group)
	case *kmsg.ProduceRequest:
		topic := kmsg.NewProduceRequestTopic()
		topic.Partitions = append(topic.Partitions, kmsg.NewProduceRequestTopicPartition())
		r.Topics, r.Acks = append(r.Topics, topic), 1
	case *kmsg.FindCoordinatorRequest:
		r.CoordinatorKeys = []string{"g"}
	case *kmsg.DescribeGroupsRequest:
		r.Groups = []string{"g"}
	case *kmsg.DescribeConfigsRequest:
		resource := kmsg.NewDescribeConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, "orders"
		r.Resources = append(r.Resources, resource)
	case *kmsg.OffsetForLeaderEpochRequest:
		topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
		topic.Topic = "orders"
		topic.Partitions = append(topic.Partitions, kmsg.NewOffsetForLeaderEpochRequestTopicPartition())
		r.Topics = append(r.Topics, topic)
	}
	return request
}

// ask sends a request, and reads the answer to it.
func ask(t *testing.T, conn net.Conn, body []byte) ([]byte, error) {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
		return nil, err
	}
	var length [4]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err := io.ReadFull(conn, answer)
	return answer, err
}

func dial(t *testing.T, s *served) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func small() (*archive, bifrost.Partition) {
	a, p := newArchive(), partitionOf("orders", 0)
	a.archive(p, 5, baldr.Options{}, some(0, 5)...)
	return a, p
}

// Every request in every version that is offered is answered in that version.
func TestEveryRequestInEveryVersion(t *testing.T) {
	t.Parallel()
	a, _ := small()
	s := serve(t, a)
	conn := dial(t, s)
	for key, offered := range offers {
		if most := kmsg.RequestForKey(key).MaxVersion(); offered.most > most || offered.least > offered.most {
			t.Errorf("request %d is offered in versions %d to %d, kmsg has %d", key, offered.least, offered.most, most)
		}
		for version := offered.least; version <= offered.most; version++ {
			request := sample(key, version)
			answer, err := ask(t, conn, encoded(request, version))
			if err != nil {
				t.Fatalf("request %s in version %d: %v", kmsg.NameForKey(key), version, err)
			}
			if correlation := binary.BigEndian.Uint32(answer); correlation != 77 {
				t.Fatalf("correlation %d", correlation)
			}
			response := request.ResponseKind()
			answer = answer[4:]
			if response.IsFlexible() && key != int16(kmsg.ApiVersions) {
				answer = answer[1:]
			}
			if err := response.ReadFrom(answer); err != nil {
				t.Errorf("the answer to %s in version %d: %v", kmsg.NameForKey(key), version, err)
			}
			if f, ok := response.(*kmsg.FetchResponse); ok && (len(f.Topics) != 1 || f.Topics[0].Partitions[0].ErrorCode != 0 || len(f.Topics[0].Partitions[0].RecordBatches) == 0) {
				t.Errorf("fetch in version %d: %+v", version, f)
			}
			if l, ok := response.(*kmsg.ListOffsetsResponse); ok && l.Topics[0].Partitions[0].Offset != 2 {
				t.Errorf("offsets in version %d: %+v", version, l)
			}
		}
	}
}

// A version of the future is answered with the versions that there are.
func TestAVersionOfTheFuture(t *testing.T) {
	t.Parallel()
	a, _ := small()
	conn := dial(t, serve(t, a))
	body := encoded(kmsg.NewPtrApiVersionsRequest(), 3)
	body[3] = 99
	answer, err := ask(t, conn, body)
	if err != nil {
		t.Fatal(err)
	}
	response := kmsg.NewPtrApiVersionsResponse()
	if err := response.ReadFrom(answer[4:]); err != nil || response.ErrorCode != 35 || len(response.ApiKeys) != len(offers) {
		t.Errorf("%+v, %v", response, err)
	}
}

// Every request, cut at every byte, ends its connection and nothing else.
func TestRequestsThatAreCut(t *testing.T) {
	t.Parallel()
	for key, offered := range offers {
		for _, version := range []int16{offered.least, offered.most} {
			body := encoded(sample(key, version), version)
			for n := range len(body) {
				cut := make([]byte, n) // no room behind it
				copy(cut, body)
				if _, _, _, err := decode(cut); err == nil && n < 12 {
					t.Errorf("request %d version %d cut to %d bytes was read", key, version, n)
				}
			}
		}
	}
	a, _ := small()
	s := serve(t, a)
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		conn := dial(t, s)
		garbage := make([]byte, random.IntN(200))
		for i := range garbage {
			garbage[i] = byte(random.Uint32())
		}
		_, _ = conn.Write(garbage)
		conn.Close()
	}
	for _, length := range []uint32{0, 1, 9, mostRequest + 1, 1 << 30, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		conn := dial(t, s)
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		_, _ = conn.Write(append(binary.BigEndian.AppendUint32(nil, length), make([]byte, 100)...))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a length of %d was answered with %d bytes, %v", length, n, err)
		}
	}
	if _, err := ask(t, dial(t, s), encoded(sample(1, 12), 12)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// No request makes more of itself in memory than it is charged for.
func FuzzRequests(f *testing.F) {
	for key, offered := range offers {
		f.Add(encoded(sample(key, offered.least), offered.least))
		f.Add(encoded(sample(key, offered.most), offered.most))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 16<<10 {
			return
		}
		if took := decodedMemory(body); took > uint64(len(body)+64)*decodedBytes+64<<10 {
			t.Errorf("%d bytes took %d of memory", len(body), took)
		}
		request, _, _, err := decode(body)
		if err == nil && request == nil {
			t.Error("neither a request nor an error")
		}
	})
}

// Arrays whose length is a lie take no more memory than they are charged for. It is
// not parallel: it measures the memory of the process.
func TestLengthsThatAreLies(t *testing.T) {
	lies := [][]byte{{0, 0, 0x0f, 0xa0}, {0xa0, 0x1f}, {0xff, 0xff, 0xff, 0xff, 0x0f}} // 4000, as a varint, and four billion
	for key, offered := range offers {
		body := encoded(sample(key, offered.most), offered.most)
		worst := uint64(0)
		for at := 8; at < len(body); at++ {
			for _, lie := range lies {
				told := append(append([]byte{}, body...), make([]byte, 4000)...)
				copy(told[at:], lie)
				worst = max(worst, decodedMemory(told)/uint64(len(told)))
			}
		}
		if worst > decodedBytes {
			t.Errorf("a byte of request %s takes %d in memory", kmsg.NameForKey(key), worst)
		}
	}
}

// decodedMemory is how many bytes are allocated to decode a request.
func decodedMemory(body []byte) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, _, _ = decode(body)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Nobody can make the gateway count to billions, as kmsg does when it is told that so
// many tags follow: in no request, at no place.
func TestTagsThatAreNotThere(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for key, offered := range offers {
			for version := offered.least; version <= offered.most; version++ {
				body := encoded(filled(key, version), version)
				for at := 8; at <= len(body); at++ {
					told := append(bytes.Clone(body[:at]), 0xff, 0xff, 0xff, 0xff, 0x0f) // in the place of the rest
					_, _, _, _ = decode(told)
					if at < len(body) {
						_, _, _, _ = decode(append(told, body[at+1:]...)) // in the place of a byte
					}
				}
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute): // one that counts takes ten seconds, and there would be hundreds
		t.Error("requests are not decoded after a minute")
	}
	state := encoded(kmsg.NewPtrFetchRequest(), 15) // the state of a replica, with tags
	state = append(state[:len(state)-1], 1, 1, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f)
	if _, _, _, err := decode(state); !errors.Is(err, errShape) {
		t.Errorf("the state of a replica: %v", err)
	}
	if offers[int16(kmsg.SASLAuthenticate)].most >= 2 {
		t.Error("SaslAuthenticate is offered with tags")
	}
}

// filled is a request with something in every field, and two elements in every array.
func filled(key, version int16) kmsg.Request {
	request := kmsg.RequestForKey(key)
	fill(reflect.ValueOf(request).Elem())
	request.SetVersion(version)
	if f, ok := request.(*kmsg.FetchRequest); ok {
		f.ReplicaState = kmsg.NewFetchRequestReplicaState() // which no consumer sends
	}
	return request
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() && v.Type().Field(i).Name != "UnknownTags" {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.String:
		v.SetString("ab")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8:
		v.SetUint(1)
	}
}

// What every kind of request can hold passes, with tags that nobody knows and without.
func TestEveryFieldOfEveryRequestPasses(t *testing.T) {
	t.Parallel()
	for key, offered := range offers {
		for version := offered.least; version <= offered.most; version++ {
			for _, request := range []kmsg.Request{filled(key, version), kmsg.RequestForKey(key), sample(key, version)} {
				request.SetVersion(version)
				body := encoded(request, version)
				if _, _, _, err := decode(body); err != nil {
					t.Errorf("%s in version %d: %v", kmsg.NameForKey(key), version, err)
				}
				if request.IsFlexible() && key != int16(kmsg.ApiVersions) && body[len(body)-1] == 0 {
					tagged := append(body[:len(body)-1], 2, 90, 1, 'x', 91, 0)
					if _, _, _, err := decode(tagged); err != nil {
						t.Errorf("%s in version %d with tags: %v", kmsg.NameForKey(key), version, err)
					}
				}
			}
		}
	}
}

// Connections that say nothing, and clients that do not read what they asked for,
// leave the others alone.
func TestSlowClientsHoldTheirOwnShare(t *testing.T) {
	t.Parallel()
	a, p := newArchive(), partitionOf("orders", 0)
	value := make([]byte, 4000)
	for range 4 {
		var records []baldr.Record
		for offset := a.end(p); offset < a.end(p)+1000; offset++ {
			records = append(records, baldr.Record{Offset: offset, Value: value})
		}
		a.archive(p, a.end(p)+1000, baldr.Options{}, records...)
	}
	s := serve(t, a, func(o *Options) { o.Memory = LeastMemory })
	for range 500 {
		dial(t, s)
	}
	request := sample(1, 12).(*kmsg.FetchRequest)
	request.MaxBytes, request.Topics[0].Partitions[0].PartitionMaxBytes = 50<<20, 50<<20
	body := encoded(request, 12)
	for range 6 { // what they hold together is less than the pool
		slow := dial(t, s)
		for range 20 {
			_, _ = slow.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
		}
	}
	conn := dial(t, s)
	request.MaxWaitMillis = patient
	body = encoded(request, 12)
	for range 20 {
		if answer, err := ask(t, conn, body); err != nil || len(answer) < 100_000 {
			t.Fatalf("%d bytes, %v", len(answer), err)
		}
	}
}
