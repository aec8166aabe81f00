package bifrost_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// rich answers with records that have one of everything.
type rich struct{ bifrost.Source }

var richRecords = []baldr.Record{
	{Offset: 0, Timestamp: 7, Key: []byte("k"), Value: []byte("first"), Headers: []baldr.Header{{Key: []byte("h"), Value: nil}, {Key: []byte("h"), Value: []byte("2")}}},
	{Offset: 1, Timestamp: 8, TimestampType: baldr.LogAppendTime, Key: []byte{}, Value: nil},
	{Offset: 2, Timestamp: 6, Key: nil, Value: []byte{}},
}

func (rich) Read(context.Context, string, bifrost.TopicID, int32, bifrost.Range) (bifrost.Records, error) {
	return &richRange{}, nil
}

type richRange struct{ read bool }

func (r *richRange) Next(context.Context) (bifrost.Batch, error) {
	if r.read {
		return bifrost.Batch{}, io.EOF
	}
	r.read = true
	return bifrost.Batch{Records: richRecords, Position: int64(len(richRecords)), LeaderEpoch: 1}, nil
}

func (*richRange) Close() {}

// TestFormatsOfTheArchive: what an archiver writes by default is the full record,
// and what it writes by each setting is the values to every gzip.
func TestFormatsOfTheArchive(t *testing.T) {
	t.Parallel()
	values := make([]baldr.Record, len(richRecords))
	var frames []byte
	for i, r := range richRecords {
		values[i] = baldr.Record{Offset: -1, Timestamp: -1, Value: append([]byte{}, r.Value...)}
		frames = baldr.AppendFrame(frames, r.Value)
	}
	for name, c := range map[string]struct {
		format baldr.Options
		want   []baldr.Record
		first  bool // a reader that stops after the first member gets it all
	}{
		"default": {baldr.Options{}, richRecords, true},
		"members": {baldr.Options{MemberBytes: 1}, richRecords, false},
		"values":  {baldr.Options{ValuesOnly: true}, values, true},
		"single":  {baldr.Options{SingleMember: true, MemberBytes: 1}, values, true},
	} {
		object := archivedAs(t, c.format)
		if got := unzipped(t, object, true); !bytes.Equal(got, frames) {
			t.Errorf("%s: gzip reads %q, want %q", name, got, frames)
		}
		if got := unzipped(t, object, false); bytes.Equal(got, frames) != c.first {
			t.Errorf("%s: the first member holds %q of %q", name, got, frames)
		}
		var got []baldr.Record
		for r, err := range baldr.NewReader(bytes.NewReader(object), baldr.ReaderOptions{}).All() {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got = append(got, r.Clone())
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: read back as %+v, want %+v", name, got, c.want)
		}
	}
}

// archivedAs is the object of a range of richRecords.
func archivedAs(t *testing.T, format baldr.Options) []byte {
	s := newStack(t)
	s.target = 1 << 20 // one range
	s.kafka.CreateTopic("orders", 1).Logs[0].Produce("", "", "")
	s.clock.Advance(time.Hour)
	s.tick()
	s.tick()
	archiver := s.archiver()
	archiver.Source, archiver.Format = rich{s.kafka}, format
	result, err := archiver.Archive(t.Context(), s.lambda.Take(0), time.Time{})
	if err != nil || result.Records != int64(len(richRecords)) {
		t.Fatalf("archived %+v, %v", result, err)
	}
	return s.content(result.Object)
}

func unzipped(t *testing.T, object []byte, all bool) []byte {
	z, err := gzip.NewReader(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(all)
	content, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
