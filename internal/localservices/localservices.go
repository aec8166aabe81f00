// Package localservices starts the real parts that Bifrost talks to, on this
// machine and without containers: Apache Kafka, DynamoDB Local, versitygw as S3,
// and ministack, a local AWS that a SAM template can be deployed to.
//
// Every part is pinned to one version and installed on first use into the folder
// .local at the root of the repository, which git ignores. What has to be there
// already is what the README asks for: Go, Python 3.11, a JDK 17 and Maven.
//
// Tests ask for a part and get its address:
//
//	broker := localservices.Kafka(t)          // "127.0.0.1:21734"
//	ledger := dynamodb.NewFromConfig(localservices.DynamoDB(t).Config())
//	store := s3.NewFromConfig(localservices.S3(t).Config())
//
// All tests of one test binary share one part of a kind, so they name their
// topics, tables and buckets apart. A whole run of go test shares them too when
// it runs under "localservices run", which starts the parts once and hands their
// addresses down in the environment. A test that has to stop or to configure a
// broker starts its own with [StartKafka].
//
// No part outlives its owner: a watchdog process ends it, by its process group,
// as soon as the process that started it is gone, however that came about.
package localservices

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Root returns the root of the repository: the nearest folder, from the working
// directory upwards, that holds go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("localservices: find the repository: %w", err)
	}
	for start := dir; ; {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("localservices: no go.mod in %s or above it: run inside the repository", start)
		}
		dir = parent
	}
}

// local returns a path inside the .local folder.
func local(elem ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return filepath.Join(append([]string{root, ".local"}, elem...)...), nil
}

// runDir makes a new folder under .local/run for one part's data and log.
func runDir(name string) (string, error) {
	parent, err := local("run")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("localservices: %w", err)
	}
	dir, err := os.MkdirTemp(parent, name+"-")
	if err != nil {
		return "", fmt.Errorf("localservices: %w", err)
	}
	return dir, nil
}

// errExited reports a part that ended by itself.
var errExited = errors.New("the process ended by itself")
