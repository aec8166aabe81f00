package bifrost

import (
	"fmt"
	"regexp"
	"strings"
)

// jobs is the element of a key below which the files of jobs lie. No topic has such a
// name: Kafka takes letters, digits, '.', '_' and '-'.
const jobs = "~jobs"

// JobsPrefix is what the keys of the files of all jobs of a group start with.
func JobsPrefix(group string) string { return group + "/" + jobs + "/" }

// JobPrefix is what the keys of the files of one job start with.
func JobPrefix(group, id string) string { return JobsPrefix(group) + id + "/" }

// jobID has room for the time that the command puts behind it in the name of an
// execution, which has at most 80 characters (AWS Step Functions API reference,
// "StartExecution").
var jobID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$`)

// CheckJobID says why a text cannot be the ID of a job.
func CheckJobID(id string) error {
	if !jobID.MatchString(id) {
		return fmt.Errorf("job ID %q: want a letter or digit, then up to 47 letters, digits, '_' and '-'", id)
	}
	return nil
}

// isJobFile reports whether a job may have put a file at the key.
func isJobFile(group, key string) bool { return strings.HasPrefix(key, JobsPrefix(group)) }
