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

// pathError is how Go says what a file refused: the call, the path, the system's word.
var pathError = regexp.MustCompile(`\b(?:open|stat|lstat|mkdir|remove|unlinkat) (/?[^\s:]+): ` +
	`(no such file or directory|permission denied|is a directory|not a directory|file exists|read-only file system|` +
	`no space left on device)\b`)

// foundNothing is an error that says once more in Go's way what stands before it.
var foundNothing = regexp.MustCompile(`(\b(?:no|not|none|nothing)\b[^;]*?): not found(;|,|$)`)

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
	text = pathError.ReplaceAllString(text, "$1: $2")
	return goWords.Replace(foundNothing.ReplaceAllString(text, "$1$2"))
}
