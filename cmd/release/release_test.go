package main

import (
	"path/filepath"
	"strings"
	"testing"
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
