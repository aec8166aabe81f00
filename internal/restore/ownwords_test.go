package restore

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker may add to the code of an error which rule it has: whoever restores is told
// that too, since no code says what to change.
func TestWhatABrokerAddsToAnErrorIsTold(t *testing.T) {
	t.Parallel()
	const added = "the policy of this cluster wants an owner"
	for name, c := range map[string]struct {
		first  func(*whole) // unhindered
		key    kmsg.Key
		refuse func(kmsg.Request) kmsg.Response
		do     func(*whole) string
		says   string // before the reason
	}{
		"of an ACL": {nil, kmsg.CreateACLs, func(asked kmsg.Request) kmsg.Response {
			request := asked.(*kmsg.CreateACLsRequest)
			answer := request.ResponseKind().(*kmsg.CreateACLsResponse)
			for range request.Creations {
				result := kmsg.NewCreateACLsResponseResult()
				result.ErrorCode, result.ErrorMessage = kerr.PolicyViolation.Code, kmsg.StringPtr(added)
				answer.Results = append(answer.Results, result)
			}
			return answer
		}, doRun, "acl ALLOW User:a READ from * on TOPIC orders (LITERAL): "},
		"of settings": {func(w *whole) { w.run() }, kmsg.IncrementalAlterConfigs, func(asked kmsg.Request) kmsg.Response {
			request := asked.(*kmsg.IncrementalAlterConfigsRequest)
			answer := request.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
			for _, r := range request.Resources {
				resource := kmsg.NewIncrementalAlterConfigsResponseResource()
				resource.ResourceType, resource.ResourceName = r.ResourceType, r.ResourceName
				resource.ErrorCode, resource.ErrorMessage = kerr.PolicyViolation.Code, kmsg.StringPtr(added)
				answer.Resources = append(answer.Resources, resource)
			}
			return answer
		}, doFinish, "topic orders: put its settings back: "},
		"of topics": {nil, kmsg.CreateTopics, func(asked kmsg.Request) kmsg.Response {
			request := asked.(*kmsg.CreateTopicsRequest)
			answer := request.ResponseKind().(*kmsg.CreateTopicsResponse)
			for _, t := range request.Topics {
				topic := kmsg.NewCreateTopicsResponseTopic()
				topic.Topic, topic.ErrorCode, topic.ErrorMessage = t.Topic, kerr.PolicyViolation.Code, kmsg.StringPtr(added)
				answer.Topics = append(answer.Topics, topic)
			}
			return answer
		}, doLook, "it cannot be made: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWhole(t)
			if c.first != nil {
				c.first(w)
			}
			w.target.ControlKey(int16(c.key), func(asked kmsg.Request) (kmsg.Response, error, bool) {
				w.target.KeepControl()
				answer := c.refuse(asked)
				answer.SetVersion(asked.GetVersion())
				return answer, nil, true
			})
			if got := c.do(w); !strings.Contains(got, c.says+kerr.PolicyViolation.Error()+" ("+added+")") {
				t.Errorf("told was\n%s\nwant what follows %q to have %q", got, c.says, added)
			}
		})
	}
}
