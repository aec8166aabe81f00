//go:build !real

package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/export"
	"github.com/bifrost-archive/bifrost/internal/restore"
)

// position commits the position of a group.
func (s *sandbox) position(t testing.TB, group, topic string, partition int32, offset int64) {
	t.Helper()
	client, err := s.client()
	must(t, err)
	defer client.Close()
	var offsets kadm.Offsets
	offsets.AddOffset(topic, partition, offset, -1)
	must(t, kadm.NewClient(client).CommitAllOffsets(t.Context(), group, offsets))
}

// positions are where a group stands, by partition of a topic; none if there is no such group.
func (s *sandbox) positions(t testing.TB, group, topic string) map[int32]int64 {
	t.Helper()
	client, err := s.client()
	must(t, err)
	defer client.Close()
	fetched, err := kadm.NewClient(client).FetchOffsets(t.Context(), group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil
	}
	must(t, err)
	at := map[int32]int64{}
	for partition, offset := range fetched[topic] {
		at[partition] = offset.At
	}
	return at
}

// TestRestoreDoesWhatItsFlagsSay: nothing before --yes, the topics that are named and no
// others, groups if they are wanted, and settings back with --finish.
func TestRestoreDoesWhatItsFlagsSay(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := f.sandbox(t)
	orders, payments := s.topics+"-orders", s.topics+"-payments"
	must(t, s.topic(t.Context(), orders, 2, "retention.ms=604800000"))
	must(t, s.topic(t.Context(), payments, 1))
	must(t, s.produce(t.Context(), numbered(orders, 0, 0, 50)...))
	must(t, s.produce(t.Context(), numbered(orders, 1, 0, 7)...))
	must(t, s.produce(t.Context(), numbered(payments, 0, 0, 5)...))
	s.position(t, "readers", orders, 0, 20)
	s.inside(t, "flush").must(t, 0)
	s.inside(t, "capture").must(t, 0, "positions-")

	target := &sandbox{brokers: newCluster(t)}
	base := []string{"restore", "--at", "latest", "--to-brokers", target.brokers}
	inside := func(args ...string) ran { return s.inside(t, append(base[:len(base):len(base)], args...)...) }
	s.inside(t, "restore", "--to-brokers", target.brokers).must(t, 2, "--at is missing")
	s.inside(t, "restore", "--at", "latest").must(t, 2, "--to-brokers is missing")
	inside("--parallel", "0").must(t, 2, "want at least 1")
	inside("--topics", ",").must(t, 2, "it names none")
	inside("--topics", "nothing*").must(t, 2, "has no such topic; it has ", "such as")
	inside("--topics", orders+",nothing", "--plan").must(t, 2, "--topics nothing: the capture of ", "has no such topic")
	inside("--finish", "--groups").must(t, 2, "leave out --groups")
	s.inside(t, "restore", "--at", "2001-01-01", "--to-brokers", target.brokers).must(t, 1, "no capture was made at or before 2001")
	planned := inside("--topics", orders, "--groups", "--plan")
	planned.must(t, 0, "57 records, ", "B raw: about", "Nothing was written", "retention.ms", "readers", "RAW")
	if strings.Contains(planned.out, payments) {
		t.Errorf("the plan has a topic that was not named:\n%s", planned.out)
	}
	inside("--topics", orders).must(t, 2, "give --yes to do it")
	if n := target.end(t, orders); n != 0 {
		t.Fatalf("%d records were written before --yes", n)
	}
	inside("--exclude", "*payments", "--yes").
		must(t, 0, "57 records are there, ", "B of keys and values", "KEYS, VALUES", "All that was asked for is as it was captured", "lifted on 1 topic")
	// Each of two partitions ends with the marker of its transaction.
	if n, others := target.end(t, orders), target.end(t, payments); n != 57+2 || others != 0 {
		t.Errorf("%d offsets of one topic and %d of the other, want 59 and 0", n, others)
	}
	inside("--topics", orders, "--plan").
		must(t, 0, "1 topic with 57 records, ", "B raw: all are there already. Nothing was written")
	if at := target.positions(t, "readers", orders); len(at) != 0 {
		t.Errorf("groups were not asked for, and stand at %v", at)
	}
	var report restore.Report
	must(t, json.Unmarshal([]byte(inside("--topics", orders, "--groups", "--yes", "--json").out), &report))
	if at := target.positions(t, "readers", orders); at[0] != 20 || len(report.Groups) != 1 || report.Records != 57 {
		t.Errorf("the group stands at %v, %d groups, %d records", at, len(report.Groups), report.Records)
	}
	if got := s.inside(t, "map", orders, "0", "20", "--to-brokers", target.brokers); strings.TrimSpace(got.out) != "20" {
		t.Errorf("offset 20 is at %q", got.out)
	}
	s.inside(t, "map", payments, "0", "0", "--to-brokers", target.brokers).must(t, 1, "no replay has written anything")
	s.inside(t, "map", orders, "7", "0", "--to-brokers", target.brokers).must(t, 1, "no partition 7")
	if retention := target.setting(t, orders, "retention.ms"); retention != "-1" {
		t.Errorf("retention.ms is %s before the end, want it lifted", retention)
	}
	toFinish := inside("--topics", orders, "--finish", "--plan")
	toFinish.must(t, 0, "setting", "of 1 topic would be put back. Nothing was written", "retention.ms", "-1", "604800000")
	if strings.Contains(toFinish.talk, "100 MB/s") {
		t.Error("the plan of the finish speaks of writing records")
	}
	if retention := target.setting(t, orders, "retention.ms"); retention != "-1" {
		t.Errorf("retention.ms is %s after a plan", retention)
	}
	inside("--topics", orders, "--finish").must(t, 2, "give --yes")
	inside("--topics", orders, "--finish", "--yes").must(t, 0, "Settings are put back")
	if retention := target.setting(t, orders, "retention.ms"); retention != "604800000" {
		t.Errorf("retention.ms is %s after the end", retention)
	}

	drill := newCluster(t)
	s.inside(t, "drill", "--at", "latest", "--to-brokers", drill).must(t, 2, "give --yes")
	s.inside(t, "drill", "--at", "latest", "--to-brokers", drill, "--sample", "0").must(t, 2, "--sample")
	s.inside(t, "drill", "--at", "latest", "--to-brokers", drill, "--topics", orders, "--plan").
		must(t, 0, "A sample: "+orders, "57 records", "Nothing was written")
	var drilled restore.DrillReport
	ran := s.inside(t, "drill", "--at", "latest", "--to-brokers", drill, "--topics", orders, "--yes", "--json")
	ran.must(t, 0)
	must(t, json.Unmarshal([]byte(ran.out), &drilled))
	if len(drilled.Topics) != 1 || drilled.Records != 57 || drilled.Positions != 1 {
		t.Errorf("drilled %+v", drilled)
	}
	for _, what := range []string{"--yes", "--plan"} {
		s.inside(t, "drill", "--at", "latest", "--to-brokers", drill, "--topics", orders, what).
			must(t, 3, "refused: the target has topics of the sample already, "+orders+",", "nothing was written: 1 thing has to be settled")
	}
	s.inside(t, "drill", "--at", "latest", "--to-brokers", newCluster(t), "--topics", orders, "--yes").
		must(t, 0, "all partitions are as before", "all 1 topic that --topics and --exclude leave, with 57 records")
	s.inside(t, "drill", "--at", "latest", "--to-brokers", newCluster(t), "--yes").must(t, 0, "topics of the capture, with")
}

// TestAPlanSaysWhatIsLeft: of a restore that goes on in what an earlier one has written, what the target lacks.
func TestAPlanSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := newFakes(t).sandbox(t)
	orders := s.topics + "-orders"
	must(t, s.topic(t.Context(), orders, 2))
	into := newCluster(t)
	restoring := func(what ...string) ran {
		return s.inside(t, append([]string{"restore", "--at", "latest", "--to-brokers", into}, what...)...)
	}
	end := 0
	for _, step := range []struct {
		end, left int
		says      string
	}{
		{0, 0, "1 topic with 0 records, 0 B raw: about 0s at 100 MB/s. Nothing was written."},
		{50, 50, "1 topic with 50 records, "},
		{80, 30, "B raw: about 30 records, "},
		{80, 0, "1 topic with 80 records, "},
	} {
		must(t, s.produce(t.Context(), numbered(orders, 1, end, step.end)...))
		end = step.end
		s.inside(t, "flush").must(t, 0)
		s.inside(t, "capture").must(t, 0)
		restoring("--plan").must(t, 0, step.says)
		var plan, done restore.Report
		must(t, json.Unmarshal([]byte(restoring("--plan", "--json").out), &plan))
		if left := int64(step.left); plan.LeftRecords != left || plan.Topics[0].LeftRecords != left ||
			plan.Records != int64(end) || (plan.LeftBytes > 0) != (left > 0) ||
			(plan.LeftBytes == plan.Bytes) != (step.left == end) || plan.Seconds != float64(plan.LeftBytes)/100e6 {
			t.Errorf("of %d records %d are to be left: %+v", end, left, plan)
		}
		must(t, json.Unmarshal([]byte(restoring("--yes", "--json").out), &done))
		if done.Records != int64(end) || done.LeftRecords+done.LeftBytes != 0 {
			t.Errorf("of %d records: %+v", end, done)
		}
	}
}

// TestExportWritesWhereItIsTold: each object once, of the topics that are named, in a
// directory or a bucket, and never among the objects of the archive.
func TestExportWritesWhereItIsTold(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := f.sandbox(t)
	orders, payments := s.topics+"-orders", s.topics+"-payments"
	for _, topic := range []string{orders, payments} {
		must(t, s.topic(t.Context(), topic, 1))
	}
	s.inside(t, "export", "*", "--to", t.TempDir()).must(t, 1)
	for from := range 4 {
		must(t, s.produce(t.Context(), numbered(orders, 0, from*10, from*10+10)...))
		must(t, s.produce(t.Context(), numbered(payments, 0, from, from+1)...))
		s.inside(t, "flush").must(t, 0)
	}
	s.inside(t, "export", "*").must(t, 2, "--to is missing")
	s.inside(t, "export", "--to", t.TempDir()).must(t, 2, "want at least 1 argument")
	s.inside(t, "export", "*", "--to", t.TempDir(), "--workers", "0").must(t, 2, "--workers 0: want at least 1")
	s.inside(t, "export", "nothing*", "--to", t.TempDir()).must(t, 1, "nothing in the archive matches")
	s.inside(t, "export", "*", "--to", "s3://"+s.bucket+"/test/export").must(t, 2, "that is where the archive is")
	to := t.TempDir()
	for try, want := range []export.Summary{{Objects: 4, Files: 4, Records: 40}, {Before: 4}} {
		var summary exportJSON
		ran := s.inside(t, "export", orders, "--to", to, "--json")
		ran.must(t, 0)
		must(t, json.Unmarshal([]byte(ran.out), &summary))
		if len(summary.Topics) != 1 || summary.Objects != want.Objects || summary.Records != want.Records || summary.Files != want.Files || summary.Before != want.Before {
			t.Errorf("run %d: %+v, want %+v", try, summary, want)
		}
	}
	files := 0
	must(t, filepath.WalkDir(to, func(path string, entry os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".parquet") {
			files++
		}
		return err
	}))
	if files != 4 {
		t.Errorf("%d files, want 4", files)
	}
	s.inside(t, "export", "*", "--to", "s3://"+s.bucket+"/elsewhere").must(t, 0, "Wrote 44 records of 8 objects in 8 files")
	s.inside(t, "export", "*", "--to", "s3://"+s.bucket+"/elsewhere").must(t, 0, "Wrote 0 records", "8 objects were there")
	s.inside(t, "verify").must(t, 0)
}

// TestACaptureIsNamedAsItIsShown: times are shown to the second. What is shown names the capture, and
// of several in one second the last; a second before, it is not there.
func TestACaptureIsNamedAsItIsShown(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := f.sandbox(t)
	must(t, s.topic(t.Context(), s.topics+"-orders", 1))
	var made struct{ At, Positions string }
	var at, second, exact time.Time
	for n := 0; n < 3 || second.Equal(exact); n++ { // the very time of a capture selects that one
		must(t, json.Unmarshal([]byte(s.inside(t, "capture", "--json").out), &made))
		var err error
		at, err = time.Parse(time.RFC3339, made.At)
		must(t, err)
		if second = at.Truncate(time.Second); at.Equal(second) {
			exact = second
		}
	}
	for _, layout := range []string{"2006-01-02 15:04:05Z", time.RFC3339, "2006-01-02T15:04:05"} {
		shown := s.inside(t, "clusters", "show", "@"+second.Format(layout), "--json")
		shown.must(t, 0, made.Positions)
	}
	before := s.inside(t, "clusters", "show", "@"+second.Add(-time.Second).Format(time.RFC3339), "--json")
	if strings.Contains(before.out, made.Positions) {
		t.Errorf("a second before, it is there:\n%s", before.out)
	}
}

// TestACaptureIsNamedAsItIsListed: a listing has the beginning of the time slot, and the capture was made
// later. Its time selects it and no older one, and where there is none, an older one is told.
func TestACaptureIsNamedAsItIsListed(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := f.sandbox(t)
	must(t, s.topic(t.Context(), s.topics+"-orders", 1))
	var made struct{ At, Positions string }
	var at time.Time
	for at.Equal(at.Truncate(time.Second)) { // what is shown to the second is not its very time
		must(t, json.Unmarshal([]byte(s.inside(t, "capture", "--json").out), &made))
		var err error
		at, err = time.Parse(time.RFC3339, made.At)
		must(t, err)
	}
	object, err := s.store.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.bucket, Key: &made.Positions})
	must(t, err)
	content, err := io.ReadAll(object.Body)
	must(t, err)
	key, ok := capture.ParseCaptureKey("test", made.Positions)
	if !ok {
		t.Fatalf("%s is no key of a capture", made.Positions)
	}
	slot := at.Add(-10 * time.Minute).Truncate(15 * time.Minute)
	asOf := func(slot time.Time) string { return capture.PositionsKey("test", key.ClusterID, slot) }
	f.bucket.Put(s.bucket, asOf(slot), content)
	f.bucket.Put(s.bucket, asOf(slot.Add(-15*time.Minute)), content)
	s.inside(t, "clusters", "list").must(t, 0, human.Moment(slot.Add(-15*time.Minute)))
	for _, listed := range []time.Time{slot, slot.Add(-15 * time.Minute)} {
		for _, layout := range []string{"2006-01-02 15:04:05Z", "2006-01-02T15:04:05.000Z"} {
			s.inside(t, "clusters", "show", "@"+listed.Format(layout), "--json").must(t, 0, asOf(listed),
				"The capture that is listed as "+human.Moment(listed)+" was made at "+human.Moment(at))
		}
	}
	later := at.Add(time.Hour)
	s.inside(t, "clusters", "show", "@"+later.Format(time.RFC3339)).must(t, 0,
		"No capture is of "+human.Moment(later)+": the last before it was made at "+human.Moment(at))
	s.inside(t, "clusters", "show", "@2001-01-01").must(t, 1, "no capture was made at or before 2001",
		"the first is listed as "+human.Moment(slot.Add(-15*time.Minute)))
	if ran := s.inside(t, "clusters", "show", "@"+made.At); strings.Contains(ran.talk, "listed as") {
		t.Errorf("its very time: %s", ran.talk)
	}
	// The time at which it was made is shown as well, to the second, and is not in the listing.
	must(t, s.deleteObject(t.Context(), made.Positions))
	shown := s.inside(t, "clusters", "show", "@"+at.Truncate(time.Second).Format(time.RFC3339), "--json")
	if shown.must(t, 0, asOf(slot)); strings.Contains(shown.talk, "No capture is of") {
		t.Errorf("the second in which it was made: %s", shown.talk)
	}
	restored := []string{"--at", slot.Format(time.RFC3339), "--to-brokers", newCluster(t), "--plan"}
	for _, command := range []string{"restore", "drill"} {
		s.inside(t, append([]string{command}, restored...)...).must(t, 0, "listed as "+human.Moment(slot))
	}
}

// TestHealthIsTold: by the exit code, in words, as JSON.
func TestHealthIsTold(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := f.sandbox(t)
	orders := s.topics + "-orders"
	must(t, s.topic(t.Context(), orders, 1))
	must(t, s.produce(t.Context(), numbered(orders, 0, 0, 10)...))
	s.inside(t, "flush").must(t, 0)
	s.inside(t, "status").must(t, 0, "OPEN")
	must(t, s.diverge(t.Context(), orders))
	s.inside(t, "status").must(t, 3, "DIVERGED")
	s.inside(t, "status", "--json").must(t, 3, `"healthy": false`)
	s.inside(t, "report", "-o", filepath.Join(t.TempDir(), "page.html")).must(t, 0, "")
	s.inside(t, "accept", "diverged", orders, "0", "5").must(t, 2, "give --yes")
	s.inside(t, "accept", "diverged", orders, "0", "5", "--yes").must(t, 0, "goes on from offset 5")
}

// Of tables that are older than the bucket, a rebuild of some topics is not enough, and says so.
func TestARebuildSaysThatItIsNotEnough(t *testing.T) {
	t.Parallel()
	s := newFakes(t).sandbox(t)
	for _, topic := range []string{"-orders", "-payments"} {
		must(t, s.topic(t.Context(), s.topics+topic, 1))
		must(t, s.produce(t.Context(), numbered(s.topics+topic, 0, 0, 5)...))
	}
	s.inside(t, "flush").must(t, 0)
	must(t, s.setAttribute(t.Context(), "progress", "@tables", "0", "mark", "0")) // a backup was restored
	some := s.inside(t, "rebuild", s.topics+"-orders")
	some.must(t, 3, "the tables are still older than the bucket, and ticks plan nothing: run bifrost rebuild for all topics")
	s.inside(t, "rebuild").must(t, 0)
}
