// Who is told when an alarm of the stack rings.

package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// An alarmDoctor looks at who is told when an alarm of the stack rings. What it may
// not see, or cannot reach, it calls unknown: the alarms are none of the archive's needs.
type alarmDoctor struct {
	alarms cloudwatch.DescribeAlarmsAPIClient
	topics topicReader
	stack  string // the alarms' names begin with it
	// It is a stand-in for AWS that is asked: there is nobody to tell.
	standIn bool
}

// A topicReader is what is asked of Amazon SNS.
type topicReader interface {
	GetTopicAttributes(
		context.Context, *sns.GetTopicAttributesInput, ...func(*sns.Options),
	) (*sns.GetTopicAttributesOutput, error)
}

// newAlarmDoctor asks once: where nobody answers, such as behind an endpoint for S3
// alone, nobody will.
func newAlarmDoctor(cfg aws.Config, stack string) alarmDoctor {
	cfg = cfg.Copy()
	cfg.RetryMaxAttempts = 1
	return alarmDoctor{alarms: cloudwatch.NewFromConfig(cfg), topics: sns.NewFromConfig(cfg), stack: stack,
		standIn: cfg.BaseEndpoint != nil}
}

// trial is the only proof.
const trial = "aws cloudwatch set-alarm-state --alarm-name %s-runs-fail --state-value ALARM --state-reason trial"

func (a alarmDoctor) checkAlarms(ctx context.Context) finding {
	told, err := a.findWhoIsTold(ctx)
	switch {
	case a.standIn && err != nil:
		return fine("unknown, and this is not Amazon's AWS: alarms are for a deployed stack")
	case a.standIn && len(told) == 0:
		return fine("the alarms of %s tell nobody, and this is not Amazon's AWS", a.stack)
	case err != nil:
		return advice(fmt.Sprintf("unknown: %v", err),
			"allow cloudwatch:DescribeAlarms and sns:GetTopicAttributes, or try it: "+fmt.Sprintf(trial, a.stack))
	case len(told) == 0:
		return advice("the alarms of "+a.stack+" tell nobody", "deploy with AlarmTopic")
	}
	for _, topic := range told {
		out, err := a.topics.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &topic})
		if err != nil {
			return advice(fmt.Sprintf("%s is told; whether it can be is unknown: %v", topic, err),
				"try it: "+fmt.Sprintf(trial, a.stack))
		}
		if key := out.Attributes["KmsMasterKeyId"]; strings.HasSuffix(key, "alias/aws/sns") {
			return broken(fmt.Errorf("%s is encrypted with %s, which CloudWatch may not use: "+
				"nobody is told of any alarm", topic, key),
				"give it a key of your own whose policy names cloudwatch.amazonaws.com, "+
					"or none (docs/operations.md, An alarm topic that can be told)")
		}
	}
	return fine("%s told; that it arrives only a trial shows: %s",
		strings.Join(told, ", "), fmt.Sprintf(trial, a.stack))
}

// errNoAlarms says that the stack has none, or another name.
var errNoAlarms = errors.New("no alarm has such a name; BIFROST_STACK is the name of the stack")

// findWhoIsTold are the topics that the alarms of the stack tell, each once.
func (a alarmDoctor) findWhoIsTold(ctx context.Context) (topics []string, err error) {
	pages := cloudwatch.NewDescribeAlarmsPaginator(a.alarms,
		&cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: aws.String(a.stack + "-")})
	found := false
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, alarm := range page.MetricAlarms {
			found = true
			for _, action := range slices.Concat(alarm.AlarmActions, alarm.InsufficientDataActions) {
				if strings.Contains(action, ":sns:") {
					topics = append(topics, action)
				}
			}
		}
	}
	if !found {
		return nil, fmt.Errorf("%s-*: %w", a.stack, errNoAlarms)
	}
	slices.Sort(topics)
	return slices.Compact(topics), nil
}
