package settings

import (
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// selected parses the flags as a command does.
func selected(partitions []string, args ...string) (Selection, error) {
	var s Selection
	c := &cobra.Command{}
	s.AddBounds(c)
	if err := c.ParseFlags(args); err != nil {
		return s, err
	}
	return s, s.ParseFlags(partitions, noon)
}

// Bounds are half-open, and those between which nothing lies are mistakes.
func TestBounds(t *testing.T) {
	t.Parallel()
	const hour = 3_600_000
	everything, now := readback.Everything.End, noon.UnixMilli()
	for flags, want := range map[string]struct {
		offsets bifrost.Range
		times   readback.Times
	}{
		"":                      {bifrost.Range{End: everything}, readback.Times{}},
		"--from 5":              {bifrost.Range{Start: 5, End: everything}, readback.Times{}},
		"--to 5":                {bifrost.Range{End: 5}, readback.Times{}},
		"--from 4 --to 5":       {bifrost.Range{Start: 4, End: 5}, readback.Times{}},
		"--since 2h":            {bifrost.Range{End: everything}, readback.Times{Since: now - 2*hour}},
		"--until 2h":            {bifrost.Range{End: everything}, readback.Times{Until: now - 2*hour}},
		"--since 2h --until 1h": {bifrost.Range{End: everything}, readback.Times{Since: now - 2*hour, Until: now - hour}},
		"--since 1700000001000 --until 1700000001001": {bifrost.Range{End: everything},
			readback.Times{Since: 1_700_000_001_000, Until: 1_700_000_001_001}},
	} {
		s, err := selected(nil, strings.Fields(flags)...)
		if err != nil || s.OffsetRange() != want.offsets || s.Times != want.times {
			t.Errorf("%q: %+v and %+v, error %v", flags, s.OffsetRange(), s.Times, err)
		}
	}
	for flags, words := range map[string]string{
		"--from -1": "want 0 <= from < to", "--to -1": "want 0 <= from < to", "--from 5 --to 5": "want 0 <= from < to", "--from 5 --to 4": "want 0 <= from < to",
		"--since never": "--since", "--until never": "--until", "--since 1h --until 1h": "nothing lies between", "--since 1h --until 2h": "nothing lies between",
	} {
		if _, err := selected(nil, strings.Fields(flags)...); !usage.Is(err) || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: error %v, want one of usage that says %q", flags, err, words)
		}
	}
}

// Partitions are taken in order, once each, and those that are not there are named beside
// those that are.
func TestPartitionsAreSelected(t *testing.T) {
	t.Parallel()
	var topic []bifrost.Progress
	for _, n := range []int32{0, 1, 2, 4, 6, 7} {
		topic = append(topic, bifrost.Progress{Partition: bifrost.Partition{Name: "orders", Number: n}})
	}
	if got := ListNumbers(topic); got != "0-2,4,6-7" {
		t.Errorf("listed as %s", got)
	}
	if got := ListNumbers(nil); got != "" {
		t.Errorf("none is listed as %s", got)
	}
	for text, want := range map[string][]int32{"": {0, 1, 2, 4, 6, 7}, "7 0": {0, 7}, "1-2,1": {1, 2}, "4-4": {4}} {
		s, err := selected(strings.Fields(text))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := s.SelectPartitions(topic)
		var got []int32
		for _, row := range rows {
			got = append(got, row.Number)
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, error %v, want %v", text, got, err, want)
		}
	}
	s, err := selected([]string{"2-4"})
	if err == nil {
		_, err = s.SelectPartitions(topic)
	}
	if err == nil || !strings.Contains(err.Error(), "topic orders has no partition 3 in the archive; it has 6: 0-2,4,6-7") {
		t.Errorf("error %v", err)
	}
	if _, err := selected([]string{"0", "x"}); !usage.Is(err) {
		t.Errorf("error %v, want one of usage", err)
	}
}

// What a command sets goes over a flag, and a flag over the variable that it stands for.
func TestFlagsGoOverVariables(t *testing.T) {
	for _, e := range environment {
		t.Run(e.flag, func(t *testing.T) {
			t.Setenv(e.variable, "the variable")
			s := NewSettings()
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			s.AddFlags(flags)
			if got, ok := s.LookupVariable(e.variable); got != "the variable" || !ok {
				t.Errorf("without a flag %q, %v", got, ok)
			}
			if err := flags.Parse([]string{"--" + e.flag, "the flag"}); err != nil {
				t.Fatal(err)
			}
			for _, other := range environment {
				if got, _ := s.LookupVariable(other.variable); (got == "the flag") != (other.flag == e.flag) {
					t.Errorf("with --%s, %s is %q", e.flag, other.variable, got)
				}
			}
			s.SetVariable(e.variable, "the command")
			if got, ok := s.LookupVariable(e.variable); got != "the command" || !ok {
				t.Errorf("once it is set %q, %v", got, ok)
			}
			if err := flags.Parse([]string{"--" + e.flag, ""}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// An empty flag is a value too: it takes the variable away.
func TestAnEmptyFlagIsAValue(t *testing.T) {
	t.Setenv("BIFROST_BROKERS", "somewhere:9092")
	s := NewSettings()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.AddFlags(flags)
	if err := flags.Parse([]string{"--brokers", ""}); err != nil {
		t.Fatal(err)
	}
	if got, ok := s.LookupVariable("BIFROST_BROKERS"); got != "" || !ok {
		t.Errorf("%q, %v", got, ok)
	}
}

// targeted parses the flags of a target as a command does.
func targeted(args ...string) (*TargetFlags, error) {
	f := new(TargetFlags)
	c := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { return nil }, SilenceErrors: true, SilenceUsage: true}
	f.AddTo(c)
	c.SetArgs(args)
	c.SetOut(io.Discard)
	return f, c.Execute()
}

const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:target-a1b2c3"

// Flags about the target go with --to-brokers, and over the variables of the same
// meaning; and of a job they are what the command would take.
func TestFlagsOfATarget(t *testing.T) {
	t.Parallel()
	variables := map[string]string{
		"BIFROST_TO_SECURITY_PROTOCOL": " SASL_SSL ", "BIFROST_TO_SASL_MECHANISM": "SCRAM-SHA-512", "BIFROST_TO_SECRET": "arn:of:the-variable",
	}
	lookup := func(name string) (string, bool) { v, ok := variables[name]; return v, ok }
	for flags, want := range map[string]*job.Target{
		"":                                       nil,
		"--to-brokers b:9092":                    {Brokers: "b:9092", SecurityProtocol: "SASL_SSL", SaslMechanism: "SCRAM-SHA-512", Secret: "arn:of:the-variable"},
		"--to-brokers b:9092 --to-same-security": {Brokers: "b:9092", SameSecurity: true},
		"--to-brokers b:9092 --to-secret " + arn: {Brokers: "b:9092", SecurityProtocol: "SASL_SSL", SaslMechanism: "SCRAM-SHA-512", Secret: arn},
		"--to-brokers b:9092 --to-sasl-mechanism PLAIN":             {Brokers: "b:9092", SecurityProtocol: "SASL_SSL", SaslMechanism: "PLAIN", Secret: "arn:of:the-variable"},
		"--to-brokers b:9092 --to-security-protocol SASL_PLAINTEXT": {Brokers: "b:9092", SecurityProtocol: "SASL_PLAINTEXT", SaslMechanism: "SCRAM-SHA-512", Secret: "arn:of:the-variable"},
	} {
		f, err := targeted(strings.Fields(flags)...)
		if err != nil || !reflect.DeepEqual(f.JobTarget(lookup), want) {
			t.Errorf("%q: %+v, error %v, want %+v", flags, f.JobTarget(lookup), err, want)
		}
	}
	for flags, words := range map[string]string{
		"--to-brokers=": "--to-brokers is empty",
		"--to-brokers b:9092 --to-same-security --to-secret x": "leave out the other --to- flags",
		"--to-same-security":         "which is not given",
		"--to-secret x":              "which is not given",
		"--to-sasl-mechanism PLAIN":  "which is not given",
		"--to-security-protocol SSL": "which is not given",
	} {
		if _, err := targeted(strings.Fields(flags)...); !usage.Is(err) || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: error %v, want one of usage that says %q", flags, err, words)
		}
	}
	// The way there is that of the flags, too.
	parts := &wiring.Parts{Config: config.Config{Brokers: []string{"archived:9092"}}}
	f, err := targeted("--to-brokers", "b:9092", "--to-security-protocol", "TLS")
	if err == nil {
		_, err = f.ConnectTarget(t.Context(), parts, func(string) (string, bool) { return "", false })
	}
	if !usage.Is(err) || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("a protocol that there is not: %v", err)
	}
}

// A region and an address of AWS that are given go over the environment, and an address is one of HTTP.
func TestWhereAWSIs(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ENDPOINT_URL", "")
	for flags, want := range map[string][2]string{
		"": {"eu-west-1", ""}, "--region us-east-2": {"us-east-2", ""},
		"--endpoint-url https://aws.example:4566": {"eu-west-1", "https://aws.example:4566"},
		"--endpoint-url http://127.0.0.1:4566":    {"eu-west-1", "http://127.0.0.1:4566"},
		"--endpoint-url ftp://aws.example":        {"eu-west-1", "refused"}, "--endpoint-url aws.example": {"eu-west-1", "refused"},
	} {
		s := NewSettings()
		given := pflag.NewFlagSet("", pflag.ContinueOnError)
		s.AddFlags(given)
		if err := given.Parse(strings.Fields(flags)); err != nil {
			t.Fatal(err)
		}
		if err := s.checkEndpoint(); usage.Is(err) != (want[1] == "refused") || (err == nil) == (want[1] == "refused") {
			t.Errorf("%q: error %v", flags, err)
		}
		cfg, err := awsconfig.LoadDefaultConfig(t.Context(), s.AWSOptions()...)
		if err != nil || cfg.Region != want[0] ||
			want[1] != "refused" && want[1] != "" && (cfg.BaseEndpoint == nil || *cfg.BaseEndpoint != want[1]) {
			t.Errorf("%q: region %s, endpoint %v, error %v", flags, cfg.Region, cfg.BaseEndpoint, err)
		}
	}
}
