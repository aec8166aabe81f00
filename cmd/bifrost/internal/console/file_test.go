package console_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
)

// A file is there whole, under its name, with the rights that it had, or it is as it was before:
// whoever looks in the middle sees no half of it.
func TestAFileIsThereWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name, link := filepath.Join(dir, "report.html"), filepath.Join(dir, "link.html")
	text := func(of string) string {
		content, err := os.ReadFile(of)
		if err != nil {
			return err.Error()
		}
		return string(content)
	}
	put := func(content string, failure error) func(io.Writer) error {
		return func(w io.Writer) error {
			before := text(name)
			if _, err := io.WriteString(w, strings.Repeat(content, 100_000)); err != nil {
				return err
			}
			if got := text(name); got != before {
				t.Errorf("in the middle there are %d bytes, before %d", len(got), len(before))
			}
			return failure
		}
	}
	failure := errors.New("killed")
	if err := console.WriteFile(name, put("a", failure)); !errors.Is(err, failure) {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, err := range []error{console.WriteFile(name, put("a", nil)), os.Chmod(name, 0o640), os.Symlink("report.html", link),
		console.WriteFile(link, put("b", nil))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := console.WriteFile(name, put("c", failure)); !errors.Is(err, failure) || !strings.HasPrefix(text(name), "bbb") {
		t.Errorf("error %v, content %.3s", err, text(name))
	}
	info, err := os.Lstat(name)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if info, err = os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, error %v", info.Mode(), err)
	}
	if err := console.WriteFile("/dev/full", put("d", nil)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk: %v", err)
	}
	if err := console.WriteFile(filepath.Join(dir, "none", "x"), put("e", nil)); err == nil {
		t.Error("a folder that is not there is no error")
	}
}
