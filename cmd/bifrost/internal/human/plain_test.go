package human

import "testing"

func TestPlainError(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"open x: operation error S3: GetObject, https response error StatusCode: 404, RequestID: MGB3, HostID: 0JCs+CF=, " +
			"api error NoSuchBucket: The specified bucket does not exist": "open x: S3 GetObject: NoSuchBucket: The " +
			"specified bucket does not exist",
		"operation error DynamoDB: Scan, https response error StatusCode: 400, RequestID: f84e-98, " +
			"ResourceNotFoundException: Requested resource not found": "DynamoDB Scan: ResourceNotFoundException: " +
			"Requested resource not found",
		"operation error S3: ListObjectsV2, exceeded maximum number of attempts, 3, https response error StatusCode: 0, " +
			"RequestID: , HostID: , request send failed, Get \"http://127.0.0.1:1/b\": connection refused": "S3 " +
			"ListObjectsV2, tried 3 times: Get \"http://127.0.0.1:1/b\": connection refused",
		"operation error SFN: StartExecution, get identity: no credentials": "SFN StartExecution: get identity: no credentials",
		"list topics: context deadline exceeded":                            "list topics: no answer in time",
		"open /no/where/x-1.json: no such file or directory":                "/no/where/x-1.json: no such file or directory",
		"write a.html: open a.html.unfinished: permission denied; sorry":    "write a.html: a.html.unfinished: permission denied; sorry",
		"no capture was made before 2020-01-01T00:00:00Z: not found; later": "no capture was made before 2020-01-01T00:00:00Z; later",
		"offset 9 is not archived: not found":                               "offset 9 is not archived",
		"read the progress of a/0: not found":                               "read the progress of a/0: not found",
		"open the object: not found: S3 GetObject":                          "open the object: not found: S3 GetObject",
		"an operation error of somebody's":                                  "an operation error of somebody's",
	} {
		if got := PlainError(text); got != want {
			t.Errorf("%q\nis  %q\nnot %q", text, got, want)
		}
	}
}
