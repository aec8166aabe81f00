// What a job is asked to do.

package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/export"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// Kind is what a job does.
type Kind string

// The kinds of jobs.
const (
	KindReplay  Kind = "replay"
	KindRestore Kind = "restore"
	KindVerify  Kind = "verify" // --deep
	KindExport  Kind = "export"
)

// Spec is what a job is asked to do: the input of its execution. Bounds that move, such
// as "an hour ago", are fixed by whoever writes it.
type Spec struct {
	ID   string `json:"id"`
	Kind Kind   `json:"kind,omitempty"`
	// Topics are, of a replay, TOPIC or TOPIC:TARGET; of the others globs, none for all.
	Topics []string `json:"topics,omitempty"`
	// Exclude are globs of topics that are left out all the same; not of a replay.
	Exclude []string `json:"exclude,omitempty"`
	// BytesPerSecond is the most that all workers write together; 0 for no limit.
	BytesPerSecond int64    `json:"bytes_per_second,omitempty"`
	To             *Target  `json:"to,omitempty"` // the cluster that is written into; nil for the archived one
	Replay         *Replay  `json:"replay,omitempty"`
	Restore        *Restore `json:"restore,omitempty"`
	Export         *Export  `json:"export,omitempty"`
}

// Target is a cluster that is written into, and how to get in there.
type Target struct {
	Brokers          string `json:"brokers"` // host:port, several with commas between them
	SecurityProtocol string `json:"security_protocol,omitempty"`
	SaslMechanism    string `json:"sasl_mechanism,omitempty"`
	Secret           string `json:"secret,omitempty"` // the ARN of a secret; never the secret
	// SameSecurity gets in with the credentials of the archived cluster.
	SameSecurity bool `json:"same_security,omitempty"`
}

// Replay says which records a replay writes, and how.
type Replay struct {
	Partitions  []int32 `json:"partitions,omitempty"` // of the sources; none for all
	From        int64   `json:"from,omitempty"`       // first offset
	To          int64   `json:"to,omitempty"`         // first offset that is too many; 0 for no end
	Since       int64   `json:"since,omitempty"`      // milliseconds since 1970
	Until       int64   `json:"until,omitempty"`      // likewise; 0 for no end
	Rekey       bool    `json:"rekey,omitempty"`
	Create      bool    `json:"create,omitempty"`
	Force       bool    `json:"force,omitempty"`
	Compression string  `json:"compression,omitempty"` // as the target topic keeps it, if empty
}

// Restore says which capture a restore brings back.
type Restore struct {
	Capture     string `json:"capture"` // key of its positions in the bucket
	Groups      bool   `json:"groups,omitempty"`
	ACLs        bool   `json:"acls,omitempty"`
	Compression string `json:"compression,omitempty"` // as each topic keeps it, if empty
}

// Export says where an export writes to, and what beside the bytes of records.
type Export struct {
	To        string `json:"to"` // s3://bucket/prefix
	Decode    bool   `json:"decode,omitempty"`
	DecodeKey bool   `json:"decode_key,omitempty"`
	// Typed and TypedKey are schemas as export.Options has them.
	Typed    string `json:"typed,omitempty"`
	TypedKey string `json:"typed_key,omitempty"`
	// Schemas is the archived topic of a registry, by the name that the archive has for it.
	Schemas string `json:"schemas,omitempty"`
}

// ParseSpec reads the input of an execution and checks it. An ID alone is what
// continues a job that exists.
func ParseSpec(input []byte) (Spec, error) {
	var spec Spec
	decoder := json.NewDecoder(bytes.NewReader(input))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&spec); err != nil {
		return spec, fmt.Errorf("job: want a JSON object like events/job-replay.json: %w", err)
	}
	if spec.Continues() {
		return spec, bifrost.CheckJobID(spec.ID)
	}
	return spec, spec.Check()
}

// Continues reports whether the spec has nothing but an ID.
func (s Spec) Continues() bool {
	return s.Kind == "" && s.Topics == nil && s.Exclude == nil && s.BytesPerSecond == 0 && s.To == nil &&
		s.Replay == nil && s.Restore == nil && s.Export == nil
}

// Check says all that is wrong with a spec.
func (s Spec) Check() error {
	wrong := []error{bifrost.CheckJobID(s.ID)}
	add := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	writes := s.Kind == KindReplay || s.Kind == KindRestore
	add(!writes && s.Kind != KindVerify && s.Kind != KindExport, "kind %q: want %s, %s, %s or %s",
		s.Kind, KindReplay, KindRestore, KindVerify, KindExport)
	add(s.Kind == KindReplay && len(s.Topics) == 0, "topics are missing: a replay names them, as TOPIC or TOPIC:TARGET")
	add(s.Kind == KindReplay && len(s.Exclude) > 0,
		"exclude: a replay names its topics, and leaves out what it does not name")
	add(s.Replay != nil && s.Kind != KindReplay, "replay: it is for jobs of that kind alone")
	add(s.Restore != nil && s.Kind != KindRestore, "restore: it is for jobs of that kind alone")
	add(s.Export != nil && s.Kind != KindExport, "export: it is for jobs of that kind alone")
	add(s.Kind == KindExport && len(s.Topics) == 0, "topics are missing: an export names them, as names or globs")
	add(s.Kind == KindRestore && (s.Restore == nil || s.Restore.Capture == ""),
		"restore.capture is missing: which capture is restored?")
	add(s.Kind == KindRestore && s.To == nil, "to is missing: a restore does not write into the archived cluster")
	add(s.BytesPerSecond < 0, "bytes_per_second %d: want 0 or more", s.BytesPerSecond)
	add(!writes && s.BytesPerSecond != 0,
		"bytes_per_second: a job of kind %s writes nothing into Kafka that could be held back", s.Kind)
	add(!writes && s.To != nil, "to: a job of kind %s writes into no cluster", s.Kind)
	if s.To != nil {
		wrong = append(wrong, s.To.check())
	}
	if s.Kind == KindReplay && s.Replay != nil {
		wrong = append(wrong, s.Replay.check(len(s.Topics)))
	}
	if s.Kind == KindRestore && s.Restore != nil {
		if _, err := s.codec(); err != nil {
			wrong = append(wrong, fmt.Errorf("restore.compression: %w", err))
		}
	}
	if s.Kind == KindExport {
		wrong = append(wrong, s.Export.check())
	}
	if s.Kind == KindRestore || s.Kind == KindVerify || s.Kind == KindExport {
		_, err := s.filter()
		wrong = append(wrong, err)
	}
	if err := errors.Join(wrong...); err != nil {
		return fmt.Errorf("job: %w", err)
	}
	return nil
}

// secretARN is what the stack's parameter JobSecretArns takes as well.
var secretARN = regexp.MustCompile(`^arn:(aws|aws-us-gov):secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^:\s]+$`)

func (t Target) check() error {
	switch {
	case t.Brokers == "":
		return errors.New("to.brokers is missing: want host:port of the cluster that is written into")
	case t.Secret != "" && !secretARN.MatchString(t.Secret):
		return errors.New("to.secret is not the ARN of a secret in AWS Secrets Manager: " +
			"a job holds no secret, and reads no file")
	case t.SameSecurity && (t.Secret != "" || t.SaslMechanism != "" || t.SecurityProtocol != ""):
		return errors.New("to.same_security is the security of the archived cluster: leave out the rest of it, or this")
	}
	return nil
}

func (x *Export) needsSchemas() bool {
	return x.Decode || x.DecodeKey || x.Typed != "" || x.TypedKey != ""
}

func (x *Export) check() error {
	if x == nil || x.To == "" {
		return errors.New("export.to is missing: want s3://bucket/prefix, which the stack lets jobs export into")
	}
	if _, _, err := export.SplitURL(x.To); err != nil {
		return fmt.Errorf("export.to %w: a job writes into no directory", err)
	}
	if !x.needsSchemas() {
		if x.Schemas != "" {
			return errors.New("export.schemas is for decode, decode_key, typed and typed_key of export")
		}
		return nil
	}
	if x.Schemas == "" || strings.ContainsAny(x.Schemas, "/:") {
		return fmt.Errorf("export.schemas %q: want the archived topic of a registry, such as _schemas: "+
			"a job reads no file and asks no registry", x.Schemas)
	}
	return nil
}

func (r Replay) check(topics int) error {
	switch {
	case r.From < 0 || r.To < 0 || r.To != 0 && r.To <= r.From:
		return fmt.Errorf("replay.from %d, replay.to %d: want 0 <= from < to", r.From, r.To)
	case topics > 1 && (r.From != 0 || r.To != 0):
		return fmt.Errorf("replay.from and replay.to are offsets of one topic, and %d are given", topics)
	case r.Since < 0 || r.Until < 0 || r.Until != 0 && r.Until <= r.Since:
		return fmt.Errorf("replay.since %d, replay.until %d: want 0 <= since < until, in milliseconds since 1970",
			r.Since, r.Until)
	}
	for _, n := range r.Partitions {
		if n < 0 || n == math.MaxInt32 {
			return fmt.Errorf("replay.partitions: %d is no number of a partition", n)
		}
	}
	if _, err := recordbatch.ParseChoice(r.Compression); err != nil {
		return fmt.Errorf("replay.compression: %w", err)
	}
	return nil
}

// codec is the one that was chosen; nil for each topic's own.
func (s Spec) codec() (*recordbatch.Codec, error) {
	if s.Restore != nil {
		return recordbatch.ParseChoice(s.Restore.Compression)
	}
	return recordbatch.ParseChoice(s.replay().Compression)
}

// filter is what the globs select.
func (s Spec) filter() (bifrost.TopicFilter, error) {
	filter, err := bifrost.NewTopicFilter(s.Topics, s.Exclude)
	if err != nil {
		return filter, fmt.Errorf("topics %s, exclude %s: %w",
			strings.Join(s.Topics, ","), strings.Join(s.Exclude, ","), err)
	}
	return filter, nil
}

// replay is the spec's, with everything by default where it has none.
func (s Spec) replay() Replay {
	if s.Replay == nil {
		return Replay{}
	}
	return *s.Replay
}
