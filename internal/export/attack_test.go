package export

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/httpfault"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/s3fake"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// addDays adds objects whose records have three days, so that each has several files.
func (a *archived) addDays(objects int) {
	for range objects {
		var records []baldr.Record
		for n := range int64(30) {
			key := bytes.Repeat([]byte{byte(rand.Uint32())}, rand.IntN(40))
			records = append(records, baldr.Record{Timestamp: n % 3 * millisecondsOfADay, Key: key, Value: []byte("v")})
		}
		a.add(records...)
	}
}

// A roomy place has so many bytes of room left, as a disk has.
type roomy struct {
	Place
	left *atomic.Int64
}

func (p roomy) fits(size int) error {
	if p.left.Add(-int64(size)) < 0 {
		return syscall.ENOSPC
	}
	return nil
}

func (p roomy) Create(ctx context.Context, name string) (File, error) {
	f, err := p.Place.Create(ctx, name)
	return roomyFile{f, p}, err
}

func (p roomy) CreateOnce(ctx context.Context, name string, content []byte) ([]byte, error) {
	if err := p.fits(len(content)); err != nil {
		return nil, err
	}
	return p.Place.CreateOnce(ctx, name, content)
}

type roomyFile struct {
	File
	in roomy
}

// Write writes half of what does not fit.
func (f roomyFile) Write(p []byte) (int, error) {
	if err := f.in.fits(len(p)); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

// TestADiskThatIsFullNowAndThen: wherever the room ends while several objects are written, no
// file shows that is not whole and none stays unfinished, and once there is room each record is
// in one file.
func TestADiskThatIsFullNowAndThen(t *testing.T) {
	t.Parallel()
	a := newArchived()
	a.addDays(6)
	root := t.TempDir()
	disk, err := InDirectory(root)
	if err != nil {
		t.Fatal(err)
	}
	full := 0
	for room := int64(1000); ; room += 700 {
		place := roomy{disk, &atomic.Int64{}}
		place.left.Store(room)
		e := Exporter{Reader: a.reader(), Place: place, Options: Options{Layout: 1}, AtOnce: 3}
		err := e.Begin(t.Context())
		if err == nil {
			err = e.Export(t.Context(), &Summary{}, Part{partition, readback.Everything})
		}
		if err == nil {
			break
		}
		full++
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("with %d bytes of room: %v", room, err)
		}
		if left, _ := filepath.Glob(filepath.Join(root, "_bifrost", "unfinished", "*")); len(left) > 0 {
			t.Errorf("with %d bytes of room %q stay unfinished", room, left)
		}
	}
	if full < 3 {
		t.Errorf("the disk was full %d times", full)
	}
	same(t, readBack(t, exportTo(t, a, root)), a.records)
}

// someRequests picks one request in so many.
func someRequests(in int) httpfault.Match {
	return func(*http.Request) bool { return rand.IntN(in) == 0 }
}

func isCompletion(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

// TestEachRecordIsInOneFileOnBadDaysOfS3: requests are refused, cut and lost, those to the archive
// and those to the lake, while two exports with several objects at once write into one place.
func TestEachRecordIsInOneFileOnBadDaysOfS3(t *testing.T) {
	t.Parallel()
	fake := s3fake.New()
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	faults := httpfault.New(http.DefaultTransport)
	config := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient: &http.Client{Transport: faults},
	}
	for _, bucket := range []string{"archive", "lake"} {
		if _, err := s3.NewFromConfig(config).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
			t.Fatal(err)
		}
	}
	a := newArchived()
	a.addDays(6)
	for _, key := range a.store.Keys() {
		fake.Put("archive", key, a.store.Versions(key)[0])
	}
	slowDown := httpfault.Answer(http.StatusServiceUnavailable, nil, "<Error><Code>SlowDown</Code></Error>")
	lost := httpfault.AnswerAfter(http.StatusInternalServerError, nil, "<Error><Code>InternalError</Code></Error>")
	faults.Next(isCompletion, slowDown, lost, httpfault.LoseAnswer, httpfault.LoseRequest)
	faults.Next(someRequests(8), slowDown, httpfault.Cut(10), httpfault.LoseAnswer, httpfault.Cut(0), lost, httpfault.LoseRequest,
		slowDown, httpfault.Cut(100), httpfault.LoseAnswer, lost, slowDown, httpfault.Cut(500))
	export := func() error {
		reader := a.reader()
		reader.Objects = s3store.New(config, "archive")
		e := Exporter{Reader: reader, Place: InBucket(s3store.New(config, "lake"), "lake", "x/"), Options: Options{Layout: 1}, AtOnce: 3}
		if err := e.Begin(t.Context()); err != nil {
			return err
		}
		return e.Export(t.Context(), &Summary{}, Part{partition, readback.Everything})
	}
	failed := 0
	for runs := 0; failed == runs; runs++ {
		var others sync.WaitGroup
		others.Go(func() { _ = export() })
		if err := export(); err != nil {
			t.Logf("run %d: %v", runs, err)
			failed++
		}
		others.Wait()
		if runs > 30 {
			t.Fatal("no export comes to its end")
		}
	}
	if failed == 0 {
		t.Error("no export failed")
	}
	lake, files := s3store.New(config, "lake"), map[string][]byte{}
	keys, err := lake.List(t.Context(), "x/"+topicFolder, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if !strings.HasSuffix(key, ".parquet") {
			t.Errorf("there is %s", key)
		}
		if files[key], err = InBucket(lake, "lake", "").Read(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	same(t, readBack(t, files), a.records)
}

// TestAnExportIsTheSameByteForByte: however many objects are written at once, and whatever the
// encoders that files share compressed before.
func TestAnExportIsTheSameByteForByte(t *testing.T) {
	t.Parallel()
	a := newArchived()
	a.addDays(6)
	first, second := filepath.Join(t.TempDir(), "lake"), filepath.Join(t.TempDir(), "lake")
	want := exportTo(t, a, first)
	place, err := InDirectory(second)
	if err != nil {
		t.Fatal(err)
	}
	e := Exporter{Reader: a.reader(), Place: place, Options: Options{Layout: 1}, AtOnce: 3}
	if err := errors.Join(e.Begin(t.Context()), e.Export(t.Context(), &Summary{}, Part{partition, readback.Everything})); err != nil {
		t.Fatal(err)
	}
	if got := exportTo(t, a, second); len(want) != 18 || !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%d and %d files that differ", len(got), len(want))
	}
}
