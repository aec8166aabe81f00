//go:build real || soak

package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestTwoBuildsAreTheSame releases the source from two folders, and expects one
// list of sums, which has all files. With -tags soak the second has a build cache
// of its own, so that nothing of the first is used again.
func TestTwoBuildsAreTheSame(t *testing.T) {
	here := []target{
		{"functions/discover", "discover/bootstrap", "linux", runtime.GOARCH, lambdaTags},
		{"functions/archive", "archive/bootstrap", "linux", runtime.GOARCH, lambdaTags},
		{"functions/job", "job/bootstrap", "linux", runtime.GOARCH, lambdaTags},
	}
	var sums []string
	for _, folder := range []string{"one", "another/and/deeper"} {
		root := filepath.Join(t.TempDir(), folder)
		copySource(t, root)
		if len(sums) > 0 {
			forget(t)
		}
		out := filepath.Join(t.TempDir(), "out")
		if err := release(t.Context(), root, "v0.0.1-test", out, here); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, string(text))
		if n := strings.Count(string(text), "\n"); n != 14 {
			t.Errorf("%d files, want three programs, their bills, three zips and five templates:\n%s", n, text)
		}
		checkBill(t, filepath.Join(out, "linux-"+runtime.GOARCH, "archive"))
	}
	if sums[0] != sums[1] {
		t.Errorf("two builds of one source:\n%s\n%s", sums[0], sums[1])
	}
}

// copySource copies what git knows, as it stands.
func copySource(t *testing.T, to string) {
	t.Helper()
	list := exec.Command("git", "ls-files", "-z", "*.go", "*.yaml", "go.mod", "go.sum")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.Trim(string(out), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// checkBill expects of a bill what CycloneDX asks for, and the modules that the
// function is known to need.
func checkBill(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "bootstrap.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b bill
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.Spec != "1.6" || b.Version != 1 || b.Metadata.Component.Version != "v0.0.1-test" {
		t.Errorf("head of the bill: %+v", b)
	}
	program, err := os.ReadFile(filepath.Join(dir, "bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	main := b.Metadata.Component
	const want = "pkg:golang/github.com/bifrost-archive/bifrost@v0.0.1-test?goarch=" + runtime.GOARCH + "&goos=linux#functions/archive"
	if main.PURL != want || len(main.Hashes) != 1 || main.Hashes[0] != (hash{"SHA-256", fmt.Sprintf("%x", sha256.Sum256(program))}) {
		t.Errorf("the bill is of %+v", main)
	}
	refs := map[string]bool{}
	for _, c := range b.Components {
		if c.Type != "library" || c.Name == "" || c.Version == "" || refs[c.Ref] {
			t.Errorf("component %+v", c)
		}
		if c.Name != "std" && (len(c.Properties) != 1 || !strings.HasPrefix(c.Properties[0].Value, "h1:")) {
			t.Errorf("component %s has no sum", c.Ref)
		}
		refs[c.Ref] = true
	}
	for _, module := range []string{"std", "github.com/twmb/franz-go", "github.com/aws/aws-sdk-go-v2/service/s3", "github.com/klauspost/compress"} {
		if !slices.ContainsFunc(b.Components, func(c component) bool { return c.Name == module }) {
			t.Errorf("%s is linked and not in the bill", module)
		}
	}
}
