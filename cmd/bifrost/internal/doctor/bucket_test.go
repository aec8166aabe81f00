package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
)

// answering is AWS that answers every request with the same words.
func answering(t *testing.T, answer string) aws.Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
	t.Cleanup(server.Close)
	return aws.Config{BaseEndpoint: &server.URL, Region: "eu-west-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")}
}

// outcomeOf is what a finding is, in a word.
func outcomeOf(f finding) string {
	switch {
	case f.err != nil:
		return ResultFailed
	case f.warning:
		return ResultWarning
	}
	return ResultOK
}

// Of several rules each counts, the second as the first, and one that is turned off counts for
// nothing; each of the four settings that block public access has to be on.
func TestSettingsOfABucket(t *testing.T) {
	t.Parallel()
	type check = func(*bucketDoctor, context.Context) finding
	lifecycle, encryption, access, versions := (*bucketDoctor).checkLifecycle, (*bucketDoctor).checkEncryption,
		(*bucketDoctor).checkPublicAccess, (*bucketDoctor).checkVersions
	rule := func(status, days string) string {
		abort := ""
		if days != "" {
			abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>" + days +
				"</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
		}
		return "<Rule><Status>" + status + "</Status>" + abort + "</Rule>"
	}
	encrypted := func(by ...string) string {
		text := "<ServerSideEncryptionConfiguration>"
		for _, algorithm := range by {
			text += "<Rule>"
			if algorithm != "" {
				text += "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>" + algorithm +
					"</SSEAlgorithm></ApplyServerSideEncryptionByDefault>"
			}
			text += "</Rule>"
		}
		return text + "</ServerSideEncryptionConfiguration>"
	}
	blocked := func(off string) string {
		text := "<PublicAccessBlockConfiguration>"
		for _, name := range []string{"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"} {
			text += fmt.Sprintf("<%s>%v</%s>", name, name != off, name)
		}
		return text + "</PublicAccessBlockConfiguration>"
	}
	for _, c := range []struct {
		check  check
		answer string
		result string
		found  string
	}{
		{lifecycle, "<L>" + rule("Enabled", "7") + "</L>", ResultOK, "7 days"},
		{lifecycle, "<L>" + rule("Enabled", "") + rule("Enabled", "3") + "</L>", ResultOK, "3 days"},
		{lifecycle, "<L>" + rule("Disabled", "7") + rule("Enabled", "3") + "</L>", ResultOK, "3 days"},
		{lifecycle, "<L>" + rule("Disabled", "7") + rule("Enabled", "") + "</L>", ResultWarning, "no lifecycle rule"},
		{encryption, encrypted("aws:kms"), ResultOK, "aws:kms"},
		{encryption, encrypted("", "AES256"), ResultOK, "AES256"},
		{encryption, encrypted(""), ResultWarning, "no default"},
		{access, blocked(""), ResultOK, "blocked"},
		{access, blocked("BlockPublicAcls"), ResultWarning, "not wholly"},
		{access, blocked("IgnorePublicAcls"), ResultWarning, "not wholly"},
		{access, blocked("BlockPublicPolicy"), ResultWarning, "not wholly"},
		{access, blocked("RestrictPublicBuckets"), ResultWarning, "not wholly"},
		{versions, "<V><Status>Enabled</Status></V>", ResultOK, "kept"},
		{versions, "<V><Status>Suspended</Status></V>", ResultWarning, "off"},
		{versions, "<V></V>", ResultWarning, "off"},
	} {
		client := s3.NewFromConfig(answering(t, c.answer), func(o *s3.Options) { o.UsePathStyle = true })
		f := c.check(&bucketDoctor{client: client, name: "b", group: "g"}, t.Context())
		if outcomeOf(f) != c.result || !strings.Contains(f.found, c.found) {
			t.Errorf("%s: %+v, want %s, %q", c.answer, f, c.result, c.found)
		}
	}
}

// What S3 says of a bucket that cannot be listed decides what to do.
func TestWhatIsWrongWithABucket(t *testing.T) {
	t.Parallel()
	listed := func(contents string) string { return "<ListBucketResult>" + contents + "</ListBucketResult>" }
	refused := func(code string) string { return "<Error><Code>" + code + "</Code></Error>" }
	for _, c := range []struct {
		status       int
		answer       string
		result, says string
	}{
		{200, listed("<Contents><Key>g/x</Key></Contents>"), ResultOK, "b can be listed"},
		{200, listed(""), ResultWarning, "nothing is archived under g/ yet"},
		{404, refused("NoSuchBucket"), ResultFailed, "does not exist in this account and region"},
		{400, refused("InvalidBucketName"), ResultFailed, "is no name that a bucket can have"},
		{301, refused("PermanentRedirect"), ResultFailed, "is in another region"},
		{400, refused("AuthorizationHeaderMalformed"), ResultFailed, "is in another region"},
		{403, refused("AccessDenied"), ResultFailed, "allow s3:ListBucket"},
		{403, refused("ExpiredToken"), ResultFailed, "log in again"},
		{503, refused("SlowDown"), ResultFailed, "check the region"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.answer)
		}))
		t.Cleanup(server.Close)
		cfg := answering(t, "")
		cfg.BaseEndpoint = &server.URL
		client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		f := (&bucketDoctor{client: client, name: "b", group: "g", now: time.Now}).checkReach(t.Context())
		if outcomeOf(f) != c.result || !strings.Contains(f.found+f.next, c.says) {
			t.Errorf("%s: %+v, want %s, %q", c.answer, f, c.result, c.says)
		}
	}
}

// A table that is the one it is taken for can be used while it changes, and what it is decides, whatever
// its description says.
func TestTheTableItIsTakenFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status string
		check  error
		result string
		says   string
	}{
		{"ACTIVE", nil, ResultOK, "1,234 items"}, {"UPDATING", nil, ResultOK, "1,234 items"},
		{"CREATING", dynamoledger.ErrNoTable, ResultFailed, "is CREATING"}, {"DELETING", nil, ResultFailed, "is DELETING"},
		{"ACTIVE", dynamoledger.ErrOtherTable, ResultFailed, "from one stack"},
		{"ACTIVE", dynamoledger.ErrNoTable, ResultFailed, "bifrost init makes"},
		{"ACTIVE", &smithy.GenericAPIError{Code: "AccessDeniedException"}, ResultFailed, "allow dynamodb:GetItem"},
		{"ACTIVE", errors.New("no answer"), ResultFailed, "check the region"},
	} {
		cfg := answering(t, fmt.Sprintf(`{"Table": {"TableStatus": %q, "ItemCount": 1234}}`, c.status))
		tables := tableDoctor{client: dynamodb.NewFromConfig(cfg)}
		f := tables.checkTable(t.Context(), "p", func(context.Context) error { return c.check })
		if outcomeOf(f) != c.result || !strings.Contains(fmt.Sprint(f.found, f.err, f.next), c.says) {
			t.Errorf("%+v: %+v", c, f)
		}
	}
}

// told is an account whose alarms are on several pages and tell several topics.
type told struct {
	pages [][]cloudwatchtypes.MetricAlarm
	keys  map[string]string // of topics
}

func (a told) DescribeAlarms(
	_ context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.DescribeAlarmsOutput, error) {
	n := len(aws.ToString(in.NextToken))
	out := &cloudwatch.DescribeAlarmsOutput{MetricAlarms: a.pages[n]}
	if n+1 < len(a.pages) {
		out.NextToken = aws.String(strings.Repeat("x", n+1))
	}
	return out, nil
}

func (a told) GetTopicAttributes(
	_ context.Context, in *sns.GetTopicAttributesInput, _ ...func(*sns.Options),
) (*sns.GetTopicAttributesOutput, error) {
	return &sns.GetTopicAttributesOutput{Attributes: map[string]string{"KmsMasterKeyId": a.keys[*in.TopicArn]}}, nil
}

// Every topic that an alarm of any page tells is looked at, whatever the alarm tells it of.
func TestEveryTopicThatIsTold(t *testing.T) {
	t.Parallel()
	alarm := func(on, without string) cloudwatchtypes.MetricAlarm {
		var m cloudwatchtypes.MetricAlarm
		if on != "" {
			m.AlarmActions = []string{on}
		}
		if without != "" {
			m.InsufficientDataActions = []string{without}
		}
		return m
	}
	const one, two = "arn:aws:sns:r:1:a", "arn:aws:sns:r:1:b"
	for name, c := range map[string]struct {
		pages  [][]cloudwatchtypes.MetricAlarm
		result string
	}{
		"the second topic is mute": {[][]cloudwatchtypes.MetricAlarm{{alarm(one, ""), alarm(two, "")}}, ResultFailed},
		"of missing data alone":    {[][]cloudwatchtypes.MetricAlarm{{alarm(one, ""), alarm("", two)}}, ResultFailed},
		"on the second page":       {[][]cloudwatchtypes.MetricAlarm{{alarm(one, "")}, {alarm(two, "")}}, ResultFailed},
		"behind an empty page":     {[][]cloudwatchtypes.MetricAlarm{{alarm("", "")}, {}, {alarm(one, "")}}, ResultOK},
		"nobody is told":           {[][]cloudwatchtypes.MetricAlarm{{alarm("", "")}, {}}, ResultWarning},
	} {
		a := told{pages: c.pages, keys: map[string]string{two: "alias/aws/sns"}}
		for _, standIn := range []bool{false, true} {
			f := alarmDoctor{a, a, "bifrost", standIn}.checkAlarms(t.Context())
			want := c.result
			if standIn && want == ResultWarning {
				want = ResultOK
			}
			if outcomeOf(f) != want || c.result == ResultFailed && !strings.Contains(f.err.Error(), two) {
				t.Errorf("%s, a stand-in %v: %+v, want %s", name, standIn, f, want)
			}
		}
	}
}

// One topic without an ID is enough: clusters get them one by one as they are upgraded.
func TestTopicsWithoutAnID(t *testing.T) {
	t.Parallel()
	with, without := bifrost.Topic{Name: "a", ID: bifrost.TopicID{1}}, bifrost.Topic{Name: "b"}
	for _, c := range []struct {
		topics []bifrost.Topic
		result string
	}{
		{nil, ResultOK}, {[]bifrost.Topic{with, with}, ResultOK}, {[]bifrost.Topic{with, without}, ResultWarning},
		{[]bifrost.Topic{without, with, with}, ResultWarning},
	} {
		if got := outcomeOf(topicIDs(c.topics)); got != c.result {
			t.Errorf("%v: %s, want %s", c.topics, got, c.result)
		}
	}
}
