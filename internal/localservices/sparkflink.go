// Engines that read Kafka.

package localservices

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
)

// opened are the packages of Java 17 that Spark looks into (org.apache.spark.launcher.JavaModuleOptions).
var opened = []string{"java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio",
	"java.util", "java.util.concurrent", "java.util.concurrent.atomic", "sun.nio.ch", "sun.nio.cs",
	"sun.security.action", "sun.util.calendar"}

// SparkProgram returns a command that runs a Java source file with Spark, on this machine.
func SparkProgram(ctx context.Context, source string, args ...string) (*exec.Cmd, error) {
	if err := Install(ctx, nil, PartSpark); err != nil {
		return nil, err
	}
	options := []string{"-XX:TieredStopAtLevel=1"}
	for _, name := range opened {
		options = append(options, "--add-opens=java.base/"+name+"=ALL-UNNAMED")
	}
	line, err := java(PartSpark, append(append(options, source), args...)...)
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, line[0], line[1:]...), nil
}

// FlinkProgram compiles a Java source file with one class of the same name, because Flink
// loads classes from files, and returns a command that runs it with Flink, on this machine.
func FlinkProgram(t testing.TB, source string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, classes := t.Context(), t.TempDir()
	if err := Install(ctx, nil, PartFlink); err != nil {
		t.Fatal(err)
	}
	jars, err := PartFlink.folder()
	if err != nil {
		t.Fatal(err)
	}
	libraries := filepath.Join(jars, "*")
	if out, err := exec.CommandContext(ctx, "javac", "-cp", libraries, "-d", classes, source).CombinedOutput(); err != nil {
		t.Fatalf("compile %s: %v\n%s", source, err, out)
	}
	name := filepath.Base(source)
	class := name[:len(name)-len(filepath.Ext(name))]
	line, err := java(PartFlink, append([]string{"-XX:TieredStopAtLevel=1",
		"-cp", classes + string(filepath.ListSeparator) + libraries, class}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(ctx, line[0], line[1:]...)
}
