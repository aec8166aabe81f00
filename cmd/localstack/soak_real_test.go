//go:build real && soak

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localstack"
)

// soakSeconds says how long the faults last; make soak sets it.
const soakSeconds = "BIFROST_SOAK_SECONDS"

// TestDeployedSoak works the deployed stack, with its roles enforced, under a
// steady load and bursts, while the broker restarts, S3 fails, DynamoDB throttles
// and functions are cut off by their time limit. Then everything recovers, and
// what is in S3 must be what a consumer sees.
func TestDeployedSoak(t *testing.T) {
	broker, err := localstack.StartKafka(t.Context(), localstack.KafkaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Remove() })
	s := &deployedSoak{endToEnd: plainEndToEnd(t, broker.Addr()), broker: broker}
	s.create(s.topic("soak"), nil)
	s.startPlainStack()
	s.proxy(t)
	s.throughProxy()

	seconds := 60
	if text := os.Getenv(soakSeconds); text != "" {
		seconds, err = strconv.Atoi(text)
		s.check(err)
	}
	var load sync.WaitGroup
	loading, stop := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second)
	defer stop()
	load.Go(func() { s.load(loading) })
	s.faulty.Store(true)
	s.misfortunes(loading)
	load.Wait()
	s.faulty.Store(false)
	s.limit(60)
	s.check(s.client.Flush(t.Context()))
	s.archive()
	s.comparePartitions()
	t.Logf("%d s: %d records written, %d ticks of which %d failed, %d broker restarts, %d times functions cut off after a second, %d answers of S3 and %d of DynamoDB replaced by errors",
		seconds, s.written.Load(), s.ticks, s.failedTicks, s.restarts, s.cutOffs, s.s3Faults.Load(), s.dbFaults.Load())
	if s.restarts == 0 || s.cutOffs == 0 || s.s3Faults.Load() == 0 || s.dbFaults.Load() == 0 {
		t.Error("nothing was put to the test")
	}
}

type deployedSoak struct {
	*endToEnd
	broker *localstack.KafkaBroker
	url    string // of the proxy
	faulty atomic.Bool

	written, s3Faults, dbFaults           atomic.Int64
	ticks, failedTicks, restarts, cutOffs int
}

// proxy stands between the functions and the local AWS, and answers one request
// in ten by itself.
func (s *deployedSoak) proxy(t *testing.T) {
	t.Helper()
	target, err := url.Parse(s.stack.AWS.URL)
	s.check(err)
	bundle, err := os.ReadFile(s.stack.AWS.CABundle)
	s.check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the signature covers it
		},
		Transport:    &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.faulty.Load() || rand.IntN(10) > 0 {
			forward.ServeHTTP(w, r)
			return
		}
		if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_") {
			s.dbFaults.Add(1)
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"Rate exceeded"}`)
			return
		}
		s.s3Faults.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>`)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
}

// throughProxy sends both functions through the proxy, for S3 and DynamoDB.
func (s *deployedSoak) throughProxy() {
	s.Helper()
	client := lambda.NewFromConfig(s.stack.AWS.Config())
	for _, output := range []string{"DiscoverFunction", "ArchiveFunction"} {
		name := aws.String(s.stack.Outputs[output])
		now, err := client.GetFunctionConfiguration(s.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name})
		s.check(err)
		variables := now.Environment.Variables
		variables["AWS_ENDPOINT_URL_S3"], variables["AWS_ENDPOINT_URL_DYNAMODB"] = s.url, s.url
		_, err = client.UpdateFunctionConfiguration(s.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: name,
			Environment: &lambdatypes.Environment{Variables: variables}})
		s.check(err)
	}
}

// limit sets the time limit of the archive function, in seconds.
func (s *deployedSoak) limit(seconds int32) {
	s.Helper()
	_, err := lambda.NewFromConfig(s.stack.AWS.Config()).UpdateFunctionConfiguration(s.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String(s.stack.Outputs["ArchiveFunction"]), Timeout: aws.Int32(seconds)})
	s.check(err)
}

// load writes a hundred records a second, and ten thousand at once now and then.
func (s *deployedSoak) load(ctx context.Context) {
	random := rand.New(rand.NewPCG(1, 8))
	for round := 0; ctx.Err() == nil; round++ {
		records := 10
		if round%100 == 50 {
			records = 10_000
		}
		for range records {
			n := int(s.written.Add(1))
			s.client.Produce(context.WithoutCancel(ctx), &kgo.Record{Topic: s.topics[0], Partition: int32(n % partitionsEach), Value: value(random, n)}, nil)
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// misfortunes ticks, restarts the broker and cuts functions off until ctx ends.
func (s *deployedSoak) misfortunes(ctx context.Context) {
	for round := 1; ctx.Err() == nil; round++ {
		switch round % 8 {
		case 3:
			s.limit(1)
			s.cutOffs++
		case 5:
			s.limit(60)
		case 7:
			s.check(s.broker.Kill())
			s.check(s.broker.Start(s.Context()))
			s.restarts++
		}
		s.ticks++
		if _, err := tick(s.Context(), s.stack); err != nil {
			s.failedTicks++
		}
		_ = pause(ctx)
	}
}
