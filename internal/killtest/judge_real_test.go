//go:build real

package killtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// judge downloads the archive and has it compared, and verifies it by our own
// command too.
func (s *scene) judge(t *testing.T) {
	t.Helper()
	objects := filepath.Join(s.dir, "objects")
	must(t, os.Mkdir(objects, 0o755))
	all, deletions := versions(t, s.store, s.bucket, 1000)
	for key := range deletions {
		t.Errorf("%s was deleted", key)
	}
	for key, ids := range all {
		if len(ids) > 1 {
			t.Errorf("%s was overwritten: it has the versions %v. What was written there:\n%s", key, ids, s.s3.writesTo(s.bucket, key))
		}
		s.download(t, objects, key)
	}
	arguments := []string{"testdata/compare.py", "../../baldr/testdata", s.truth.file.Name(), objects}
	for p, starts := range s.truth.forgotten {
		text := strings.Trim(strings.ReplaceAll(fmt.Sprint(starts), " ", ","), "[]")
		arguments = append(arguments, fmt.Sprintf("%s/%d=%s", plainTopic, p, text), fmt.Sprintf("%s/%d=", txnTopic, p))
	}
	s.run(t, exec.Command("python3", arguments...))
	s.truth.forgetAgain(t, s.admin)
	verify := exec.Command(s.program, "verify", "--deep", "--kafka")
	verify.Env = s.env
	s.run(t, verify)
}

func (s *scene) run(t *testing.T, command *exec.Cmd) {
	t.Helper()
	output, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(command.Args, " "), err, output)
		return
	}
	t.Logf("%s", bytes.TrimSpace(output))
}

func (s *scene) download(t *testing.T, into, key string) {
	t.Helper()
	object, err := s.store.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	must(t, err)
	defer object.Body.Close()
	var content bytes.Buffer
	_, err = content.ReadFrom(object.Body)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(into, strings.ReplaceAll(key, "/", "|")), content.Bytes(), 0o600))
}
