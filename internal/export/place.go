// Where files are written.

package export

import (
	"context"
	"io"
)

// A Place is where files are written. Names are paths with slashes. Several exports
// may write into one place at once.
type Place interface {
	// Create begins a file. Nothing shows of it before Complete.
	Create(ctx context.Context, name string) (File, error)
	// CreateOnce writes a small file if there is none of the name, and answers what
	// is there now.
	CreateOnce(ctx context.Context, name string, content []byte) ([]byte, error)
	// Read reads a small file; bifrost.ErrNotFound when there is none for certain.
	Read(ctx context.Context, name string) ([]byte, error)
	// List returns the names of the files below a folder, whose name ends with a slash.
	List(ctx context.Context, folder string) ([]string, error)
	// Empty reports whether there is nothing at all in the place.
	Empty(ctx context.Context) (bool, error)
	// String names the place for people.
	String() string
}

// A File is a file on its way.
type File interface {
	io.Writer
	// Complete makes the file visible, durable and whole. That there is one of the
	// name already is no error: it has the same records.
	Complete(ctx context.Context) error
	// Abort gives up a file that is not complete, and does nothing to one that is.
	Abort()
}
