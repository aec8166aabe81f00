//go:build !real

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestDamageIsToldOfEveryTopic: a plan goes through all topics, names each that cannot be read and what to
// do about it, and nothing is written until they are left out.
func TestDamageIsToldOfEveryTopic(t *testing.T) {
	t.Parallel()
	s := newFakes(t).sandbox(t)
	whole, missing, alsoMissing := s.topics+"-a", s.topics+"-b", s.topics+"-c"
	for _, topic := range []string{whole, missing, alsoMissing} {
		must(t, s.topic(t.Context(), topic, 1))
		must(t, s.produce(t.Context(), numbered(topic, 0, 0, 5)...))
	}
	s.inside(t, "flush").must(t, 0)
	s.inside(t, "capture").must(t, 0)
	for _, topic := range []string{missing, alsoMissing} {
		var row rangeJSON
		must(t, json.Unmarshal([]byte(strings.SplitN(s.inside(t, "ls", topic, "--json").out, "\n", 2)[0]), &row))
		must(t, s.deleteObject(t.Context(), row.Object))
	}

	target := &sandbox{brokers: newCluster(t)}
	restore := []string{"restore", "--at", "latest", "--to-brokers", target.brokers}
	told := []string{"refused: topic " + missing + ": its records cannot be read: open test/", "bifrost verify", "--exclude",
		"refused: topic " + alsoMissing, "2 things have to be settled first"}
	planned := s.inside(t, append(restore, "--plan")...)
	planned.must(t, 3, append(told, "3 topics with 15 records", whole)...)
	s.inside(t, append(restore, "--yes")...).must(t, 3, told...)
	s.inside(t, "drill", "--at", "latest", "--to-brokers", target.brokers, "--yes").must(t, 3, "refused: topic "+missing)
	s.inside(t, "replay", whole, missing+":"+missing+"-again", "--create", "--to-brokers", target.brokers).must(t, 3,
		"refused: topic "+missing+"-again: its records cannot be read", "bifrost verify", "nothing was written")
	if n := target.end(t, whole); n != 0 {
		t.Errorf("%d offsets were written", n)
	}
	s.inside(t, append(restore, "--exclude", missing+","+alsoMissing, "--yes")...).must(t, 0, "5 records are there")
}

// TestDamageThatIsMetWhileWriting: what the ends of an object do not tell is met when its records are read, and running
// the command again is no advice then.
func TestDamageThatIsMetWhileWriting(t *testing.T) {
	t.Parallel()
	s := newFakes(t).sandbox(t)
	topic := s.topics + "-a"
	must(t, s.topic(t.Context(), topic, 1))
	records := numbered(topic, 0, 0, 40_000)
	random := rand.NewChaCha8([32]byte{})
	for _, r := range records {
		r.Value = make([]byte, 100)
		_, _ = random.Read(r.Value) // never fails
	}
	must(t, s.produce(t.Context(), records...))
	s.inside(t, "flush").must(t, 0)
	s.inside(t, "capture").must(t, 0)
	var row rangeJSON
	must(t, json.Unmarshal([]byte(strings.SplitN(s.inside(t, "ls", topic, "--json").out, "\n", 2)[0]), &row))
	must(t, s.damageObject(t.Context(), row.Object))
	for _, line := range []string{"replay " + topic + ":again --create --to-brokers ", "restore --at latest --yes --to-brokers ",
		"export " + topic + " --to " + t.TempDir() + " --brokers "} {
		t.Run(strings.Fields(line)[0], func(t *testing.T) {
			t.Parallel()
			target := &sandbox{brokers: newCluster(t)}
			ended := s.inside(t, append(strings.Fields(line), target.brokers)...)
			ended.must(t, 1, "damaged: a data member", "bifrost verify --deep")
			if said := ended.out + ended.talk; strings.Contains(said, "run the same command again to go on") {
				t.Error(said)
			}
			if strings.HasPrefix(line, "replay") { // what becomes of a topic that was made is told
				ended.must(t, 1, "Topic again was made, and is left.")
			}
		})
	}
}

// TestAnObjectBelowADeleteMarkerIsNotGivenUp: what verify --fix would bring back is not recorded as gone.
func TestAnObjectBelowADeleteMarkerIsNotGivenUp(t *testing.T) {
	t.Parallel()
	s := newFakes(t).sandbox(t)
	must(t, s.keepVersions(t.Context()))
	topic := s.topics + "-a"
	must(t, s.topic(t.Context(), topic, 1))
	must(t, s.produce(t.Context(), numbered(topic, 0, 0, 10)...))
	s.inside(t, "flush").must(t, 0)
	var row rangeJSON
	must(t, json.Unmarshal([]byte(s.inside(t, "ls", topic, "--json").out), &row))
	must(t, s.deleteObject(t.Context(), row.Object))
	accept := []string{"accept", "erased", topic, "0", "0", "--yes"}
	s.inside(t, accept...).must(t, 1, "a delete marker hides 1 version of "+row.Object, "bifrost verify --fix", "docs/erasure.md")
	s.inside(t, "verify", "--fix", "--yes", topic).must(t, 0)
	s.inside(t, "cat", topic, "--format", "%o,").must(t, 0, "9,")
	must(t, s.deleteObject(t.Context(), row.Object))
	s.inside(t, append(accept, "--despite-versions")...).must(t, 0)
}

// TestADamagedObjectWithoutACopy: what verify advises last of all settles it, so that readers go on behind it.
func TestADamagedObjectWithoutACopy(t *testing.T) {
	t.Parallel()
	s := newFakes(t).sandbox(t)
	topic := s.topics + "-a"
	must(t, s.topic(t.Context(), topic, 1))
	for from := 0; from < 30; from += 10 {
		must(t, s.produce(t.Context(), numbered(topic, 0, from, from+10)...))
		s.inside(t, "flush").must(t, 0)
	}
	var row rangeJSON
	must(t, json.Unmarshal([]byte(strings.SplitN(s.inside(t, "ls", topic, "--json").out, "\n", 3)[1]), &row))
	must(t, s.damageObject(t.Context(), row.Object))
	s.inside(t, "verify", "--deep", topic).must(t, 3, row.Object, "only if no version of it is left anywhere, move what is there out")
	s.inside(t, "accept", "erased", topic, "0", "10", "--yes").must(t, 1, row.Object)
	must(t, s.deleteObject(t.Context(), row.Object)) // once moved
	s.inside(t, "accept", "erased", topic, "0", "10", "--yes").must(t, 0)
	s.inside(t, "verify", "--deep", "--kafka", topic).must(t, 0)
	if read := s.inside(t, "cat", topic, "--format", "%o,"); !strings.HasSuffix(read.out, "8,9,20,21,22,23,24,25,26,27,28,29,") {
		t.Errorf("read %s", read.out)
	}
}

// eraseObject deletes all versions of an object, as docs/erasure.md does.
func (s *sandbox) eraseObject(ctx context.Context, key string) error {
	list, err := s.store.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &s.bucket, Prefix: &key})
	if err != nil {
		return err
	}
	for _, v := range list.Versions {
		_, err = s.store.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key, VersionId: v.VersionId})
		if err != nil {
			return err
		}
	}
	return nil
}

// damageObject changes a byte in the middle of the object, which its ends do not tell.
func (s *sandbox) damageObject(ctx context.Context, key string) error {
	answer, err := s.store.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return err
	}
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return errors.Join(err, answer.Body.Close())
	}
	content[len(content)/2] ^= 0xff
	_, err = s.store.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(content),
		Metadata: answer.Metadata})
	return errors.Join(err, answer.Body.Close())
}
