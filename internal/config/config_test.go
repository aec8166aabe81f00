package config

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// needed is the least that a discoverer is given.
var needed = map[string]string{
	"BIFROST_BROKERS": "one:9092", "BIFROST_GROUP": "archive", "BIFROST_BUCKET": "bucket",
	"BIFROST_PROGRESS_TABLE": "progress", "BIFROST_OBJECTS_TABLE": "objects", "BIFROST_ARCHIVE_FUNCTION": "archive",
}

func with(changes map[string]string) func(string) (string, bool) {
	values := maps.Clone(needed)
	maps.Copy(values, changes)
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := Load(Discoverer, with(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Brokers: []string{"one:9092"}, Group: "archive", Bucket: "bucket",
		ProgressTable: "progress", ObjectsTable: "objects", ArchiveFunction: "archive",
		Topics:      bifrost.TopicFilter{Include: []string{"*"}},
		TargetBytes: 128 << 20, MaxAge: 15 * time.Minute, QuietMaxAge: 2 * time.Hour, FencePause: 15 * time.Minute, MaxInFlight: 8, ArchiveTimeout: 15 * time.Minute,
		CaptureEvery: 15 * time.Minute, TimeToLoss: 6 * time.Hour,
		Format: c.Format, LogLevel: slog.LevelInfo, Stack: "bifrost", Stalled: 45 * time.Minute,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if c.Format.ValuesOnly || c.Format.SingleMember || c.Format.Level < 1 {
		t.Errorf("format %+v, want full records at a level", c.Format)
	}
	if lease := c.Settings().Lease; lease <= c.ArchiveTimeout {
		t.Errorf("lease %v, want more than the function's %v", lease, c.ArchiveTimeout)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	c, err := Load(Discoverer, with(map[string]string{
		"BIFROST_BROKERS": " one:9092, [::1]:9093 ", "BIFROST_INCLUDE_TOPICS": "orders-*, pay?", "BIFROST_EXCLUDE_TOPICS": "*-test",
		"BIFROST_START": "2024-02-29T12:00:00+01:00", "BIFROST_TARGET_BYTES": "1048576", "BIFROST_MAX_AGE_SECONDS": "0", "BIFROST_FENCE_PAUSE_SECONDS": "7",
		"BIFROST_FORMAT": "single", "BIFROST_CLIENT_RACK": "euw1-az1", "BIFROST_LOG_LEVEL": "warn",
		"BIFROST_EXPIRATION_DAYS": "30", "BIFROST_STALLED_SECONDS": "7200",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Brokers, []string{"one:9092", "[::1]:9093"}) || !c.Start.At.Equal(time.Date(2024, 2, 29, 11, 0, 0, 0, time.UTC)) ||
		c.TargetBytes != 1<<20 || c.MaxAge != 0 || c.Settings().FencePause != 7*time.Second || !c.Format.SingleMember || c.ClientRack != "euw1-az1" || c.LogLevel != slog.LevelWarn || c.Expiration != 720*time.Hour || c.Stalled != 2*time.Hour {
		t.Errorf("got %+v", c)
	}
	for topic, want := range map[string]bool{"orders-eu": true, "payx": true, "orders-test": false, "other": false} {
		if got := c.Topics.Selects(topic); got != want {
			t.Errorf("topic %s selected: %v, want %v", topic, got, want)
		}
	}
}

func TestWrongValues(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"BIFROST_BROKERS":                 {"broker", "broker:", ":9092", "broker:0", "broker:70000", "a:1,,b:2", "broker:http", "PLAINTEXT://broker:9092", "::1:9092", "a:1 b:2", "a:1,"},
		"BIFROST_GROUP":                   {"a/b", "../up", " a b", "-a", strings.Repeat("g", 101), "grüße"},
		"BIFROST_INCLUDE_TOPICS":          {"[", "a,[z-a"},
		"BIFROST_EXCLUDE_TOPICS":          {"a\\"},
		"BIFROST_START":                   {"yesterday", "2024-02-29", "12:00"},
		"BIFROST_TARGET_BYTES":            {"0", "1048575", "5368709121", "128MiB", "-1", "1e9"},
		"BIFROST_MAX_AGE_SECONDS":         {"-1", "86401", "15m"},
		"BIFROST_FENCE_PAUSE_SECONDS":     {"-1", "86401", "15m"},
		"BIFROST_MAX_IN_FLIGHT":           {"0", "1001", "many"},
		"BIFROST_ARCHIVE_TIMEOUT_SECONDS": {"9", "901"},
		"BIFROST_TIME_TO_LOSS_SECONDS":    {"59", "2592001", "6h"},
		"BIFROST_COMPRESSION_LEVEL":       {"0", "10", "fast"},
		"BIFROST_FORMAT":                  {"gzip", "Full"},
		"BIFROST_LOG_LEVEL":               {"verbose", "info+2"},
		"BIFROST_TOPIC_OVERRIDES":         {"orders"},
		"BIFROST_EXPIRATION_DAYS":         {"-1", "36501", "30d"},
		"BIFROST_STALLED_SECONDS":         {"0", "901", "172800", "45m"},
		"BIFROST_SECURITY_PROTOCOL":       {"TLS", "ssl", "SASL"},
		"BIFROST_SASL_MECHANISM":          {"SCRAM", "scram-sha-512", "GSSAPI"},
	} {
		for _, value := range values {
			_, err := Load(Discoverer, with(map[string]string{name: value}))
			if err == nil {
				t.Errorf("%s=%q was taken", name, value)
				continue
			}
			allowed := Variables[slices.IndexFunc(Variables, func(v Variable) bool { return v.Name == name })].Allowed
			for _, part := range []string{name, strings.TrimSpace(value), allowed} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s=%q: error %q does not say %q", name, value, err, part)
				}
			}
		}
	}
}

func TestEmptyIsNotSet(t *testing.T) {
	t.Parallel()
	c, err := Load(Discoverer, with(map[string]string{"BIFROST_MAX_IN_FLIGHT": " "}))
	if err != nil || c.MaxInFlight != 8 {
		t.Errorf("%d ranges, error %v; want the default", c.MaxInFlight, err)
	}
}

// One start tells everything that is wrong, not one thing a start.
func TestAllErrorsAtOnce(t *testing.T) {
	t.Parallel()
	nothing := func(string) (string, bool) { return "", false }
	for role, names := range map[Role][]string{
		Reader:     {"BIFROST_GROUP", "BIFROST_BUCKET", "BIFROST_PROGRESS_TABLE", "BIFROST_OBJECTS_TABLE"},
		Archiver:   {"BIFROST_GROUP", "BIFROST_BUCKET", "BIFROST_PROGRESS_TABLE", "BIFROST_OBJECTS_TABLE", "BIFROST_BROKERS"},
		Discoverer: {"BIFROST_GROUP", "BIFROST_BUCKET", "BIFROST_PROGRESS_TABLE", "BIFROST_OBJECTS_TABLE", "BIFROST_BROKERS", "BIFROST_ARCHIVE_FUNCTION"},
	} {
		_, err := Load(role, nothing)
		if err == nil {
			t.Fatalf("role %d: an empty environment was taken", role)
		}
		for _, v := range Variables {
			if named, want := strings.Contains(err.Error(), v.Name+" is not set"), slices.Contains(names, v.Name); named != want {
				t.Errorf("role %d: error names %s: %v, want %v", role, v.Name, named, want)
			}
		}
	}
	_, err := Load(Discoverer, with(map[string]string{"BIFROST_BUCKET": "", "BIFROST_FORMAT": "x", "BIFROST_START": "x"}))
	for _, name := range []string{"BIFROST_BUCKET", "BIFROST_FORMAT", "BIFROST_START"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v does not name %s", err, name)
		}
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	logger := Config{LogLevel: slog.LevelWarn}.Logger(&lines)
	logger.Info("quiet")
	logger.Warn("loud", "topic", "orders", "partition", 3)
	var line map[string]any
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
		t.Fatalf("%q: %v", lines.String(), err)
	}
	if line["msg"] != "loud" || line["topic"] != "orders" || line["partition"] != 3.0 {
		t.Errorf("line %v", line)
	}
}

// The page is for operators, the list is what the program does: a row a variable,
// word for word.
func TestDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `BIFROST_") {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	var want []string
	for _, v := range slices.Concat(Variables, TargetVariables) {
		want = append(want, v.docsRow())
	}
	if !slices.Equal(rows, want) {
		t.Errorf("docs/configuration.md has another table than the code. It should be:\n%s", strings.Join(want, "\n"))
	}
}

func (v Variable) docsRow() string {
	requiredBy := ""
	if v.required {
		requiredBy = map[Role]string{Reader: "all", Archiver: "discover, archive", Discoverer: "discover"}[v.role]
	}
	preset := ""
	if v.Default != "" {
		preset = "`" + v.Default + "`"
	}
	return "| " + strings.Join([]string{"`" + v.Name + "`", v.Meaning, v.Unit, preset, v.Allowed, requiredBy}, " | ") + " |"
}
