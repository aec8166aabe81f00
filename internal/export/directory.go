// Exports into a directory.

package export

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// directory is a directory of this machine. Files are written under another name
// and linked to their own, which fails if there is one.
type directory struct{ root string }

// InDirectory returns the place of a directory, which need not be there yet. What
// exports that were killed have left unfinished for more than a day is removed.
func InDirectory(root string) (Place, error) {
	d := &directory{root}
	folder := d.pathOf(unfinishedFolder)
	left, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range left {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			err := os.Remove(filepath.Join(folder, entry.Name()))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	return d, nil
}

// unfinishedFolder holds files that are not complete.
const unfinishedFolder = ownFolder + "unfinished"

func (d *directory) pathOf(name string) string {
	return filepath.Join(d.root, filepath.FromSlash(name))
}

func (d *directory) String() string { return d.root }

// Create implements Place.
func (d *directory) Create(_ context.Context, name string) (File, error) {
	folder := d.pathOf(unfinishedFolder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(folder, path.Base(name)+".*")
	if err != nil {
		return nil, err
	}
	return &directoryFile{File: file, to: d.pathOf(name)}, nil
}

// CreateOnce implements Place.
func (d *directory) CreateOnce(ctx context.Context, name string, content []byte) ([]byte, error) {
	file, err := d.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	defer file.Abort()
	if _, err := file.Write(content); err != nil {
		return nil, err
	}
	if err := file.Complete(ctx); err != nil {
		return nil, err
	}
	return d.Read(ctx, name)
}

// Read implements Place.
func (d *directory) Read(_ context.Context, name string) ([]byte, error) {
	content, err := os.ReadFile(d.pathOf(name))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", bifrost.ErrNotFound, err)
	}
	return content, err
}

// List implements Place.
func (d *directory) List(_ context.Context, folder string) (names []string, err error) {
	err = filepath.WalkDir(d.pathOf(folder), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(d.root, name)
		names = append(names, filepath.ToSlash(relative))
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return names, err
}

// Empty implements Place.
func (d *directory) Empty(context.Context) (bool, error) {
	entries, err := os.ReadDir(d.root)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	// of an export that begins now
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name()+"/" == ownFolder })
	return len(entries) == 0, err
}

type directoryFile struct {
	*os.File
	to string
}

// Complete implements File.
func (f *directoryFile) Complete(context.Context) error {
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.to), 0o755); err != nil {
		return err
	}
	if err := os.Link(f.Name(), f.to); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	folder, err := os.Open(filepath.Dir(f.to))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Abort implements File: the name under which it was written goes in any case.
func (f *directoryFile) Abort() {
	_ = f.Close()
	_ = os.Remove(f.Name())
}
