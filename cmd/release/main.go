// Command release builds what is published of one version: the functions for
// both processors of Lambda, once as programs and once as CloudFormation deploys them,
// with templates; the command line for the machines of people, a bill
// of materials beside each, and the sums of all. "make release" runs it.
//
// Whoever builds the same version again, in another folder and on another machine,
// with the same Go, gets the same bytes.
package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	version := flag.String("version", "", "version of the release, such as v1.2.3")
	out := flag.String("out", "", "folder for it; must not exist")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := release(ctx, ".", *version, *out, targets); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// A target is one program for one kind of machine.
type target struct {
	pkg    string // from the root
	name   string // of the file
	goos   string
	goarch string
	tags   string
}

// lambdaTags leave out a mode that no current runtime uses (aws-lambda-go, README).
const lambdaTags = "lambda.norpc"

// targets are all that is published.
var targets = []target{
	{"functions/discover", "discover/bootstrap", "linux", "arm64", lambdaTags},
	{"functions/discover", "discover/bootstrap", "linux", "amd64", lambdaTags},
	{"functions/archive", "archive/bootstrap", "linux", "arm64", lambdaTags},
	{"functions/archive", "archive/bootstrap", "linux", "amd64", lambdaTags},
	{"functions/job", "job/bootstrap", "linux", "arm64", lambdaTags},
	{"functions/job", "job/bootstrap", "linux", "amd64", lambdaTags},
	{"cmd/bifrost", "bifrost", "linux", "arm64", ""},
	{"cmd/bifrost", "bifrost", "linux", "amd64", ""},
	{"cmd/bifrost", "bifrost", "darwin", "arm64", ""},
}

// versions are those of semantic versioning, as Go writes them.
var versions = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$`)

// release builds the targets of the source tree at root into a new folder.
func release(ctx context.Context, root, version, out string, targets []target) error {
	if !versions.MatchString(version) {
		return fmt.Errorf("version %q: want one such as v1.2.3", version)
	}
	if _, err := os.Stat(out); err == nil || out == "" {
		return fmt.Errorf("folder %q: want one that does not exist", out)
	}
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	for _, t := range targets {
		path := filepath.Join(out, t.goos+"-"+t.goarch, t.name)
		if err := t.build(ctx, root, version, path); err != nil {
			return err
		}
		if err := writeBill(path, version); err != nil {
			return err
		}
	}
	for goarch := range lambdaArchitectures {
		built := filepath.Join(out, "linux-"+goarch)
		if _, err := os.Stat(filepath.Join(built, "discover")); err != nil {
			continue // not among the targets
		}
		if err := writeDeployable(root, built, goarch); err != nil {
			return err
		}
	}
	return writeSums(out)
}

// build leaves out what differs from one machine to the next: paths, the state of
// the repository, symbols, a C library.
func (t target) build(ctx context.Context, root, version, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags="+t.tags,
		"-ldflags=-s -X github.com/bifrost-archive/bifrost/internal/wiring.Version="+version, "-o", path, "./"+t.pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS="+t.goos, "GOARCH="+t.goarch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for %s/%s: %w\n%s", t.pkg, t.goos, t.goarch, err, out)
	}
	return nil
}

// writeSums writes SHA256SUMS, as sha256sum --check reads it.
func writeSums(dir string) error {
	var lines []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(content), filepath.ToSlash(name)))
		return err
	})
	if err != nil {
		return fmt.Errorf("sum up %s: %w", dir, err)
	}
	slices.Sort(lines)
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(strings.Join(lines, "")), 0o644)
}
