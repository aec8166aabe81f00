package bifrost

import (
	"errors"
	"fmt"
)

// ErrExists says that the store refused to overwrite an object.
var ErrExists = errors.New("an object is there already")

// ErrUploadGone says that a multipart upload was aborted or is already complete.
var ErrUploadGone = errors.New("the multipart upload is gone")

// ErrWrongTopicID says that the cluster does not know the topic ID: the topic
// was deleted, perhaps made again, or the brokers' metadata are behind.
var ErrWrongTopicID = errors.New("the cluster does not know this topic ID")

// OutOfRangeError says that the log does not hold a position.
type OutOfRangeError struct {
	Position int64 // what was asked for
	LogStart int64 // first offset that the leader has, -1 unknown
	LogEnd   int64 // last stable offset or high watermark, -1 unknown
}

// Error implements error.
func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("offset %d is not in the log [%d, %d)", e.Position, e.LogStart, e.LogEnd)
}

// RangeError says which range failed.
type RangeError struct {
	Task Task
	Err  error // names the range itself
}

// Error implements error.
func (e *RangeError) Error() string { return e.Err.Error() }

// Unwrap is the cause.
func (e *RangeError) Unwrap() error { return e.Err }
