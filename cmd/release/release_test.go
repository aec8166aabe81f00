package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/templates"
)

func TestRefusesBeforeItBuilds(t *testing.T) {
	t.Parallel()
	for version, out := range map[string]string{"1.2.3": "x", "": "x", "v1.2": "x", "v1.2.3": t.TempDir(), "v1.2.4": ""} {
		folder := out
		if out == "x" {
			folder = filepath.Join(t.TempDir(), "new")
		}
		if err := release(t.Context(), ".", version, folder, nil); err == nil || !strings.Contains(err.Error(), "want one") {
			t.Errorf("version %q into %q: error %v", version, folder, err)
		}
	}
}

// The packaged template is the repository's, but for where its parts are: beside it,
// wherever somebody has put them.
func TestPackagedTemplate(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for goarch, architecture := range lambdaArchitectures {
		out, err := packaged(text, goarch)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "template.yaml")
		if err := os.WriteFile(path, out, 0o600); err != nil {
			t.Fatal(err)
		}
		template, err := templates.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(template.Get("Globals", "Function", "Architectures")); got != "["+architecture+"]" {
			t.Errorf("%s: processor %s", goarch, got)
		}
		for _, parameter := range []string{"CodeBucket", "CodePrefix", "Brokers"} {
			if definition := template.Get("Parameters", parameter); definition == nil || templates.Get(definition, "Default") != nil {
				t.Errorf("parameter %s: %v", parameter, definition)
			}
		}
		for function, file := range map[string]string{"DiscoverFunction": "discover.zip", "ArchiveFunction": "archive.zip", "JobFunction": "job.zip"} {
			code := template.Resources("")[function].Get("CodeUri")
			if fmt.Sprint(templates.Get(code, "Bucket", "Ref")) != "CodeBucket" || templates.Get(code, "Key", "Fn::Sub") != "${CodePrefix}"+file {
				t.Errorf("%s is at %v", function, code)
			}
		}
		for name, stack := range template.Resources("AWS::CloudFormation::Stack") {
			url, _ := stack.Get("TemplateURL", "Fn::Sub").(string)
			if !strings.HasPrefix(url, "https://s3.${AWS::Region}.amazonaws.com/${CodeBucket}/${CodePrefix}") {
				t.Errorf("%s is at %q", name, url)
			}
		}
		if strings.Contains(string(out), "functions/") || strings.Contains(string(out), "infra/data") {
			t.Error("the packaged template names files of the repository")
		}
	}
	if _, err := packaged([]byte("Parameters:\n"), "arm64"); err == nil {
		t.Error("a template that has changed is packaged as if it had not")
	}
}
