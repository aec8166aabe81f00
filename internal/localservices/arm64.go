// How functions for arm64 run on another processor.

package localservices

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// installQEMU takes the one program that runs arm64 programs on this machine out of
// a package of the distribution, whatever its version: Debian and Ubuntu have it. It
// has to be the one that needs no libraries: the kernel starts it where there are none.
func installQEMU(ctx context.Context, p Part) error {
	program, err := Tool(p.name)
	if err != nil || exists(program) {
		return err
	}
	// Since Debian 13 the second package has it, and the first one only asks for that.
	return errors.Join(os.MkdirAll(filepath.Dir(program), 0o755), firstError(
		func() error { return takeProgram(ctx, "qemu-user-static", "qemu-aarch64-static", program) },
		func() error {
			if exists(program) {
				return nil
			}
			return takeProgram(ctx, "qemu-user", "qemu-aarch64", program)
		},
		func() error {
			if !exists(program) {
				return errors.New("neither of the packages qemu-user-static and qemu-user has a program for arm64")
			}
			return nil
		},
	))
}

// takeProgram copies a program out of a package, unless the package has none.
func takeProgram(ctx context.Context, name, program, to string) error {
	dir, err := runDir("package")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := downloadPackage(ctx, dir, name); err != nil {
		return fmt.Errorf("get the package %s of Debian or Ubuntu (elsewhere put a static %s there yourself): %w",
			name, to, err)
	}
	script := `cd "$0" && dpkg-deb --fsys-tarfile *.deb | tar -x --wildcards "./usr/bin/$1" 2>/dev/null; exit 0`
	if err := command(ctx, nil, "sh", "-c", script, dir, program); err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(dir, "usr", "bin", program))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("localservices: %w", err)
	}
	return os.WriteFile(to, content, 0o755)
}

// downloadPackage puts the package of a distribution into a folder. Where the lists
// of packages are missing or too old, it fetches lists of its own.
func downloadPackage(ctx context.Context, dir, name string) error {
	script := `cd "$0" && apt-get -qq download "$1" 2>/dev/null && exit
		mkdir -p state/lists/partial cache/archives/partial &&
		set -- "$1" -o Dir::State="$0/state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$0/cache" &&
		package=$1 && shift && apt-get -qq "$@" update && apt-get -qq "$@" download "$package"`
	return command(ctx, nil, "sh", "-c", script, dir, name)
}

// binfmt is where Linux is told which program runs which other ones.
const (
	binfmt     = "/proc/sys/fs/binfmt_misc"
	binfmtName = "bifrost-arm64"
)

// RegisterARM64 has the kernel run programs for arm64 by QEMU, so that deployed
// functions for arm64 start as processes. On a machine that can do so already it
// changes nothing. It needs root; the returned function undoes it.
func RegisterARM64(ctx context.Context) (undo func() error, err error) {
	undo = func() error { return nil }
	if runtime.GOARCH == "arm64" {
		return undo, nil
	}
	if err := Install(ctx, nil, PartQEMU); err != nil {
		return nil, err
	}
	if !exists(filepath.Join(binfmt, "register")) {
		if err := command(ctx, nil, "mount", "-t", "binfmt_misc", "binfmt_misc", binfmt); err != nil {
			return nil, fmt.Errorf("localservices: functions for arm64 cannot start here: Linux has no binfmt_misc, "+
				"or only root may mount it: %w", err)
		}
	}
	known, err := filepath.Glob(filepath.Join(binfmt, "*aarch64*"))
	if err != nil || len(known) > 0 || exists(filepath.Join(binfmt, binfmtName)) {
		return undo, err
	}
	program, err := Tool(PartQEMU.name)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(binfmt, "register"), binfmtEntry(program), 0o200); err != nil {
		return nil, fmt.Errorf("localservices: functions for arm64 cannot start here: only root may register %s: %w",
			program, err)
	}
	return func() error { return os.WriteFile(filepath.Join(binfmt, binfmtName), []byte("-1"), 0o200) }, nil
}

// binfmtEntry says that a program runs every executable of arm64: ELF with 64 bits,
// little endian, machine 183, linked statically or not (Linux, "Kernel Support for
// miscellaneous Binary Formats"). F opens the program now, for whoever starts later.
func binfmtEntry(program string) []byte {
	magic := []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00")
	mask := []byte("\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff")
	return fmt.Appendf(nil, ":%s:M::%s:%s:%s:F", binfmtName, escaped(magic), escaped(mask), program)
}

// escaped writes each byte as the kernel reads it.
func escaped(bytes []byte) (text string) {
	for _, b := range bytes {
		text += fmt.Sprintf(`\x%02x`, b)
	}
	return text
}
