package doctor

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
)

// An account has one alarm and one topic.
type account struct {
	action string // of the alarm; "none" for no alarm, "denied" for no answer
	key    string // of the topic; "denied" for no answer
}

var errDenied = errors.New("AccessDenied")

func (a account) DescribeAlarms(_ context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	out := new(cloudwatch.DescribeAlarmsOutput)
	switch {
	case a.action == "denied":
		return nil, errDenied
	case a.action == "none" || aws.ToString(in.AlarmNamePrefix) != "bifrost-":
	case a.action == "":
		out.MetricAlarms = []cloudwatchtypes.MetricAlarm{{}}
	default:
		out.MetricAlarms = []cloudwatchtypes.MetricAlarm{{AlarmActions: []string{a.action}}, {InsufficientDataActions: []string{a.action}}}
	}
	return out, nil
}

func (a account) GetTopicAttributes(_ context.Context, in *sns.GetTopicAttributesInput, _ ...func(*sns.Options)) (*sns.GetTopicAttributesOutput, error) {
	if a.key == "denied" || aws.ToString(in.TopicArn) != a.action {
		return nil, errDenied
	}
	return &sns.GetTopicAttributesOutput{Attributes: map[string]string{"KmsMasterKeyId": a.key}}, nil
}

// Who is told, and whether they can be: a topic under the default key of SNS cannot.
// What is not answered is unknown, and no failure.
func TestDoctorLooksAtAlarmTopics(t *testing.T) {
	t.Parallel()
	const topic = "arn:aws:sns:eu-west-1:123456789012:on-call"
	for name, c := range map[string]struct {
		account
		want, result string
	}{
		"told":              {account{topic, ""}, topic + " told", ResultOK},
		"a key of your own": {account{topic, "arn:aws:kms:eu-west-1:123456789012:key/1"}, topic + " told", ResultOK},
		"default key":       {account{topic, "alias/aws/sns"}, "CloudWatch may not use", ResultFailed},
		"its ARN":           {account{topic, "arn:aws:kms:eu-west-1:123456789012:alias/aws/sns"}, "CloudWatch may not use", ResultFailed},
		"nobody":            {account{"", ""}, "tell nobody", ResultWarning},
		"something else":    {account{"arn:aws:automate:eu-west-1:ec2:stop", ""}, "tell nobody", ResultWarning},
		"no alarm":          {account{"none", ""}, "unknown", ResultWarning},
		"alarms denied":     {account{"denied", ""}, "unknown", ResultWarning},
		"topic denied":      {account{topic, "denied"}, "unknown", ResultWarning},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newCheckup(app.New(nil, io.Discard, io.Discard))
			d.runCheck(t.Context(), "alarms", alarmDoctor{c.account, c.account, "bifrost", false}.checkAlarms)
			if got := d.checks[0]; got.Result != c.result || !strings.Contains(got.Found, c.want) || got.Result != ResultOK && got.Next == "" {
				t.Errorf("got %+v, want %s, %q", got, c.result, c.want)
			}
		})
	}
}
