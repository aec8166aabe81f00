package templates

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each role of each template that may be deployed has the boundary that was asked for, and
// none if none was: an account that lets no role be made without one takes them all.
func TestEveryRoleIsBounded(t *testing.T) {
	t.Parallel()
	bounded := map[string]any{"Fn::If": []any{"IsBounded", ref("PermissionsBoundary"), ref("AWS::NoValue")}}
	roles := 0
	for _, path := range everyTemplate(t) {
		template := load(t, path)
		for name, r := range template.Resources("") {
			switch {
			case r.Type == "AWS::IAM::Role":
				roles++
				if !reflect.DeepEqual(r.Get("PermissionsBoundary"), bounded) {
					t.Errorf("%s: role %s has the boundary %v", path, name, r.Get("PermissionsBoundary"))
				}
			case strings.HasPrefix(r.Type, "AWS::Serverless::") && r.Get("Role") == nil:
				t.Errorf("%s: sam makes a role for %s, which has no boundary", path, name)
			}
		}
	}
	if roles != 5 {
		t.Errorf("%d roles, and docs/security.md speaks of five", roles)
	}
}

// The page says what a boundary has to allow: every service that a role calls.
func TestThePageListsWhatABoundaryHasToAllow(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(root + "/docs/questions.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := regexp.MustCompile(`(?s)has\s+to\s+allow\s+what\s+they\s+do\s+with\s(.*?)\.`).FindSubmatch(page)
	if listed == nil {
		t.Fatal("docs/questions.md does not say what a boundary has to allow")
	}
	var got []string
	for _, m := range regexp.MustCompile("`([a-z0-9-]+)`").FindAllSubmatch(listed[1], -1) {
		got = append(got, string(m[1]))
	}
	used := map[string]bool{}
	for _, path := range []string{"template.yaml", "infra/jobs.yaml"} {
		for _, role := range load(t, path).Resources("AWS::IAM::Role") {
			noteServices(used, role.Get("Policies"))
		}
		for _, policy := range load(t, path).Resources("AWS::IAM::Policy") {
			noteServices(used, policy.Get("PolicyDocument"))
		}
	}
	var want []string
	for service := range used {
		want = append(want, service)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("docs/questions.md lists %v, the roles use %v", got, want)
	}
}

// noteServices notes the services whose actions stand anywhere in policies.
func noteServices(used map[string]bool, in any) {
	switch v := in.(type) {
	case []any:
		for _, item := range v {
			noteServices(used, item)
		}
	case map[string]any:
		for name, item := range v {
			if name != "Action" {
				noteServices(used, item)
				continue
			}
			for _, action := range texts(item) {
				service, _, _ := strings.Cut(action, ":")
				used[service] = true
			}
		}
	}
}
