// The commands that install, build, start or stop the stack.

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// step prints what is being done and how long it took.
func step(what string, do func() error) error {
	fmt.Printf("• %s … ", what)
	start := time.Now()
	if err := do(); err != nil {
		fmt.Println("failed")
		return err
	}
	fmt.Printf("%.1f s\n", time.Since(start).Seconds())
	return nil
}

func options() localservices.StackOptions {
	return localservices.StackOptions{Kafka: os.Getenv("KAFKA"), Step: step, Installing: announce}
}

// announce names a part before the minutes that its installation may take.
func announce(p localservices.Part) { fmt.Printf("(%v) ", p) }

// install installs the parts that are named, or all.
func install(ctx context.Context, names []string) error {
	parts, err := localservices.Parts(names...)
	if err != nil {
		return err
	}
	report := func(p localservices.Part) { fmt.Printf("• install %v\n", p) }
	return localservices.Install(ctx, report, parts...)
}

// build builds the functions into a folder, for the template's processor or for
// another one.
func build(ctx context.Context, args []string) error {
	if len(args) == 0 || len(args) > 2 {
		return errUsage
	}
	architecture := "arm64"
	if len(args) == 2 {
		architecture = args[1]
	}
	return step("build the functions for "+architecture+" (sam build)", func() error {
		return localservices.Build(ctx, args[0], architecture)
	})
}

// nextSteps are the commands that come after make up, as in the README.
const nextSteps = `
Ready: Kafka at %s, AWS at %s. Next:

  . %s
  go build -o .local/bin/ ./cmd/bifrost && PATH=$PWD/.local/bin:$PATH
  seq -f 'order %%g' 1000 | localservices produce orders
  bifrost flush orders
  bifrost status
  bifrost cat orders --last 3

make second runs another cluster to restore into, make down stops this one.
`

func up(ctx context.Context, _ []string) error {
	s, err := localservices.Up(ctx, options())
	if err != nil {
		return err
	}
	fmt.Printf(nextSteps, s.Brokers, s.AWS.URL, localservices.EnvFile)
	return nil
}

func down(context.Context, []string) error {
	if err := step("stop the stack", localservices.Down); err != nil {
		return err
	}
	fmt.Printf("A shell that has the stack's settings loses them by: . %s\n", localservices.EnvFile)
	return nil
}

// run starts the parts that tests share, once, and runs a command that finds
// their addresses in its environment.
func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	var env []string
	if err := step("start Kafka, DynamoDB Local and versitygw for the tests", func() (err error) {
		env, err = localservices.StartShared(ctx)
		return err
	}); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	return cmd.Run()
}
