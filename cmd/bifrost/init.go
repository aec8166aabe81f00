// The command init: makes the bucket, the tables of an archive.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

func newInit(a *app.App) *cobra.Command {
	i := &initializer{App: a}
	c := &cobra.Command{
		Use:     "init",
		GroupID: groupCheck,
		Short:   "Make the bucket and the tables without the template",
		Long: `Init makes what the stack's template makes to keep data: the bucket, with versions,
encryption, lifecycle rules and a policy, and both tables, with recovery and a guard
against deletion. It is for a laptop, a container, or an account without the stack,
and the first step where only a copy of the bucket is left: rebuild fills the tables.

What is there stays: a bucket that holds something keeps its settings, a table its
rows. It may be run again. --print shows the requests, for the AWS CLI, and sends none.`,
		Example: "  bifrost init --print\n" +
			"  bifrost init --bucket my-archive --group prod --progress-table progress --objects-table objects\n" +
			"  bifrost init --expiration-days 365 --kms-key arn:aws:kms:eu-west-1:111122223333:key/1234",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return i.run(c.Context()) },
	}
	flags := c.Flags()
	flags.BoolVar(&i.print, "print", false, "show the requests and send none")
	flags.StringVar(&i.bucket.KMSKey, "kms-key", "",
		"ARN of the key that encrypts objects and tables; keys of AWS if not given")
	flags.StringVar(&i.bucket.LockMode, "lock-mode", "",
		"lock that keeps new objects from deletion: governance or compliance; only for a bucket that is made")
	flags.Int32Var(&i.bucket.LockDays, "lock-days", 30, "`DAYS` for which an object is locked")
	flags.Int32Var(&i.bucket.TransitionDays, "transition-days", 0,
		"`DAYS` after which objects move to --transition-class; 0 never")
	flags.StringVar(&i.bucket.TransitionClass, "transition-class", "GLACIER_IR",
		"storage that old objects move to: STANDARD_IA, GLACIER_IR or INTELLIGENT_TIERING")
	flags.Int32Var(&i.bucket.ExpirationDays, "expiration-days", 0,
		"`DAYS` after which the bucket deletes objects; 0 keeps them")
	flags.Int32Var(&i.bucket.CaptureDays, "capture-days", 90,
		"`DAYS` after which the bucket deletes captures; 0 keeps them as long as objects")
	flags.BoolVar(&i.tables.DeletionProtection, "deletion-protection",
		true, "whether DynamoDB refuses to delete the tables")
	app.AddJSON(c, &i.json)
	return c
}

type initializer struct {
	*app.App
	bucket      s3store.BucketSettings
	tables      dynamoledger.TableSafety
	print, json bool
}

// initJSON is what init --json prints.
type initJSON struct {
	Bucket        string   `json:"bucket"`
	BucketCreated bool     `json:"bucket_created"`
	BucketKept    bool     `json:"bucket_kept"` // it holds something, and its settings were not touched
	TablesCreated []string `json:"tables_created"`
	TablesKept    []string `json:"tables_kept"`
	Unsupported   []string `json:"unsupported"` // requests that the service does not know
}

func (i *initializer) run(ctx context.Context) error {
	if err := i.check(); err != nil {
		return err
	}
	parts, err := i.OpenUnchecked(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	i.bucket.Group, i.tables.KMSKey = parts.Config.Group, i.bucket.KMSKey
	if parts.Region() == "" {
		return usage.Errorf("no region: give --region, or set AWS_REGION")
	}
	if i.print {
		return i.printRequests(parts.StorageRequests(i.bucket, i.tables))
	}
	if err := settings.AwaitAWS(ctx, parts); err != nil {
		return err
	}
	bucket, tables, err := parts.MakeStorage(ctx, i.bucket, i.tables)
	if err != nil {
		return err
	}
	unsupported := append(bucket.Unsupported, tables.Unsupported...)
	if i.json {
		return i.PrintJSON(initJSON{parts.Config.Bucket, bucket.Created, bucket.Kept, list(tables.Created),
			list(tables.Kept), list(unsupported)})
	}
	i.tell(parts.Config.Bucket, bucket, tables)
	if len(unsupported) > 0 {
		i.Warn("the service does not know %s: what they would have set is not there", strings.Join(unsupported, ", "))
	}
	return nil
}

// check refuses what the template refuses.
func (i *initializer) check() error {
	i.bucket.LockMode = strings.ToUpper(i.bucket.LockMode)
	if i.bucket.LockMode == "NONE" {
		i.bucket.LockMode = ""
	}
	if !slices.Contains([]string{"", "GOVERNANCE", "COMPLIANCE"}, i.bucket.LockMode) {
		return usage.Errorf("--lock-mode %q: want governance or compliance", i.bucket.LockMode)
	}
	if i.bucket.LockDays < 1 {
		return usage.Errorf("--lock-days %d: want at least 1", i.bucket.LockDays)
	}
	if !slices.Contains([]string{"STANDARD_IA", "GLACIER_IR", "INTELLIGENT_TIERING"}, i.bucket.TransitionClass) {
		return usage.Errorf("--transition-class %q: want STANDARD_IA, GLACIER_IR or INTELLIGENT_TIERING",
			i.bucket.TransitionClass)
	}
	for flag, days := range map[string]int32{
		"transition-days": i.bucket.TransitionDays,
		"expiration-days": i.bucket.ExpirationDays,
		"capture-days":    i.bucket.CaptureDays,
	} {
		if days < 0 {
			return usage.Errorf("--%s %d: want 0 or more", flag, days)
		}
	}
	if e, t := i.bucket.ExpirationDays, i.bucket.TransitionDays; e != 0 && t >= e {
		return usage.Errorf("--transition-days %d: objects are deleted after %d days, so that none would move", t, e)
	}
	if i.bucket.KMSKey != "" && !strings.HasPrefix(i.bucket.KMSKey, "arn:") {
		return usage.Errorf("--kms-key %q: want the ARN of a key", i.bucket.KMSKey)
	}
	return nil
}

func (i *initializer) tell(name string, bucket s3store.MadeBucket, tables dynamoledger.MadeTables) {
	switch {
	case bucket.Created:
		i.Say("Made the bucket %s.", name)
	case bucket.Kept:
		i.Say("The bucket %s is there and holds something: its settings were left as they are, whatever was asked for "+
			"(lock, key, lifecycle). init --print shows the requests that would set them.", name)
	default:
		i.Say("The bucket %s is there and empty: it got its settings.", name)
	}
	for _, table := range tables.Created {
		i.Say("Made the table %s.", table)
	}
	for _, table := range tables.Kept {
		i.Say("The table %s is there: its rows were left as they are.", table)
	}
	if bucket.Kept {
		i.Say("Next: bifrost rebuild, if the tables have lost something or are new.")
	}
}

// printRequests writes one line of shell for each request.
func (i *initializer) printRequests(bucket []s3store.BucketRequest, tables []dynamoledger.TableRequest) error {
	for _, r := range bucket {
		if err := i.printRequest("s3api", r.Operation, r.Input); err != nil {
			return err
		}
	}
	for _, r := range tables {
		if err := i.printRequest("dynamodb", r.Operation, r.Input); err != nil {
			return err
		}
		if r.Operation == "create-table" {
			if _, err := fmt.Fprintf(i.Out, "aws dynamodb wait table-exists --table-name %s\n", r.Table); err != nil {
				return err
			}
		}
	}
	return nil
}

// printRequest writes the fields that are set, as the AWS CLI takes them.
func (i *initializer) printRequest(service, operation string, input any) error {
	text, err := json.Marshal(input)
	if err != nil {
		return err
	}
	var fields any
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(withoutNulls(fields)); err != nil {
		return err
	}
	quoted := strings.ReplaceAll(strings.TrimSpace(out.String()), "'", `'\''`)
	_, err = fmt.Fprintf(i.Out, "aws %s %s --cli-input-json '%s'\n", service, operation, quoted)
	return err
}

// withoutNulls leaves out what the SDK's types have for what is not set.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil || member == "" && name != "Prefix" {
				delete(v, name)
				continue
			}
			v[name] = withoutNulls(member)
		}
	case []any:
		for n := range v {
			v[n] = withoutNulls(v[n])
		}
	}
	return v
}
