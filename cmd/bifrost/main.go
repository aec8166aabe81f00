// Bifrost is the command that people run beside the stack: to see how the archive
// stands, to read records back, to check it, and to bring it back into Kafka.
//
// One file holds one command. Reading the archive is internal/readback, writing
// it back is internal/replay, the rules are internal/bifrost; what is here takes
// flags, calls them, and shows the answer. What commands share is in the packages
// under internal. Data goes to standard output, all
// other words go to standard error. docs/cli.md describes it for its users.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path"
	"syscall"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
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
	return executeCommand(ctx, app.New(os.Stdin, os.Stdout, os.Stderr), args)
}

// executeCommand runs a command and says what was wrong.
func executeCommand(ctx context.Context, a *app.App, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = a.OutputError()
	}
	err = settings.ExplainCredentials(err)
	code := exitCode(ctx, err)
	if err != nil && code != exitOK {
		fmt.Fprintf(a.Talk, "bifrost: %s\n", human.InNumber(human.Visible(human.PlainError(err.Error()))))
		if rest := command.Annotations[app.GoingOn]; rest != "" &&
			(code == exitInterrupted || errors.Is(err, syscall.ENOSPC)) {
			fmt.Fprintln(a.Talk, rest)
		}
		if code == exitUsage {
			fmt.Fprintf(a.Talk, "%s --help tells more\n", command.CommandPath())
		}
	}
	return code
}

func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE):
		// Whoever read the output has seen enough: head, less.
		return exitOK
	case usage.Is(err), errors.Is(err, path.ErrBadPattern): // of a glob, which people give
		return exitUsage
	case app.IsUnhealthy(err):
		return exitUnhealthy
	case ctx.Err() != nil:
		return exitInterrupted
	}
	return exitFailure
}
