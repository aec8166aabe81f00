// Package architecture holds no code: its tests read the source of all others
// and hold it to the rules of docs/architecture.md.
package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/bifrost-archive/bifrost"
)

// An allowance says what the packages whose path begins with Package may import
// beside the standard library. Own packages are named from the module's root.
// The first allowance that fits a package counts.
type allowance struct {
	pkg     string
	own     []string // packages of this module
	foreign []string // prefixes of other modules' packages
}

var (
	awsSDK = "github.com/aws/aws-sdk-go-v2"
	smithy = "github.com/aws/smithy-go"
)

// allowances is the picture of docs/architecture.md as data. What is not listed
// fails, so that a new package has to be given its place.
var allowances = []allowance{
	{"baldr/internal/deflate", nil, []string{"github.com/klauspost/compress"}},
	{"baldr", nil, []string{"github.com/klauspost/compress"}},
	{"internal/architecture", nil, nil},
	{"internal/bifrosttest", []string{"baldr", "internal/bifrost"}, nil},
	{"internal/parallel", nil, []string{"golang.org/x/sync/errgroup"}},
	{"internal/bifrost", []string{"baldr", "internal/parallel"}, nil},
	{"internal/verify", []string{"baldr", "internal/bifrost", "internal/capture", "internal/parallel"}, nil},
	{"internal/health", []string{"internal/bifrost"}, nil},
	{"internal/repair", []string{"baldr", "internal/bifrost", "internal/parallel", "internal/verify"}, nil},
	{"internal/capture", []string{"internal/bifrost"}, nil},
	{"internal/recordbatch", []string{"baldr"}, []string{"github.com/twmb/franz-go/pkg/kmsg", "github.com/klauspost/compress", "github.com/pierrec/lz4"}},
	{"internal/kafka", []string{"baldr", "internal/bifrost", "internal/capture", "internal/recordbatch"}, []string{"github.com/twmb/franz-go", "golang.org/x/oauth2"}},
	{"internal/s3store", []string{"internal/bifrost"}, []string{awsSDK + "/service/s3", awsSDK + "/aws", smithy, "github.com/minio/crc64nvme"}},
	{"internal/dynamoledger", []string{"baldr", "internal/bifrost", "internal/parallel"}, []string{awsSDK + "/service/dynamodb", awsSDK + "/feature/dynamodb", awsSDK + "/aws", smithy}},
	{"internal/lambdadispatch", []string{"internal/bifrost"}, []string{awsSDK + "/service/lambda", awsSDK + "/aws"}},
	{"internal/awsmeter", nil, []string{awsSDK + "/aws", smithy}},
	{"internal/secretsmanager", nil, []string{awsSDK + "/service/secretsmanager", awsSDK + "/aws", smithy}},
	{"internal/readback", []string{"baldr", "internal/bifrost", "internal/parallel"}, nil},
	{"internal/gateway", []string{"baldr", "internal/bifrost", "internal/parallel", "internal/readback", "internal/recordbatch"}, []string{"github.com/twmb/franz-go", "github.com/xdg-go/scram", "github.com/prometheus/client_golang", "golang.org/x/sync/semaphore"}},
	{"internal/killtest", nil, nil},
	{"internal/localdispatch", []string{"internal/bifrost"}, nil},
	{"internal/dryrun", []string{"internal/bifrost"}, nil},
	{"internal/scale", []string{"internal/bifrost"}, nil},
	{"internal/replay", []string{"baldr", "internal/bifrost", "internal/parallel", "internal/readback", "internal/recordbatch"}, []string{"github.com/twmb/franz-go"}},
	{"internal/target", []string{"baldr", "internal/bifrost", "internal/parallel", "internal/recordbatch"}, []string{"github.com/twmb/franz-go"}},
	{"internal/export", []string{"baldr", "internal/readback", "internal/bifrost", "internal/parallel", "internal/schema", "internal/zstdframe"}, []string{"github.com/parquet-go/parquet-go", "golang.org/x/sync/semaphore"}},
	{"internal/zstdframe", nil, []string{"github.com/klauspost/compress/huff0", "github.com/cespare/xxhash"}},
	{"internal/schema", []string{"internal/bifrost", "internal/readback"}, []string{"github.com/twmb/avro", "github.com/bufbuild/protocompile", "google.golang.org/protobuf", "github.com/santhosh-tekuri/jsonschema", "github.com/twmb/franz-go/pkg/sr"}},
	{"internal/replayplan", []string{"internal/bifrost", "internal/readback", "internal/replay", "internal/target"}, nil},
	{"internal/restore", []string{"baldr", "internal/readback", "internal/bifrost", "internal/capture", "internal/parallel", "internal/recordbatch", "internal/replay", "internal/target"}, []string{"github.com/twmb/franz-go"}},
	{"internal/job", []string{"baldr", "internal/bifrost", "internal/capture", "internal/export", "internal/parallel", "internal/readback", "internal/recordbatch", "internal/replay", "internal/replayplan", "internal/restore", "internal/schema", "internal/target", "internal/verify"}, []string{"github.com/twmb/franz-go"}},
	{"internal/stepfunctions", nil, []string{awsSDK + "/service/sfn", awsSDK + "/aws"}},
	{"internal/metrics", []string{"internal/bifrost"}, nil},
	{"internal/templates", nil, []string{"go.yaml.in/yaml/v3"}}, // developers only: what tests know of template.yaml
	{"internal/config", []string{"baldr", "internal/bifrost"}, nil},
	{"internal/localservices", nil, []string{"github.com/twmb/franz-go", awsSDK}}, // developers only, never deployed
	{"internal/wiring", []string{"internal/awsmeter", "internal/bifrost", "internal/capture", "internal/config", "internal/kafka", "internal/s3store", "internal/dynamoledger", "internal/lambdadispatch", "internal/metrics", "internal/secretsmanager", "internal/stepfunctions"}, []string{awsSDK, "github.com/twmb/franz-go", "github.com/aws/aws-lambda-go/lambdacontext"}},
	{"functions/job", []string{"internal/config", "internal/export", "internal/job", "internal/wiring"}, []string{"github.com/aws/aws-lambda-go", "github.com/twmb/franz-go"}},
	{"functions", []string{"internal/bifrost", "internal/capture", "internal/config", "internal/wiring"}, []string{"github.com/aws/aws-lambda-go"}},
	{"cmd", []string{"baldr", "internal"}, []string{"github.com", "golang.org/x", "pgregory.net/rapid"}},
}

type source struct {
	pkg  string // directory from the module's root
	name string
	file *ast.File
}

// sources parses every Go file that is not a test.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(files, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		all = append(all, source{pkg: path.Dir(filepath.ToSlash(relative)), name: relative, file: file})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no source files found: the test looks in the wrong place")
	}
	return all
}

func within(pkg, prefix string) bool { return pkg == prefix || strings.HasPrefix(pkg, prefix+"/") }

func withinAny(pkg string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return within(pkg, prefix) })
}

func TestImportsFlowOneWay(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		index := slices.IndexFunc(allowances, func(a allowance) bool { return within(s.pkg, a.pkg) })
		if index < 0 {
			t.Errorf("%s: package %s has no place in the architecture; give it one in allowances and in docs/architecture.md", s.name, s.pkg)
			continue
		}
		for _, spec := range s.file.Imports {
			if imported := strings.Trim(spec.Path.Value, `"`); !allowances[index].allows(imported) {
				t.Errorf("%s imports %s: not allowed in %s", s.name, imported, allowances[index].pkg)
			}
		}
	}
}

func (a allowance) allows(imported string) bool {
	own, isOwn := strings.CutPrefix(imported, module+"/")
	switch {
	case isOwn:
		return withinAny(own, a.own) || within(own, a.pkg)
	case !strings.Contains(strings.Split(imported, "/")[0], "."):
		return true // the standard library
	default:
		return withinAny(imported, a.foreign)
	}
}

// The environment has one reader in what is deployed; developers' tools may look, and what
// starts a test binary as a function.
func TestOnlyConfigReadsTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if within(s.pkg, "internal/config") || within(s.pkg, "internal/localservices") || within(s.pkg, "cmd") ||
			s.pkg == "internal/bifrosttest/runtimefake" {
			continue
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name == "os" && slices.Contains([]string{"Getenv", "LookupEnv", "Environ"}, selector.Sel.Name) {
				t.Errorf("%s reads the environment with os.%s; internal/config does that", s.name, selector.Sel.Name)
			}
			return true
		})
	}
}

// Each function collects garbage by its own memory, and opens its clients once: without the one it is killed
// when much is to do, without the other each invocation connects to everything anew.
func TestFunctionsKnowTheirMemoryAndKeepTheirClients(t *testing.T) {
	t.Parallel()
	functions := 0
	for _, s := range sources(t) {
		if !within(s.pkg, "functions") || s.file.Name.Name != "main" {
			continue
		}
		called := map[string]bool{}
		ast.Inspect(s.file, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok {
				called[selector.Sel.Name] = true
			}
			return true
		})
		functions++
		for _, name := range []string{"LimitMemory", "OpenOnce"} {
			if !called[name] {
				t.Errorf("%s does not call wiring.%s", s.name, name)
			}
		}
	}
	if functions != 3 {
		t.Errorf("%d functions were looked at, want three", functions)
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	comments := map[string]string{}
	for _, s := range sources(t) {
		comments[s.pkg] += s.file.Doc.Text()
	}
	for _, pkg := range slices.Sorted(maps.Keys(comments)) {
		if len(comments[pkg]) < 80 {
			t.Errorf("package %s: its comment says %q; say what it is and what it is for", pkg, strings.TrimSpace(comments[pkg]))
		}
	}
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, declaration := range s.file.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && receiverExported(d) && d.Doc == nil {
					t.Errorf("%s: %s has no comment", s.name, d.Name.Name)
				}
			case *ast.GenDecl:
				checkGroup(t, s.name, d)
			}
		}
	}
}

func receiverExported(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if generic, ok := receiver.(*ast.IndexExpr); ok {
		receiver = generic.X
	}
	name, ok := receiver.(*ast.Ident)
	return ok && name.IsExported()
}

func checkGroup(t *testing.T, file string, d *ast.GenDecl) {
	t.Helper()
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
				t.Errorf("%s: type %s has no comment", file, s.Name.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					t.Errorf("%s: %s has no comment", file, name.Name)
				}
			}
		}
	}
}

// What is at the root is a choice; each entry is named in docs/architecture.md.
func TestNothingElseAtTheRoot(t *testing.T) {
	t.Parallel()
	known := strings.Fields(`functions baldr infra events cmd internal docs template.yaml go.mod go.sum Makefile
		README.md LICENSE CHANGELOG.md CONTRIBUTING.md SECURITY.md`)
	entries, err := filepath.Glob(filepath.Join(root, "*"))
	if err != nil || len(entries) == 0 {
		t.Fatalf("nothing at the root: %v", err)
	}
	for _, entry := range entries {
		if name := filepath.Base(entry); !strings.HasPrefix(name, ".") && !slices.Contains(known, name) {
			t.Errorf("%s stands at the root without a reason in docs/architecture.md", name)
		}
	}
}
