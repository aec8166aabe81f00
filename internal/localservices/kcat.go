// kcat, out of a package of the distribution.

package localservices

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// installKcat unpacks kcat, whatever its version, and the libraries that are not on this
// machine: Debian and Ubuntu have it. Nothing of it is installed outside of .local.
func installKcat(ctx context.Context, p Part) error {
	dir, err := p.folder()
	if err != nil {
		return err
	}
	work, err := runDir("package")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	// The lists of packages may be missing or too old. To lock something needs rights that nobody has to have.
	script := `set -e; cd "$0"; mkdir -p state/lists/partial cache/archives/partial "$1"
		own="-o Dir::State=$0/state -o Dir::State::status=/var/lib/dpkg/status"
		get="install --yes --download-only --reinstall --no-install-recommends kcat"
		options="-qq -o Debug::NoLocking=1 -o Dir::Cache=$0/cache -o APT::Sandbox::User="
		apt-get $options $get || { apt-get $options $own update; apt-get $options $own $get; }
		for package in cache/archives/*.deb; do dpkg-deb -x "$package" "$1"; done`
	if err := command(ctx, nil, "sh", "-c", script, work, dir); err != nil {
		return fmt.Errorf("get the package kcat of Debian or Ubuntu: %w", err)
	}
	return nil
}

// Kcat returns a command that runs kcat.
func Kcat(ctx context.Context, args ...string) (*exec.Cmd, error) {
	dir, err := PartKcat.folder()
	if err != nil {
		return nil, err
	}
	libraries, err := filepath.Glob(filepath.Join(dir, "usr", "lib", "*"))
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, filepath.Join(dir, "usr", "bin", "kcat"), args...)
	command.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
	return command, nil
}
