// What CloudFormation needs to deploy a release without this repository.

package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// What CloudFormation needs to deploy a release, without Go, without sam and without
// this repository, lies in a folder of its own beside the programs: all functions as
// Lambda takes them, and the templates, which name where somebody has put the folder.
const deployFolder = "deploy"

// writeDeployable makes the folder for a processor, if all functions were built for it.
func writeDeployable(root, built, goarch string) error {
	folder := filepath.Join(built, deployFolder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("deployable functions: %w", err)
	}
	for _, function := range []string{"discover", "archive", "job"} {
		program := filepath.Join(built, function, "bootstrap")
		if err := writeZip(filepath.Join(folder, function+".zip"), program); err != nil {
			return err
		}
	}
	for _, name := range []string{"athena.yaml", "data.yaml", "jobs.yaml", "observability.yaml"} {
		text, err := os.ReadFile(filepath.Join(root, "infra", name))
		if err != nil {
			return fmt.Errorf("packaged template: %w", err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return fmt.Errorf("packaged template: %w", err)
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		return fmt.Errorf("packaged template: %w", err)
	}
	if text, err = packaged(text, goarch); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "template.yaml"), text, 0o644)
}

// writeZip packs a program as the handler of a function: one file, which may be run,
// with no time of its own.
func writeZip(to, program string) error {
	content, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("deployable functions: %w", err)
	}
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	header := &zip.FileHeader{
		Name:     "bootstrap",
		Method:   zip.Deflate,
		Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	header.SetMode(0o755)
	file, err := w.CreateHeader(header)
	if err == nil {
		_, err = file.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("deployable functions: %s: %w", to, err)
	}
	return os.WriteFile(to, packed.Bytes(), 0o644)
}

// lambdaArchitectures are Go's processors as Lambda calls them.
var lambdaArchitectures = map[string]string{"arm64": "arm64", "amd64": "x86_64"}

// codeParameters say where the folder is. They have no default: nobody else's bucket
// is one.
const codeParameters = `
  CodeBucket:
    Type: String
    Description: Bucket, in the region of the stack, that this template and what lies beside it were copied to.
    AllowedPattern: ^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$
    ConstraintDescription: must be the name of a bucket.
  CodePrefix:
    Type: String
    Description: What their keys begin with, with a slash at the end, such as bifrost/v1.2.3/. Another one for each version.
    AllowedPattern: ^([A-Za-z0-9._-]+/)*$
    ConstraintDescription: must be empty or end in a slash.`

// packaged is template.yaml with the places of functions and nested templates by these
// parameters, for a processor as Go calls it.
func packaged(template []byte, goarch string) ([]byte, error) {
	text := string(template)
	edit := func(old, new string) error {
		if n := strings.Count(text, old); n != 1 {
			return fmt.Errorf("packaged template: %q is there %d times, want once", strings.TrimSpace(old), n)
		}
		text = strings.Replace(text, old, new, 1)
		return nil
	}
	edits := [][2]string{
		{"\nParameters:", "\nParameters:" + codeParameters},
		{"    Architectures: [arm64]\n", "    Architectures: [" + lambdaArchitectures[goarch] + "]\n"},
	}
	for _, function := range []string{"discover", "archive", "job"} {
		edits = append(edits, [2]string{"      CodeUri: functions/" + function + "\n",
			"      CodeUri:\n        Bucket: !Ref CodeBucket\n        Key: !Sub ${CodePrefix}" + function + ".zip\n"})
	}
	for _, nested := range []string{"infra/athena.yaml", "infra/data.yaml", "infra/jobs.yaml", "infra/observability.yaml"} {
		edits = append(edits, [2]string{"      TemplateURL: " + nested + "\n",
			"      TemplateURL: !Sub " +
				"https://s3.${AWS::Region}.amazonaws.com/${CodeBucket}/${CodePrefix}" + path.Base(nested) + "\n"})
	}
	for _, e := range edits {
		if err := edit(e[0], e[1]); err != nil {
			return nil, err
		}
	}
	return []byte(text), nil
}
