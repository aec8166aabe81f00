// Bifrost is the command that people run beside the stack: to see how the archive
// stands, to read records back, to check it, and to bring it back into Kafka.
//
// One file holds one command. Reading the archive is internal/archive, writing
// it back is internal/replay, the rules are internal/bifrost; what is here takes
// flags, calls them, and shows the answer. Data goes to standard output, all
// other words go to standard error. docs/cli.md describes it for its users.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// The exit codes. Scripts rely on them, and every command's help lists them.
const (
	exitOK        = 0
	exitFailure   = 1
	exitUsage     = 2
	exitUnhealthy = 3
	// As shells say of a program that a signal ended: 128 and the signal's number.
	exitInterrupted = 130
)

func main() { os.Exit(run(os.Args[1:])) }

// run is the whole program but for its exit.
func run(args []string) int {
	// The first signal asks for an orderly end, the second one ends.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	defer stop()
	// A write to a closed pipe is then an error, which ends the command as any
	// other end does, and not a signal that ends the process.
	signal.Ignore(syscall.SIGPIPE)
	root := newRoot(newApp(os.Stdin, os.Stdout, os.Stderr))
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	code := exitCode(ctx, err)
	if err != nil && code != exitOK && !errors.Is(err, errSilent) {
		fmt.Fprintf(os.Stderr, "bifrost: %s\n", visible(err.Error()))
		if code == exitUsage {
			fmt.Fprintf(os.Stderr, "%s --help tells more\n", command.CommandPath())
		}
	}
	return code
}

// errSilent marks an error whose words are out already: a table that shows what
// is wrong needs no more.
var errSilent = errors.New("")

// errUnhealthy ends a command that did its work and found something wrong.
var errUnhealthy = fmt.Errorf("unhealthy%w", errSilent)

// A usageError is a mistake on the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func exitCode(ctx context.Context, err error) int {
	var usage usageError
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE):
		// Whoever read the output has seen enough: head, less.
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errUnhealthy):
		return exitUnhealthy
	case ctx.Err() != nil:
		return exitInterrupted
	}
	return exitFailure
}
