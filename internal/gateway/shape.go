// Whether a request counts no more than it has bytes for.

package gateway

import (
	"errors"
	"strconv"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errShape says that a request counts more than it has bytes for.
var errShape = errors.New("it counts more elements or tags than it has bytes")

// shapeOf is what the flexible versions of a request consist of (KIP-482), as Kafka's
// message definitions have it. A digit is a field of so many bytes (and u one of 16), s
// a string or bytes with their length before them, <x> an array of such fields, [x] an
// array of structures, and ?x a last structure that may be absent.
//
// kmsg counts to whatever number of tags it is told, which is up to four billion: a
// request is walked through before kmsg reads it.
func shapeOf(key, version int16) string {
	since := func(first int16, fields string) string {
		if version < first {
			return ""
		}
		return fields
	}
	before := func(end int16, fields string) string {
		if version >= end {
			return ""
		}
		return fields
	}
	switch kmsg.Key(key) {
	case kmsg.Produce:
		return "s24[s[4s]]"
	case kmsg.Fetch:
		topic := before(13, "s") + since(13, "u")
		return before(15, "4") + "444144[" + topic + "[448484]][" + topic + "<4>]s"
	case kmsg.ListOffsets:
		return "41[s[448]]"
	case kmsg.Metadata:
		return "[" + since(10, "u") + "s]1" + before(11, "1") + "1"
	case kmsg.OffsetCommit:
		return "s4ss[s[484s]]"
	case kmsg.OffsetFetch:
		return before(8, "s[s<4>]") + since(8, "[s"+since(9, "s4")+"[s<4>]]") + since(7, "1")
	case kmsg.FindCoordinator:
		return before(4, "s") + "1" + since(4, "<s>")
	case kmsg.JoinGroup:
		return "s44sss[ss]" + since(8, "s")
	case kmsg.Heartbeat:
		return "s4ss"
	case kmsg.LeaveGroup:
		return "s[ss" + since(5, "s") + "]"
	case kmsg.SyncGroup:
		return "s4ss" + since(5, "ss") + "[ss]"
	case kmsg.DescribeGroups:
		return "<s>1"
	case kmsg.ListGroups:
		return since(4, "<s>")
	case kmsg.InitProducerID:
		return "s4" + since(3, "82")
	case kmsg.OffsetForLeaderEpoch:
		return "4[s[444]]"
	case kmsg.DescribeConfigs:
		return "[1s<s>]11"
	case kmsg.DescribeCluster:
		return "1" + since(1, "1") + since(2, "1")
	case kmsg.DescribeTopicPartitions:
		return "[s]4?s4"
	}
	return "" // SaslAuthenticate and the like are offered without tags
}

// checkShape walks through the fields of a flexible request, its header left out.
func checkShape(key, version int16, body []byte) error {
	w := walker{Reader: kbin.Reader{Src: body}}
	if w.fields(shapeOf(key, version)); w.Ok() && !w.refused {
		w.tags(key == int16(kmsg.Fetch))
	}
	if !w.Ok() || w.refused {
		return errShape
	}
	return nil
}

type walker struct {
	kbin.Reader
	refused bool
}

// fields passes over fields of a shape.
func (w *walker) fields(shape string) {
	for at := 0; at < len(shape) && w.Ok() && !w.refused; at++ {
		switch c := shape[at]; c {
		case 's':
			if n := w.Uvarint(); n > 1 {
				w.Span(int(n - 1))
			}
		case 'u':
			w.Span(16)
		case '[', '<':
			end := closing(shape, at)
			for left := w.length(); left > 0 && w.Ok() && !w.refused; left-- {
				w.fields(shape[at+1 : end])
				if c == '[' {
					w.tags(false)
				}
			}
			at = end
		case '?':
			if w.Int8() >= 0 {
				w.fields(shape[at+1:])
				w.tags(false)
			}
			return
		default:
			n, _ := strconv.Atoi(string(c))
			w.Span(n)
		}
	}
}

// closing finds the bracket that belongs to the one at a place.
func closing(shape string, at int) int {
	for open := 0; ; at++ {
		switch shape[at] {
		case '[', '<':
			open++
		case ']', '>':
			if open--; open == 0 {
				return at
			}
		}
	}
}

// length is how many elements follow: each has a byte at least.
func (w *walker) length() int {
	n := int(w.Uvarint()) - 1 // 0 is null
	w.refused = w.refused || n > len(w.Src)
	return n
}

// tags passes over tags, each of which has two bytes at least. The state of a replica
// has tags of its own: consumers send none.
func (w *walker) tags(ofFetch bool) {
	n := int(w.Uvarint())
	w.refused = w.refused || n > len(w.Src)/2
	for ; n > 0 && w.Ok() && !w.refused; n-- {
		w.refused = w.Uvarint() == 1 && ofFetch
		w.Span(int(w.Uvarint()))
	}
}
