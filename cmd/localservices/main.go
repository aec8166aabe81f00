// Localservices runs Bifrost on one machine, for its developers: the Makefile's
// commands up, down, demo and test stand on it.
//
//	localservices install [PART …]  install the parts that are pinned, into .local
//	localservices build DIR [PROC]  build the functions for AWS, for arm64 or x86_64
//	localservices up                start the stack, or update the one that runs
//	localservices down              stop the stack
//	localservices demo              show the main job from end to end, and clean up
//	localservices produce TOPIC     write lines of standard input to a topic, as records
//	localservices second            run a second, empty cluster, to restore into
//	localservices run COMMAND ...   run a command beside the parts that tests need
//
// The environment variable KAFKA says which cluster up, demo and second use: empty for
// Apache Kafka, "embedded" for franz-go's kfake, or host:port of a cluster that
// runs already.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

var commands = map[string]func(ctx context.Context, args []string) error{
	"install": install,
	"build":   build,
	"up":      up,
	"down":    down,
	"demo":    demo,
	"produce": produceTo,
	"run":     run,
	"second":  second,
	"kfake":   serveKfake,
}

var errUsage = errors.New("usage: localservices install|up|down|demo|second, localservices build DIR [arm64|x86_64], " +
	"localservices produce TOPIC, or localservices run COMMAND")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := dispatch(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	command, err := commandOf(args)
	if err != nil {
		return err
	}
	return command(ctx, args[1:])
}

// commandOf is the command that the arguments name. None has flags, so what looks like one asks
// for help: it is no topic, nor a part.
func commandOf(args []string) (func(ctx context.Context, args []string) error, error) {
	if len(args) == 0 || commands[args[0]] == nil || len(args) > 1 && strings.HasPrefix(args[1], "-") {
		return nil, errUsage
	}
	return commands[args[0]], nil
}
