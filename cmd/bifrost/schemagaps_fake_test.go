//go:build !real

package main

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestSchemasThatMayBeLost: what Kafka deleted of a registry's topic before it was archived may have been schemas,
// and is named. What was gone before the archive began is no loss of the archive's.
func TestSchemasThatMayBeLost(t *testing.T) {
	t.Parallel()
	s := newFakes(t).sandbox(t)
	orders, schemas := s.topics+"-orders", s.topics+"-schemas"
	client, err := s.client()
	must(t, err)
	defer client.Close()
	deleteBelow := func(offset int64) {
		t.Helper()
		var below kadm.Offsets
		below.AddOffset(schemas, 0, offset, -1)
		_, err := kadm.NewClient(client).DeleteRecords(t.Context(), below)
		must(t, err)
	}
	written := func(id string) *kgo.Record {
		return &kgo.Record{Topic: schemas, Key: []byte(`{"keytype":"SCHEMA","subject":"s` + id + `","version":1}`),
			Value: []byte(`{"id":` + id + `,"schema":"\"string\""}`)}
	}
	must(t, s.topic(t.Context(), orders, 1))
	must(t, s.topic(t.Context(), schemas, 1))
	must(t, s.produce(t.Context(), written("1"), written("2"), &kgo.Record{Topic: orders, Value: []byte("\x00\x00\x00\x00\x02\x04hi")}))
	deleteBelow(1)
	s.inside(t, "flush").must(t, 0)
	cat := []string{"cat", orders, "--decode", "--schemas", schemas}
	read := s.inside(t, cat...)
	read.must(t, 0, `"hi"`)
	if strings.Contains(read.talk, "there may have been schemas") {
		t.Errorf("what was gone before is missed: %s", read.talk)
	}
	must(t, s.produce(t.Context(), written("3"), written("4")))
	deleteBelow(3)
	s.inside(t, "flush").must(t, 0)
	s.inside(t, cat...).must(t, 0, `"hi"`, schemas+"/0: offsets [2, 3) are ", "there may have been schemas in it")
}
