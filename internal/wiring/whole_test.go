package wiring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/kafka"
	"github.com/bifrost-archive/bifrost/internal/metrics"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// openParts opens parts for a cluster at which nobody listens.
func openParts(t *testing.T, options ...func(*awsconfig.LoadOptions) error) *Parts {
	t.Helper()
	values := map[string]string{
		"BIFROST_BROKERS": "127.0.0.1:1", "BIFROST_GROUP": "archive", "BIFROST_BUCKET": "bucket", "BIFROST_START": "latest",
		"BIFROST_PROGRESS_TABLE": "progress", "BIFROST_OBJECTS_TABLE": "objects", "BIFROST_ARCHIVE_FUNCTION": "archive",
		"BIFROST_TOPIC_OVERRIDES": "a:max_age_seconds=1",
	}
	c, err := config.Load(config.Discoverer, func(name string) (string, bool) { v, ok := values[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	parts, err := Open(t.Context(), c, append([]func(*awsconfig.LoadOptions) error{awsconfig.WithRegion("eu-west-1")}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(parts.Close)
	return parts
}

// nobody starts no function.
type nobody struct{}

func (nobody) Dispatch(context.Context, bifrost.Task) error { return nil }

// What is put together here is whole: a part that is left out limits nothing, remembers nothing or
// tells nobody, and nothing fails.
func TestRulesAreWhole(t *testing.T) {
	t.Parallel()
	parts := openParts(t)
	w, d := parts.Worker(), parts.Discoverer(nil)
	for _, rule := range []any{*w, *w.Archiver, *d, d.Settings, *parts.Capturer()} {
		v := reflect.ValueOf(rule)
		for i := range v.NumField() {
			field := v.Type().Field(i)
			name := fmt.Sprint(v.Type(), ".", field.Name)
			if field.IsExported() && v.Field(i).IsZero() && name != "bifrost.Worker.Stop" { // Lambda stops nobody
				t.Errorf("%s is left out", name)
			}
		}
	}
	if d.Retention == bifrost.RetentionReader(parts.Kafka) {
		t.Error("each tick asks for the retention of every topic again")
	}
	if d.Dispatcher != parts.dispatcher {
		t.Errorf("functions are started by %T", d.Dispatcher)
	}
	if got := parts.Discoverer(nobody{}).Dispatcher; got != (nobody{}) {
		t.Errorf("another dispatcher was given, and it is %T", got)
	}
	if w.Archiver.Format.Workers != runtime.GOMAXPROCS(0) || d.Settings.Together != startedTogether || w.Together != smallTogether {
		t.Errorf("%d workers, %d and %d ranges together", w.Archiver.Format.Workers, d.Settings.Together, w.Together)
	}
	if parts.Region() != "eu-west-1" {
		t.Errorf("the region is %q", parts.Region())
	}
	if most := newHTTPClient().GetTransport().MaxIdleConnsPerHost; most < 2*d.Parallel {
		t.Errorf("%d connections are kept, for %d partitions that are worked on, each with two services", most, d.Parallel)
	}
}

// A way into a cluster is the one that was asked for, in each of its parts.
func TestSecurityIsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	names := config.SettingNames{Protocol: "a", Mechanism: "b", Secret: "c"}
	for _, tls := range []bool{false, true} {
		for _, sasl := range []bool{false, true} {
			for _, withheld := range []bool{false, true} {
				s := openParts(t).TargetSecurity(config.Target{Kafka: config.Kafka{TLS: tls, SASL: sasl}, Names: names, Withheld: withheld})
				if s.TLS != tls || s.Withheld != withheld || s.Names != kafka.SettingNames(names) {
					t.Errorf("with TLS %v, SASL %v, withheld %v: %+v", tls, sasl, withheld, s)
				}
			}
		}
	}
}

// rotating are credentials that are others each time, and last for a moment.
type rotating struct{ n int }

func (r *rotating) Retrieve(context.Context) (aws.Credentials, error) {
	r.n++
	return aws.Credentials{
		AccessKeyID: fmt.Sprint("id", r.n), SecretAccessKey: fmt.Sprint("secret", r.n), SessionToken: fmt.Sprint("token", r.n),
		CanExpire: true, Expires: time.Now().Add(-time.Hour),
	}, nil
}

// A function signs with the credentials that its role has now: those of its start are over after hours.
func TestIAMSignsWithTheCredentialsOfNow(t *testing.T) {
	t.Parallel()
	iam := openParts(t, awsconfig.WithCredentialsProvider(&rotating{})).TargetSecurity(config.Target{}).IAM
	before := kafka.IAMCredentials{}
	for range 3 {
		got, err := iam(t.Context())
		n := strings.TrimPrefix(got.AccessKeyID, "id")
		if err != nil || got == before || got != (kafka.IAMCredentials{AccessKeyID: "id" + n, SecretAccessKey: "secret" + n, SessionToken: "token" + n}) {
			t.Errorf("%+v after %+v, %v", got, before, err)
		}
		before = got
	}
}

// An error of a cluster that is written into names its brokers, not those of the archive.
func TestErrorsNameTheClusterTheyAreAbout(t *testing.T) {
	t.Parallel()
	_, explain, err := openParts(t).Connect(t.Context(), config.Target{Brokers: []string{"there:9092"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := explain(fmt.Errorf("dial: %w", os.NewSyscallError("connect", syscall.ECONNREFUSED))); !strings.Contains(err.Error(), "there:9092") {
		t.Errorf("error %v", err)
	}
}

// What was opened is closed: a client that lives on holds connections and goroutines.
func TestCloseClosesKafka(t *testing.T) {
	t.Parallel()
	parts := openParts(t)
	parts.Close()
	if _, err := parts.Kafka.ClusterID(t.Context()); err == nil || errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a client that was closed still asks: %v", err)
	}
}

// Each range has a line, and each line the request it belongs to.
func TestEachRangeIsReportedWithItsRequest(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	parts := &Parts{Log: slog.New(slog.NewJSONHandler(&lines, nil)), metrics: metrics.Emitter{To: new(bytes.Buffer), Now: time.Now}}
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "request-7"})
	parts.ReportRanges(ctx, []bifrost.RangeResult{{StartOffset: 10}, {StartOffset: 20}, {StartOffset: 30}}, nil)
	parts.ReportTick(ctx, bifrost.TickSummary{})
	var starts []float64
	for line := range strings.Lines(lines.String()) {
		var said map[string]any
		if err := json.Unmarshal([]byte(line), &said); err != nil || said[bifrost.LogRequestID] != "request-7" {
			t.Errorf("%s: %v", line, err)
		}
		if start, ok := said[bifrost.LogStartOffset].(float64); ok {
			starts = append(starts, start)
		}
	}
	if fmt.Sprint(starts) != "[10 20 30]" || strings.Count(lines.String(), "\n") != 4 {
		t.Errorf("lines of ranges from %v:\n%s", starts, lines.String())
	}
}

// Processor time is that of the code and of the kernel.
func TestProcessorTimeIsOfAll(t *testing.T) {
	t.Parallel()
	for {
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			t.Fatal(err)
		}
		if least := time.Duration(used.Utime.Nano() + used.Stime.Nano()); used.Stime.Nano() > 0 {
			if got := cpuTime(); got < least {
				t.Errorf("%v, want %v or more", got, least)
			}
			return
		}
		_, _ = os.Stat(".") // until the kernel has had something to do
	}
}

// The largest batch takes an eighth of a function's memory, and any there can be elsewhere. The
// variable is the process's: this test runs alone.
func TestLargestBatchFits(t *testing.T) {
	for megabytes, want := range map[string]int64{"": kafka.LargestBatch, "1024": 128 << 20, "512": 64 << 20} {
		t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", megabytes)
		if got := largestBatch(); got != want {
			t.Errorf("with %q MB: %d, want %d", megabytes, got, want)
		}
	}
}

// Ticks are those of the function, or of a command on its machine.
func TestWhoTicks(t *testing.T) { // alone, because the name of the function is the process's
	if got := NameTicker("bifrost run"); !strings.HasPrefix(got, "bifrost run on ") {
		t.Errorf("a command ticks as %q", got)
	}
	before := lambdacontext.FunctionName
	lambdacontext.FunctionName = "stack-discover"
	defer func() { lambdacontext.FunctionName = before }()
	if got := openParts(t).Discoverer(nil).By; got != "function stack-discover" {
		t.Errorf("the function ticks as %q", got)
	}
}

// Metrics go to the standard output, which CloudWatch reads, and lines of the log to the other: what a
// command prints stays without them. Both are the process's: this test runs alone.
func TestWhereMetricsAndLinesGo(t *testing.T) {
	stdout, stderr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	var written [2]*os.File
	for i := range written {
		var err error
		if written[i], err = os.CreateTemp(t.TempDir(), ""); err != nil {
			t.Fatal(err)
		}
		defer written[i].Close()
	}
	os.Stdout, os.Stderr = written[0], written[1]
	openParts(t).ReportTick(t.Context(), bifrost.TickSummary{})
	for i, want := range []string{`"_aws":`, `"msg":"tick"`} {
		text, err := os.ReadFile(written[i].Name())
		if err != nil || !strings.Contains(string(text), want) || strings.Count(string(text), "\n") != 1 {
			t.Errorf("output %d has %s, want a line with %s; %v", i+1, text, want, err)
		}
	}
}

// A bucket that is missing is blamed on the setting that names the archive's, and on none if it is another.
func TestMissingBucketsAreBlamedOnTheirSetting(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<Error><Code>NoSuchBucket</Code></Error>")
	}))
	defer server.Close()
	parts := openParts(t, awsconfig.WithBaseEndpoint(server.URL), awsconfig.WithCredentialsProvider(&rotating{}))
	for name, blamed := range map[string]bool{"bucket": true, "lake": false} {
		store := parts.Store
		if !blamed {
			store = parts.Bucket(name)
		}
		_, err := store.List(t.Context(), "", "", 1)
		if !errors.Is(err, s3store.ErrNoBucket) || !strings.Contains(err.Error(), "bucket "+name) || strings.Contains(err.Error(), "BIFROST_BUCKET") != blamed {
			t.Errorf("%s: %v, blamed on BIFROST_BUCKET: want %v", name, err, blamed)
		}
	}
	if err := parts.CheckCredentials(t.Context()); err != nil {
		t.Error(err)
	}
	without := openParts(t, awsconfig.WithCredentialsProvider(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("nobody has any")
	})))
	if err := without.CheckCredentials(t.Context()); err == nil || !strings.Contains(err.Error(), "nobody has any") {
		t.Errorf("without credentials: %v", err)
	}
}
