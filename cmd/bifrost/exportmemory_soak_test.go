//go:build real && soak

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Exports with decoded and typed columns, which are larger than the records, and one of large
// records that do not compress, into a bucket: each stays within 512 MiB and four times the
// largest record.
func TestMemoryOfExports(t *testing.T) {
	const partitions, perPartition, fields, largeBytes, largePerPartition = 4, 250_000, 12, 20_000_000, 3
	s := sandboxOf(t)
	ctx := t.Context()
	orders, registry, large := s.topics+"-orders", s.topics+"-schemas", s.topics+"-large"
	must(t, s.topic(ctx, registry, 1, "cleanup.policy=compact"))
	must(t, s.topic(ctx, orders, partitions))
	must(t, s.topic(ctx, large, partitions, "max.message.bytes="+strconv.Itoa(largeBytes*11/10)))
	must(t, s.produce(ctx, wideSchema(t, registry, fields)))
	random := rand.NewChaCha8([32]byte{21})
	client, err := s.client(kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(largeBytes*21/20), kgo.BrokerMaxWriteBytes(100_000_000))
	must(t, err)
	defer client.Close()
	for number := range int32(partitions) {
		var records []*kgo.Record
		for range perPartition {
			value := []byte{0, 0, 0, 0, 1}
			for range fields {
				value = append(value, 2*24) // the length, as Avro writes it
				value = fmt.Appendf(value, "%016x%08x", random.Uint64(), uint32(random.Uint64()))
			}
			records = append(records, &kgo.Record{Topic: orders, Partition: number, Value: value})
		}
		must(t, s.produce(ctx, records...))
		for range largePerPartition {
			value := make([]byte, largeBytes)
			_, _ = random.Read(value) // never fails
			must(t, client.ProduceSync(ctx, &kgo.Record{Topic: large, Partition: number, Value: value}).FirstErr())
		}
	}
	s.bifrost(t, "flush")
	dir := t.TempDir()
	for name, c := range map[string]struct {
		args    []string
		largest int64
		records int64
	}{
		"decoded":           {[]string{orders, "--to", filepath.Join(dir, "decoded"), "--decode"}, 0, partitions * perPartition},
		"typed":             {[]string{orders, "--to", filepath.Join(dir, "typed"), "--typed=wide"}, 0, partitions * perPartition},
		"both, in a bucket": {[]string{orders, "--to", "s3://" + s.bucket + "/both", "--decode", "--typed=wide"}, 0, partitions * perPartition},
		"large":             {[]string{large, "--to", "s3://" + s.bucket + "/large"}, largeBytes, partitions * largePerPartition},
	} {
		args := append([]string{"export", "--json"}, c.args...)
		if c.largest == 0 {
			args = append(args, "--schemas", registry)
		}
		out, peak := s.peakOf(t, args...)
		var did exportJSON
		must(t, json.Unmarshal([]byte(out), &did))
		if did.Records != c.records || did.Undecoded != 0 {
			t.Errorf("%s: %+v", name, did)
		}
		t.Logf("%s: %d MiB at most", name, peak>>20)
		if most := int64(512<<20) + 4*c.largest; peak > most {
			t.Errorf("%s: the export took %d MiB, want at most %d", name, peak>>20, most>>20)
		}
	}
}

// wideSchema is the record of a registry's topic that has the schema of so many texts.
func wideSchema(t *testing.T, registry string, fields int) *kgo.Record {
	t.Helper()
	var of []string
	for n := range fields {
		of = append(of, fmt.Sprintf(`{"name":"a_field_with_the_name_of_number_%d","type":"string"}`, n))
	}
	schema, err := json.Marshal(`{"type":"record","name":"Wide","fields":[` + strings.Join(of, ",") + `]}`)
	must(t, err)
	return &kgo.Record{Topic: registry, Key: []byte(`{"keytype":"SCHEMA","subject":"wide","version":1,"magic":1}`),
		Value: fmt.Appendf(nil, `{"subject":"wide","version":1,"id":1,"schema":%s}`, schema)}
}

// peakOf runs a command, and returns what it printed and the most memory in bytes that it was
// seen to have.
func (s *sandbox) peakOf(t *testing.T, args ...string) (out string, peak int64) {
	t.Helper()
	command := s.command(t.Context(), args...)
	var printed, talk bytes.Buffer
	command.Stdout, command.Stderr = &printed, &talk
	must(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%v\n%s", err, talk.String())
			}
			return printed.String(), peak
		case <-time.After(10 * time.Millisecond):
			if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", command.Process.Pid)); err == nil {
				peak = max(peak, peakIn(status))
			}
		}
	}
}
