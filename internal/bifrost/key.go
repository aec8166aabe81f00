// Where objects are in the bucket.

package bifrost

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ObjectSuffix ends the key of every object that holds a range or a gap.
const ObjectSuffix = ".baldr.gz"

const markerName = "_bifrost.json"

// MarkerKey is where the topic's write-once marker lives. It says which
// incarnation owns the plain path <group>/<topic>/.
func MarkerKey(group, topic string) string { return group + "/" + topic + "/" + markerName }

// BirthKey is where the partition's write-once birth object lives. Whoever makes
// it is the first who has to do with the partition. It is named like the marker of
// a topic, so that the role that may write one may write the other.
func BirthKey(group string, p Partition) string { return PartitionPrefix(group, p) + markerName }

// PartitionPrefix is what the keys of all objects of a partition start with. It
// ends in a slash, so that partition=1 does not take in partition=10.
func PartitionPrefix(group string, p Partition) string {
	return fmt.Sprintf("%s/%s/partition=%d/", group, p.Name, p.Number)
}

// ObjectKey is where the object that starts at the offset lives. The key holds
// the start only, so that all attempts at a start meet at one key. Twenty digits
// hold every offset and sort as text. Alternative 0 is the key itself; 1 is the
// one next to it, for when something that is not ours occupies the first.
func ObjectKey(group string, p Partition, start int64, alternative int) string {
	mark := ""
	if alternative > 0 {
		mark = "~" + strconv.Itoa(alternative)
	}
	return fmt.Sprintf("%s%020d%s%s", PartitionPrefix(group, p), start, mark, ObjectSuffix)
}

// ParsedKey is what an object's key says.
type ParsedKey struct {
	Group       string
	Partition   Partition
	Start       int64
	Alternative int // 0, or the number after '~'
}

var errNotObjectKey = errors.New("not <group>/<topic>/partition=<n>/<first offset>" + ObjectSuffix)

// ParseKey reads an object's key. Offsets of any width are accepted: Bifrost of
// 2013 wrote 7 and 10 digits.
func ParseKey(key string) (ParsedKey, error) {
	parsed, err := parseKey(key)
	if err != nil {
		return ParsedKey{}, fmt.Errorf("key %q: %w", key, err)
	}
	return parsed, nil
}

func parseKey(key string) (ParsedKey, error) {
	parts := strings.Split(key, "/")
	if len(parts) < 4 {
		return ParsedKey{}, errNotObjectKey
	}
	n := len(parts)
	number, isPartition := strings.CutPrefix(parts[n-2], "partition=")
	file, isObject := strings.CutSuffix(parts[n-1], ObjectSuffix)
	if !isPartition || !isObject {
		return ParsedKey{}, errNotObjectKey
	}
	partition, err := strconv.ParseInt(number, 10, 32)
	if err != nil || partition < 0 {
		return ParsedKey{}, errNotObjectKey
	}
	first, mark, hasMark := strings.Cut(file, "~")
	start, err := strconv.ParseInt(first, 10, 64)
	if err != nil || start < 0 || strings.HasPrefix(first, "+") {
		return ParsedKey{}, errNotObjectKey
	}
	alternative := 0
	if hasMark {
		if alternative, err = strconv.Atoi(mark); err != nil || alternative < 1 {
			return ParsedKey{}, errNotObjectKey
		}
	}
	return ParsedKey{
		Group:       strings.Join(parts[:n-3], "/"),
		Partition:   Partition{Name: parts[n-3], Number: int32(partition)},
		Start:       start,
		Alternative: alternative,
	}, nil
}

// ClustersName is the element of a key below which captures of clusters lie. No topic
// has such a name: Kafka takes letters, digits, '.', '_' and '-'.
const ClustersName = "~clusters"

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

// verifications is the element of a key below which the records of verifications lie. No
// topic has such a name.
const verifications = "~verify"

// VerificationsPrefix is what the keys of the records of all verifications of a group start
// with.
func VerificationsPrefix(group string) string { return group + "/" + verifications + "/" }
