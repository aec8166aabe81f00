// What libraries say, in plain words.

package human

import (
	"regexp"
	"strings"
)

// sdkError is how the AWS SDK for Go begins an error: the call, how often it was tried, the
// status and IDs of the answer. What follows is the service's own word.
var sdkError = regexp.MustCompile(`operation error ([A-Za-z0-9 ]+): (\w+), ` +
	`(?:exceeded maximum number of attempts, (\d+), )?` +
	`(?:https response error StatusCode: \d+, RequestID: [^,]*, (?:HostID: [^,]*, )?)?` +
	`(?:request send failed, )?(?:api error )?`)

// goWords are what Go says of an end that somebody else decided.
var goWords = strings.NewReplacer(
	"context deadline exceeded (Client.Timeout exceeded while awaiting headers)", "no answer in time",
	"context deadline exceeded", "no answer in time",
	"context canceled", "interrupted",
)

// PlainError is what an error says, without what the SDK and Go add for programmers.
func PlainError(text string) string {
	if strings.Contains(text, "operation error ") {
		text = sdkError.ReplaceAllStringFunc(text, func(found string) string {
			parts := sdkError.FindStringSubmatch(found)
			if parts[3] != "" {
				return parts[1] + " " + parts[2] + ", tried " + parts[3] + " times: "
			}
			return parts[1] + " " + parts[2] + ": "
		})
	}
	return goWords.Replace(text)
}
