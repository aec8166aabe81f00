//go:build real

package killtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// EnvSeconds says how long the faults last; make soak sets it.
const EnvSeconds = "BIFROST_KILL_SECONDS"

const defaultSeconds = 40

// processes is how many stacks work on the same tables and the same bucket.
const processes = 2

// TestKill kills the archivers with SIGKILL at random moments, restarts the
// broker, lets S3 fail, erases leases so that workers meet on the same ranges, and
// deletes the beginning of partitions, under load. Then it lets everything recover
// and asks: is every record that a consumer saw in exactly one object, is every
// offset that is in none a recorded gap, and was nothing ever overwritten?
func TestKill(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("BIFROST_KILL_SEED"); text != "" {
		parsed, err := strconv.ParseUint(text, 10, 64)
		must(t, err)
		seed = parsed
	}
	t.Logf("seed %d (BIFROST_KILL_SEED); real processes do not repeat exactly, their faults do", seed)
	s := newScene(t, seed)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the stacks said at last:\n%s", s.said(5000))
		}
	})
	s.truth = follow(t, s.brokers, filepath.Join(s.dir, "truth.jsonl"))

	var load sync.WaitGroup
	producing, stopLoad := context.WithCancel(t.Context())
	defer stopLoad()
	var plain, committed, aborted int
	var plainErr error
	load.Go(func() { plain, plainErr = producePlain(producing, s.brokers, seed) })
	load.Go(func() { committed, aborted = produceTransactions(producing, s.brokers, seed) })

	running := s.misfortunes(t, seed)
	s.outage(t, running)
	stopLoad()
	load.Wait()
	must(t, plainErr)
	s.truth.end(t, s.brokers)
	s.recover(t)
	s.judge(t)
	t.Logf("%d plain records, %d transactions committed, %d aborted, %d records seen; %d kills, %d broker restarts, %d lease erasures, "+
		"%d uploads that met another's object, S3 faults %v",
		plain, committed, aborted, s.truth.count, s.kills, s.restarts, s.erasures, s.s3.refusals(), s.s3.faults)
	if s.kills == 0 || s.truth.count == 0 || s.s3.refusals() == 0 || len(s.s3.faults) == 0 {
		t.Error("nothing was put to the test")
	}
}

// scene is everything that takes part.
type scene struct {
	dir     string
	broker  *localservices.KafkaBroker
	brokers string
	admin   *kadm.Client
	s3      *faultyS3
	store   *s3.Client
	db      *dynamodb.Client
	bucket  string
	tables  dynamoledger.Tables
	program string
	env     []string
	truth   *truth
	logs    bytes.Buffer
	logging sync.Mutex

	kills, restarts, erasures int
}

func newScene(t *testing.T, seed uint64) *scene {
	t.Helper()
	ctx := t.Context()
	broker, err := localservices.StartKafka(ctx, localservices.KafkaOptions{})
	must(t, err)
	t.Cleanup(func() { _ = broker.Remove() })
	admin, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()))
	must(t, err)
	t.Cleanup(admin.Close)
	backend := localservices.S3(t)
	database := localservices.DynamoDB(t)
	store := s3.NewFromConfig(backend.Config())
	name := newBucket(t, store)
	s := &scene{
		dir: t.TempDir(), broker: broker, brokers: broker.Addr(), admin: kadm.NewClient(admin),
		s3: startFaultyS3(t, backend.URL, seed), store: store, db: dynamodb.NewFromConfig(database.Config()),
		bucket: name, tables: dynamoledger.Tables{Progress: name + "-progress", Objects: name + "-objects"},
	}
	must(t, dynamoledger.CreateTables(ctx, database.Config(), s.tables))
	for _, topic := range []string{plainTopic, txnTopic} {
		_, err = localservices.CreateTopic(ctx, admin, topic, partitions, 1, map[string]*string{"retention.ms": kadm.StringPtr("-1")})
		must(t, err)
	}
	s.env = append(append(os.Environ(), backend.Env()...),
		"AWS_ENDPOINT_URL_S3="+s.s3.url, "AWS_ENDPOINT_URL_DYNAMODB="+database.URL,
		"BIFROST_BROKERS="+s.brokers, "BIFROST_GROUP=kill", "BIFROST_BUCKET="+name,
		"BIFROST_PROGRESS_TABLE="+s.tables.Progress, "BIFROST_OBJECTS_TABLE="+s.tables.Objects,
		"BIFROST_INCLUDE_TOPICS="+plainTopic+","+txnTopic, "BIFROST_MAX_AGE_SECONDS=1", "BIFROST_QUIET_MAX_AGE_SECONDS=0", "BIFROST_ARCHIVE_TIMEOUT_SECONDS=20",
		"BIFROST_FENCE_PAUSE_SECONDS=15", "BIFROST_MAX_IN_FLIGHT=24", "BIFROST_TARGET_BYTES=1048576", "BIFROST_LOG_LEVEL=error")
	s.program = filepath.Join(s.dir, "bifrost")
	build := exec.CommandContext(ctx, "go", "build", "-o", s.program, "../../cmd/bifrost")
	output, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("build bifrost: %v\n%s", err, output)
	}
	return s
}

// start runs one stack: discover and its workers in one process of their own.
func (s *scene) start(t *testing.T) *exec.Cmd {
	t.Helper()
	command := exec.Command(s.program, "run", "--every", "500ms")
	command.Env, command.Stdout, command.Stderr = s.env, s, s
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return command
}

// kill ends a stack with SIGKILL, which must be the first end that it meets.
func (s *scene) kill(t *testing.T, command *exec.Cmd) {
	t.Helper()
	must(t, command.Process.Signal(syscall.SIGKILL))
	_ = command.Wait() // killed, as asked
	if status, ok := command.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("a stack ended by itself: %v", command.ProcessState)
	}
	s.kills++
}

// Write keeps what the processes say, for when the test fails.
func (s *scene) Write(p []byte) (int, error) {
	s.logging.Lock()
	defer s.logging.Unlock()
	return s.logs.Write(p)
}

// said is the end of what the stacks have said.
func (s *scene) said(bytes int) []byte {
	s.logging.Lock()
	defer s.logging.Unlock()
	all := s.logs.Bytes()
	return slices.Clone(all[max(0, len(all)-bytes):])
}

// deck is what goes wrong, each as often as it is in it, in an order of chance.
var deck = []func(s *scene, t *testing.T, random *mathrand.Rand, running []*exec.Cmd){
	(*scene).killOne, (*scene).killOne, (*scene).killOne, (*scene).killOne, (*scene).killOne, (*scene).killOne,
	(*scene).eraseAll, (*scene).eraseAll, (*scene).eraseAll, (*scene).eraseAll, (*scene).eraseAll, (*scene).eraseAll,
	(*scene).meet, (*scene).meet,
	(*scene).forgetOne, (*scene).forgetOne,
	(*scene).restartBroker,
}

func (s *scene) killOne(t *testing.T, random *mathrand.Rand, running []*exec.Cmd) {
	i := random.IntN(len(running))
	s.kill(t, running[i])
	running[i] = s.start(t)
}

func (s *scene) eraseAll(t *testing.T, _ *mathrand.Rand, _ []*exec.Cmd) { s.eraseLeases(t) }

// meet erases leases until two workers complete the same key at the same moment.
func (s *scene) meet(t *testing.T, _ *mathrand.Rand, _ []*exec.Cmd) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	go func() {
		defer cancel()
		s.s3.gather(ctx)
	}()
	for ctx.Err() == nil {
		s.eraseLeases(t)
		pause(ctx, 300*time.Millisecond)
	}
}

func (s *scene) forgetOne(t *testing.T, random *mathrand.Rand, _ []*exec.Cmd) {
	must(t, s.truth.forget(t.Context(), s.admin, int32(random.IntN(partitions))))
}

func (s *scene) restartBroker(t *testing.T, _ *mathrand.Rand, _ []*exec.Cmd) {
	must(t, s.broker.Kill())
	must(t, s.broker.Start(t.Context()))
	s.restarts++
}

// misfortunes is the time of faults.
func (s *scene) misfortunes(t *testing.T, seed uint64) []*exec.Cmd {
	t.Helper()
	random := mathrand.New(mathrand.NewPCG(seed, 1))
	seconds := defaultSeconds
	if text := os.Getenv(EnvSeconds); text != "" {
		parsed, err := strconv.Atoi(text)
		must(t, err)
		seconds = parsed
	}
	s.s3.faulty.Store(true)
	running := make([]*exec.Cmd, processes)
	for i := range running {
		running[i] = s.start(t)
	}
	// What retention takes from now on is lost: the judge wants no gap that says that
	// it was gone before the first sight.
	eventually(t, time.Minute, "the archive sees every partition", func(ctx context.Context) error {
		next, err := s.nextOffsets(ctx)
		if seen := len(next); err == nil && seen < 2*partitions {
			err = fmt.Errorf("%d of %d partitions", seen, 2*partitions)
		}
		return err
	})
	// On a busy machine workers are slow to meet at an object, and that they did is a part of the test.
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	for last := end.Add(5 * time.Minute); time.Now().Before(end) || s.s3.refusals() == 0 && time.Now().Before(last); {
		for _, i := range random.Perm(len(deck)) {
			pause(t.Context(), time.Duration(200+random.IntN(800))*time.Millisecond)
			deck[i](s, t, random, running)
		}
	}
	s.s3.faulty.Store(false)
	return running
}

// outage kills every stack and lets retention overtake the archive before they
// are back: there are gaps now.
func (s *scene) outage(t *testing.T, running []*exec.Cmd) {
	t.Helper()
	before := make([]int64, partitions)
	for i, command := range running {
		s.kill(t, command)
		before[i] = s.truth.seenBelow(plainTopic, int32(i))
	}
	eventually(t, time.Minute, "the log grows while nobody archives", func(context.Context) error {
		for i := range running {
			if seen := s.truth.seenBelow(plainTopic, int32(i)); seen < before[i]+500 {
				return fmt.Errorf("partition %d: %d records since the outage", i, seen-before[i])
			}
		}
		return nil
	})
	for p := range int32(len(running)) {
		must(t, s.truth.forget(t.Context(), s.admin, p))
	}
	for range running {
		s.start(t)
	}
}

// eraseLeases takes every range out of the hand of whoever works on it: that they
// are in somebody's saves work and must not be needed for anything else.
func (s *scene) eraseLeases(t *testing.T) {
	t.Helper()
	rows, err := s.db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &s.tables.Objects})
	must(t, err)
	for _, row := range rows.Items {
		if _, open := row["open_shard"]; !open {
			continue
		}
		_, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: &s.tables.Objects,
			Key:       map[string]types.AttributeValue{"partition_key": row["partition_key"], "start_offset": row["start_offset"]},
			// A row that is settled meanwhile stays as it is.
			ConditionExpression:       aws.String("attribute_exists(open_shard)"),
			UpdateExpression:          aws.String("SET lease_until = :none REMOVE invocation"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":none": &types.AttributeValueMemberN{Value: "0"}},
		})
		if _, settled := errors.AsType[*types.ConditionalCheckFailedException](err); err != nil && !settled {
			t.Fatal(err)
		}
	}
	s.erasures++
}

// recover lets the stacks bring the lag to zero. Leases of the killed are erased
// rather than waited for.
func (s *scene) recover(t *testing.T) {
	t.Helper()
	s.eraseLeases(t)
	eventually(t, 4*time.Minute, "lag comes to zero", func(ctx context.Context) error {
		ends, err := s.admin.ListCommittedOffsets(ctx, plainTopic, txnTopic)
		if err != nil {
			return err
		}
		next, err := s.nextOffsets(ctx)
		if err != nil {
			return err
		}
		var behind error
		ends.Each(func(o kadm.ListedOffset) {
			key := fmt.Sprintf("%s/%d", o.Topic, o.Partition)
			if next[key] != strconv.FormatInt(o.Offset, 10) {
				behind = errors.Join(behind, fmt.Errorf("%s: next_offset %q, last stable offset %d", key, next[key], o.Offset))
			}
		})
		return behind
	})
}

// nextOffsets is topic/partition → next_offset of what the archive has seen.
func (s *scene) nextOffsets(ctx context.Context) (map[string]string, error) {
	rows, err := s.db.Scan(ctx, &dynamodb.ScanInput{TableName: &s.tables.Progress, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	next := map[string]string{}
	for _, row := range rows.Items {
		next[scalar(row["topic"])+"/"+scalar(row["partition"])] = scalar(row["next_offset"])
	}
	return next, nil
}

func scalar(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	}
	return ""
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually asks again until the condition holds.
func eventually(t *testing.T, limit time.Duration, what string, condition func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		err := condition(ctx)
		if err == nil {
			return
		}
		pause(ctx, 300*time.Millisecond)
		if ctx.Err() != nil {
			t.Fatalf("%s: not within %v: %v", what, limit, err)
		}
	}
}
