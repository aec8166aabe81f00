// How requests to S3 or DynamoDB are counted as AWS bills them.

package main

import "github.com/bifrost-archive/bifrost/internal/awsmeter"

// What AWS bills is counted as it is for the reports of jobs.
type (
	usage = awsmeter.Usage
	meter = awsmeter.Meter
)
