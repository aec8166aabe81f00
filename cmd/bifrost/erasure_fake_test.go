//go:build !real

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The loop of docs/erasure.md erases every object that holds records of a person, and no other,
// keeps what others had in them, and leaves an archive without a finding. It is not tried on
// versitygw, which refuses an upload that must not overwrite where all versions were deleted.
func TestTheLoopOfErasure(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/erasure.md")
	must(t, err)
	_, block, _ := strings.Cut(string(page), "```sh\n   person=")
	block, _, found := strings.Cut("person="+block, "```")
	if !found {
		t.Fatal("docs/erasure.md has no such loop")
	}
	s := sandboxOf(t)
	must(t, s.keepVersions(t.Context()))
	topic := s.topics + "-orders"
	must(t, s.topic(t.Context(), topic, 2))
	keys := [][2]string{{"customer-1", "customer-4711"}, {"customer-2", "customer-3"}, {"customer-4711", "customer-4"}}
	var rest []string
	for n, pair := range keys {
		for _, key := range pair { // an object each
			value := fmt.Sprintf("%s of %d", key, n)
			must(t, s.produce(t.Context(),
				&kgo.Record{Topic: topic, Partition: int32(n % 2), Key: []byte(key), Value: []byte(value)}))
			if n != 1 && key != "customer-4711" {
				rest = append(rest, value)
			}
		}
		s.bifrost(t, "flush")
	}
	dir := t.TempDir()
	erase := func() ([]byte, error) {
		command := exec.CommandContext(t.Context(), "bash", "-c", strings.ReplaceAll(block, "orders", topic))
		command.Dir, command.Env = dir, append(os.Environ(), s.env...)
		return command.CombinedOutput()
	}
	for _, name := range []string{"whole.jsonl", "rest-" + topic + "-0-0.jsonl"} { // cannot be written
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
		if out, err := erase(); err == nil {
			t.Errorf("%s is not written, and nothing is said:\n%s", name, out)
		}
		if got := s.bifrost(t, "cat", topic); len(strings.Fields(got)) != 3*len(keys)*2 {
			t.Fatalf("%s is not written, and of the records there is %q", name, got)
		}
		must(t, os.Remove(filepath.Join(dir, name)))
	}
	if out, err := erase(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, block, out)
	}
	if got := s.bifrost(t, "cat", topic, "--key", "customer-4711"); got != "" {
		t.Errorf("there is still %s", got)
	}
	if got := s.bifrost(t, "cat", topic); got != "customer-2 of 1\ncustomer-3 of 1\n" {
		t.Errorf("of the objects without the person there is %q", got)
	}
	if got := s.run(t, "verify", topic); got.code != exitOK || !strings.Contains(got.talk, "4 offsets erased") {
		t.Errorf("verify: %d %s", got.code, got.talk)
	}
	if _, err := os.Stat(filepath.Join(dir, "whole.jsonl")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file with the person's records is left: %v", err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "rest-*.jsonl"))
	must(t, err)
	var kept []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		must(t, err)
		for line := range strings.Lines(string(text)) {
			var record struct{ Value string }
			must(t, json.Unmarshal([]byte(line), &record))
			kept = append(kept, record.Value)
		}
	}
	slices.Sort(kept)
	if slices.Sort(rest); !slices.Equal(kept, rest) {
		t.Errorf("of others there is %q, want %q", kept, rest)
	}
}

// tools are what the loop of docs/erasure.md uses beside bifrost, as far as it does: not every
// machine that runs the tests has them.
var tools = map[string]func(){
	"aws": func() { mustTool(awsTool(os.Args[1:])) },
	"jq":  func() { mustTool(jqTool(os.Args[1:], os.Stdin)) },
}

func mustTool(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, os.Args, err)
		os.Exit(1)
	}
}

// awsTool lists the versions of an object, or deletes one.
func awsTool(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	config, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(config)
	flags := map[string]string{}
	for i := 2; i+1 < len(args); i += 2 {
		flags[args[i]] = args[i+1]
	}
	bucket := aws.String(flags["--bucket"])
	switch strings.Join(args[:2], " ") + " " + flags["--query"] + " " + flags["--output"] {
	case "s3api list-object-versions Versions[].VersionId text":
		page, err := client.ListObjectVersions(ctx,
			&s3.ListObjectVersionsInput{Bucket: bucket, Prefix: aws.String(flags["--prefix"])})
		if err != nil {
			return err
		}
		for _, v := range page.Versions {
			fmt.Println(aws.ToString(v.VersionId))
		}
		return nil
	case "s3api delete-object  ":
		_, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{
			Bucket: bucket, Key: aws.String(flags["--key"]), VersionId: aws.String(flags["--version-id"]),
		})
		return err
	}
	return fmt.Errorf("this aws does not know %q", args)
}

// jqTool knows two programs. The second reads the file that is named behind it.
func jqTool(args []string, lines io.Reader) error {
	if last := len(args) - 1; strings.HasSuffix(args[last], ".jsonl") {
		file, err := os.Open(args[last])
		if err != nil {
			return err
		}
		defer file.Close()
		args, lines = args[:last], file
	}
	scanner := bufio.NewScanner(lines)
	for scanner.Scan() {
		var line map[string]json.RawMessage
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			return err
		}
		switch {
		case slices.Equal(args, []string{"-r", "[.name, .partition, .start_offset, .end_offset, .records, .object] | @tsv"}):
			var fields []string
			for _, name := range []string{"name", "partition", "start_offset", "end_offset", "records", "object"} {
				fields = append(fields, strings.Trim(string(line[name]), `"`))
			}
			fmt.Println(strings.Join(fields, "\t"))
		case len(args) == 5 && slices.Equal(args[:3], []string{"-c", "--arg", "person"}) && args[4] == "select(.key != $person)":
			if !bytes.Equal(line["key"], []byte(`"`+args[3]+`"`)) {
				fmt.Println(scanner.Text())
			}
		default:
			return fmt.Errorf("this jq does not know %q", args)
		}
	}
	return scanner.Err()
}
