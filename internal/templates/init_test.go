package templates

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// bifrost init makes what infra/data.yaml makes, whatever is chosen: each property of
// the template has the value that a request sets, and no request sets anything else.
func TestInitMakesWhatTheTemplateMakes(t *testing.T) {
	t.Parallel()
	const key = "arn:aws:kms:eu-west-1:111122223333:key/1"
	for name, c := range map[string]struct {
		parameters map[string]string
		bucket     s3store.BucketSettings
		tables     dynamoledger.TableSafety
	}{
		"defaults": {
			map[string]string{},
			s3store.BucketSettings{CaptureDays: 90}, dynamoledger.TableSafety{DeletionProtection: true},
		},
		"everything": {
			map[string]string{
				"KmsKeyArn": key, "ObjectLockMode": "GOVERNANCE", "ObjectLockDays": "10", "TransitionDays": "20",
				"TransitionClass": "STANDARD_IA", "ExpirationDays": "40", "CaptureDays": "50", "DeletionProtection": "false",
			},
			s3store.BucketSettings{
				KMSKey: key, LockMode: "GOVERNANCE", LockDays: 10, TransitionDays: 20,
				TransitionClass: "STANDARD_IA", ExpirationDays: 40, CaptureDays: 50,
			},
			dynamoledger.TableSafety{KMSKey: key},
		},
		"nothing ends": {
			map[string]string{"CaptureDays": "0"},
			s3store.BucketSettings{}, dynamoledger.TableSafety{DeletionProtection: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stack := stackOf{load(t, "infra/data.yaml"), map[string]string{"Group": "prod"}}
			maps.Copy(stack.given, c.parameters)
			c.bucket.Group = "prod"
			wantBucket := map[string]any{}
			for _, r := range s3store.BucketRequests("archive", "eu-west-1", c.bucket) {
				maps.Copy(wantBucket, bucketProperties(t, r))
			}
			compare(t, wantBucket, bucketOf(stack))
			for logical, table := range stack.template.Resources("AWS::DynamoDB::Table") {
				requests := dynamoledger.TableRequests(dynamoledger.Tables{Progress: "ProgressTable", Objects: "ObjectsTable"}, c.tables)
				compare(t, tableProperties(t, logical, requests), stack.resolve(table.Properties))
			}
		})
	}
}

func compare(t *testing.T, requested, template any) {
	t.Helper()
	a, b := plainJSON(t, requested), plainJSON(t, template)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("init requests\n%v\nthe template has\n%v", a, b)
	}
}

// plainJSON is a value as JSON reads it back, with all scalars as text: YAML has
// numbers and truths where the SDK has others, or CloudFormation text.
func plainJSON(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var read any
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return scalars(read)
}

func scalars(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil || member == "" {
				delete(v, name)
				continue
			}
			v[name] = scalars(member)
		}
		return v
	case []any:
		for i := range v {
			v[i] = scalars(v[i])
		}
		return v
	}
	return fmt.Sprint(v)
}

// resolve is what CloudFormation makes of a property.
func (s stackOf) resolve(v any) any {
	switch v := v.(type) {
	case []any:
		all := []any{}
		for _, member := range v {
			if resolved := s.resolve(member); resolved != nil {
				all = append(all, resolved)
			}
		}
		return all
	case map[string]any:
		switch {
		case v["Ref"] == "AWS::NoValue":
			return nil
		case v["Ref"] == "Bucket":
			return "archive"
		case v["Ref"] != nil:
			return s.ref(v["Ref"].(string))
		case v["Fn::GetAtt"] != nil:
			return "arn:aws:s3:::archive"
		case v["Fn::Sub"] != nil:
			return strings.NewReplacer("${Group}", s.value("Group"), "${Bucket.Arn}", "arn:aws:s3:::archive").Replace(v["Fn::Sub"].(string))
		case v["Fn::If"] != nil:
			choice := v["Fn::If"].([]any)
			if s.eval(map[string]any{"Condition": choice[0]}) == true {
				return s.resolve(choice[1])
			}
			return s.resolve(choice[2])
		}
		all := map[string]any{}
		for name, member := range v {
			if resolved := s.resolve(member); resolved != nil {
				all[name] = resolved
			}
		}
		return all
	}
	return v
}

// bucketOf are the properties of the bucket and of its policy.
func bucketOf(s stackOf) any {
	resources := s.template.Resources("")
	bucket := s.resolve(resources["Bucket"].Properties).(map[string]any)
	bucket["Policy"] = s.resolve(resources["BucketPolicy"].Properties["PolicyDocument"])
	return bucket
}

// fields are those of an input of the SDK.
func fields(t *testing.T, input any) map[string]any {
	t.Helper()
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// bucketProperties are a request as CloudFormation spells it.
func bucketProperties(t *testing.T, r s3store.BucketRequest) map[string]any {
	t.Helper()
	input := fields(t, r.Input)
	if input["Bucket"] != "archive" {
		t.Errorf("%s is about the bucket %v", r.Operation, input["Bucket"])
	}
	switch r.Operation {
	case "create-bucket":
		if got := Get(input, "CreateBucketConfiguration", "LocationConstraint"); got != "eu-west-1" {
			t.Errorf("made in %v", got)
		}
		ownership := map[string]any{"Rules": []any{map[string]any{"ObjectOwnership": input["ObjectOwnership"]}}}
		return map[string]any{"OwnershipControls": ownership, "ObjectLockEnabled": input["ObjectLockEnabledForBucket"]}
	case "put-public-access-block":
		return some("PublicAccessBlockConfiguration", input["PublicAccessBlockConfiguration"])
	case "put-bucket-versioning":
		return some("VersioningConfiguration", input["VersioningConfiguration"])
	case "put-object-lock-configuration":
		return some("ObjectLockConfiguration", input["ObjectLockConfiguration"])
	case "put-bucket-encryption":
		var rules []any
		for _, rule := range Get(input, "ServerSideEncryptionConfiguration", "Rules").([]any) {
			rules = append(rules, map[string]any{
				"BucketKeyEnabled":              Get(rule, "BucketKeyEnabled"),
				"ServerSideEncryptionByDefault": Get(rule, "ApplyServerSideEncryptionByDefault"),
			})
		}
		return some("BucketEncryption", map[string]any{"ServerSideEncryptionConfiguration": rules})
	case "put-bucket-lifecycle-configuration":
		var rules []any
		for _, rule := range Get(input, "LifecycleConfiguration", "Rules").([]any) {
			rules = append(rules, lifecycleRule(rule.(map[string]any)))
		}
		return some("LifecycleConfiguration", map[string]any{"Rules": rules})
	case "put-bucket-policy":
		var policy any
		if err := json.Unmarshal([]byte(input["Policy"].(string)), &policy); err != nil {
			t.Fatal(err)
		}
		return some("Policy", policy)
	}
	t.Errorf("what does %s set?", r.Operation)
	return nil
}

func some(name string, v any) map[string]any { return map[string]any{name: v} }

// lifecycleRule is a rule of the SDK as CloudFormation spells it.
func lifecycleRule(r map[string]any) map[string]any {
	filter := r["Filter"]
	if both := Get(filter, "And"); both != nil {
		filter = both
	}
	rule := map[string]any{
		"Id": r["ID"], "Status": r["Status"], "Prefix": Get(filter, "Prefix"), "ObjectSizeGreaterThan": Get(filter, "ObjectSizeGreaterThan"),
		"AbortIncompleteMultipartUpload": r["AbortIncompleteMultipartUpload"], "ExpirationInDays": Get(r, "Expiration", "Days"),
		"ExpiredObjectDeleteMarker": Get(r, "Expiration", "ExpiredObjectDeleteMarker"), "NoncurrentVersionExpiration": r["NoncurrentVersionExpiration"],
	}
	if moves, ok := r["Transitions"].([]any); ok {
		var transitions []any
		for _, move := range moves {
			transitions = append(transitions, map[string]any{"TransitionInDays": Get(move, "Days"), "StorageClass": Get(move, "StorageClass")})
		}
		rule["Transitions"] = transitions
	}
	return rule
}

// tableProperties are the requests for one table as CloudFormation spells them.
func tableProperties(t *testing.T, table string, requests []dynamoledger.TableRequest) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, r := range requests {
		if r.Table == table {
			maps.Copy(all, fields(t, r.Input))
		}
	}
	if all["TableName"] != table {
		t.Errorf("no request is about the table %s", table)
	}
	delete(all, "TableName")
	encryption, _ := all["SSESpecification"].(map[string]any)
	encryption["SSEEnabled"] = encryption["Enabled"]
	delete(encryption, "Enabled")
	return all
}
