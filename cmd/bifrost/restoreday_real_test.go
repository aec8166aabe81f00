//go:build real && soak

package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// Only a copy of the bucket is left, in another account and region of the local AWS,
// without tables and without a stack. Whoever follows the page "The day the region is gone" word for
// word has the cluster back.
func TestTheDayTheRegionIsGone(t *testing.T) {
	t.Parallel()
	source, s := clusterOfItsOwn(t)
	c := &populated{sandbox: s, random: rand.New(rand.NewPCG(7, 17))}
	c.topics(t)
	c.groups(t)
	s.bifrost(t, "flush")
	before := picture(t, s.brokers)
	s.bifrost(t, "capture")
	must(t, source.Kill())

	target, _ := clusterOfItsOwn(t)
	day, dir := dayInAnotherAccount(t, s, target.Addr()), t.TempDir()
	day.must(t, dir, 0) // exports
	day.must(t, dir, 0, "Made the table bifrost-objects", "holds something")
	day.tablesAreNowhereElse(t)
	day.must(t, dir, 0, "The archive is what the tables say")
	day.must(t, dir, 0, "transactional")
	day.must(t, dir, 3, "nothing was written", "group ahead")
	day.must(t, dir, 3)
	sameButForWhatIsListed(t, before, target.Addr(), readReport(t, filepath.Join(dir, "restored.json")))
	day.must(t, dir, 3, "Settings are put back", "Topic short: once its settings are put back, about 50 records are older")
	finished := s.report(t, 3, "restore", "--at", "latest", "--to-brokers", target.Addr(), "--finish", "--json", "--yes")
	compareUnlessListed(t, only(before, "settings "), only(picture(t, target.Addr()), "settings "), listedDifferences(finished))
}

// A day is the page "The day the region is gone", step by step.
type day struct {
	*sandbox
	aws    localservices.Endpoint
	blocks []string // of shell, in order
	env    []string
}

// The account and the region that are left. The page names the region.
const (
	otherAccount = "111122223333" // the local AWS takes it as an access key of that account
	otherRegion  = "eu-central-1"
)

// dayInAnotherAccount copies the bucket into another account and region of the local AWS,
// which have no tables and no stack, and reads the page.
func dayInAnotherAccount(t *testing.T, s *sandbox, target string) *day {
	t.Helper()
	server, err := localservices.StartAWS(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, server.Remove()) })
	if otherRegion == localservices.Region {
		t.Fatal("the region is not another one")
	}
	aws := server.Endpoint
	aws.Region, aws.AccessKeyID = otherRegion, otherAccount
	copied := &sandbox{brokers: target, bucket: "the-copy", db: aws.Config()}
	copied.store = s3.NewFromConfig(aws.Config(), func(o *s3.Options) { o.UsePathStyle = true })
	copied.copyBucket(t, s)
	text, err := os.ReadFile("../../docs/restore.md")
	must(t, err)
	_, page, found := strings.Cut(string(text), "## The day the region is gone")
	page, _, ended := strings.Cut(page, "\n## ")
	if !found || !ended {
		t.Fatal("docs/restore.md has no page for the day the region is gone")
	}
	d := &day{sandbox: copied, aws: aws, env: append(aws.Env(), "NEW_BROKERS="+target, "GORACE=atexit_sleep_ms=0")}
	for i, part := range strings.Split(page, "```") {
		if code, ok := strings.CutPrefix(part, "sh\n"); ok && i%2 == 1 {
			d.blocks = append(d.blocks, code)
		}
	}
	return d
}

// tablesAreNowhereElse makes sure that the account and the region are others.
func (d *day) tablesAreNowhereElse(t *testing.T) {
	t.Helper()
	home := d.aws
	home.Region, home.AccessKeyID = localservices.Region, localservices.AccessKeyID
	otherRegionOnly, otherAccountOnly := home, home
	otherRegionOnly.Region, otherAccountOnly.AccessKeyID = otherRegion, otherAccount
	for _, elsewhere := range []localservices.Endpoint{home, otherRegionOnly, otherAccountOnly} {
		tables, err := dynamodb.NewFromConfig(elsewhere.Config()).ListTables(t.Context(), &dynamodb.ListTablesInput{})
		must(t, err)
		if len(tables.TableNames) > 0 {
			t.Errorf("account of %s in %s has the tables %v", elsewhere.AccessKeyID, elsewhere.Region, tables.TableNames)
		}
	}
	tables, err := dynamodb.NewFromConfig(d.aws.Config()).ListTables(t.Context(), &dynamodb.ListTablesInput{})
	must(t, err)
	if len(tables.TableNames) != 2 {
		t.Errorf("the other account has the tables %v in the other region", tables.TableNames)
	}
}

// copyBucket makes a bucket that has the objects of another one.
func (s *sandbox) copyBucket(t *testing.T, from *sandbox) {
	t.Helper()
	_, err := s.store.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: &s.bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: otherRegion},
	})
	must(t, err)
	objects := s3.NewListObjectsV2Paginator(from.store, &s3.ListObjectsV2Input{Bucket: &from.bucket})
	copied := 0
	for objects.HasMorePages() {
		page, err := objects.NextPage(t.Context())
		must(t, err)
		for _, object := range page.Contents {
			got, err := from.store.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &from.bucket, Key: object.Key})
			must(t, err)
			var body bytes.Buffer
			_, err = body.ReadFrom(got.Body)
			must(t, err)
			_, err = s.store.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.bucket, Key: object.Key, Body: bytes.NewReader(body.Bytes())})
			must(t, err)
			copied++
		}
	}
	t.Logf("%d objects copied", copied)
}

// step runs the next block of the page, word for word, in a shell that has the exports
// of the blocks before, and answers the exit code of its last command.
func (d *day) step(t *testing.T, in string) (code int, out string) {
	t.Helper()
	if len(d.blocks) == 0 {
		t.Fatal("the page has no further step")
	}
	block := d.blocks[0]
	d.blocks = d.blocks[1:]
	began := time.Now()
	command := exec.CommandContext(t.Context(), "bash", "-c", block)
	command.Dir, command.Env = in, append(os.Environ(), d.env...)
	var words bytes.Buffer
	command.Stdout, command.Stderr = &words, &words
	_ = command.Run()
	for line := range strings.Lines(block) {
		if variables, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			variables, _, _ = strings.Cut(variables, "#")
			d.env = append(d.env, strings.Fields(variables)...)
		}
	}
	t.Logf("%s\n%s: %d\n%s", time.Since(began).Round(100*time.Millisecond), strings.TrimSpace(block), command.ProcessState.ExitCode(), words.String())
	return command.ProcessState.ExitCode(), words.String()
}

// must runs the next step, which ends with that exit code and says these words. The page
// says to run what failed again; the local AWS closes connections under load.
func (d *day) must(t *testing.T, in string, code int, words ...string) {
	t.Helper()
	step := d.blocks
	got, out := d.step(t, in)
	for tries := 0; got != code && tries < 5; tries++ {
		d.blocks = step
		got, out = d.step(t, in)
	}
	if got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("it does not say %q", w)
		}
	}
}
