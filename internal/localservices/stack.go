// The whole stack on this machine.

package localservices

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// A Step runs one step of a longer job under a name for people to read, and may
// print it and take its time.
type Step func(what string, do func() error) error

// Quietly runs a step without a word.
func Quietly(_ string, do func() error) error { return do() }

// StackOptions say what to start.
type StackOptions struct {
	// Kafka is "" for Apache Kafka, "embedded" for franz-go's kfake, or host:port
	// of a cluster that runs already, several with commas between them.
	Kafka string
	// KafkaSecret is kept in the local AWS's Secrets Manager for the functions; the
	// parameter KafkaSecretArn follows. Empty keeps none.
	KafkaSecret string
	// Parameters of the template, over the ones of a local stack.
	Parameters map[string]string
	// Architecture is the processor that the functions are built for, as Lambda calls
	// it. Empty is this machine's; another one has to be known to its kernel
	// ([RegisterARM64]).
	Architecture string
	// Source is the root of the source tree that is deployed. Empty is this repository.
	Source string
	// Step is told of each step. Nil is [Quietly].
	Step Step
	// Installing is told of each part that is missing, before it is installed.
	Installing func(Part)
}

func (o StackOptions) step() Step {
	if o.Step == nil {
		return Quietly
	}
	return o.Step
}

// A Stack is the whole of Bifrost on this machine: a local AWS with template.yaml
// deployed to it, and a Kafka cluster.
type Stack struct {
	AWS     Endpoint
	Brokers string            // host:port, with commas between them
	Outputs map[string]string // of the template
	Group   string            // first element of every key

	kafka string // as in the options
	parts []*process
	dir   string // of the built functions

	build      build
	template   string            // as built
	parameters map[string]string // as deployed last
	settings   map[string]string // variables of the discover function, as deployed last
}

// stackName is the name of the stack on every local AWS. Each has an AWS of its own.
const stackName = "bifrost"

// Kinds of Kafka that a stack can have, beside addresses.
const (
	apacheKafka   = ""
	embeddedKafka = "embedded"
)

// StartStack starts a Kafka cluster and a local AWS, builds the functions and
// deploys template.yaml. It returns when all is ready; stop it with [Stack.Remove].
func StartStack(ctx context.Context, options StackOptions) (*Stack, error) {
	if runtime.GOOS != "linux" {
		return nil, errors.New("localservices: the local AWS runs the functions as Lambda does, " +
			"as programs for Linux: use a Linux machine")
	}
	s := &Stack{kafka: options.Kafka}
	if err := s.start(ctx, options); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context, options StackOptions) error {
	step := options.step()
	return firstError(
		func() error {
			return step("install what is missing into .local",
				func() error { return s.install(ctx, options.Installing) })
		},
		func() error {
			return step("start Kafka: "+describeKafka(s.kafka), func() error { return s.startKafka(ctx) })
		},
		func() error {
			return step("start a local AWS (ministack "+ministackVersion+")", func() error { return s.startAWS(ctx) })
		},
		func() error { return s.deploy(ctx, options) },
	)
}

// firstError calls one function after the other until one fails.
func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) install(ctx context.Context, installing func(Part)) error {
	parts := []Part{PartAWS, PartSAM}
	if s.kafka == apacheKafka {
		parts = append(parts, PartKafka)
	}
	return Install(ctx, installing, parts...)
}

func describeKafka(kafka string) string {
	switch kafka {
	case apacheKafka:
		return "Apache Kafka " + kafkaVersion
	case embeddedKafka:
		return "the one embedded in franz-go"
	}
	return "the cluster at " + kafka
}

func (s *Stack) startKafka(ctx context.Context) error {
	switch s.kafka {
	case apacheKafka:
		broker, err := StartKafka(ctx, KafkaOptions{})
		if err != nil {
			return err
		}
		s.parts, s.Brokers = append(s.parts, broker.process), broker.Addr()
		return nil
	case embeddedKafka:
		p, brokers, err := startEmbeddedKafka(ctx)
		if err != nil {
			return err
		}
		s.parts, s.Brokers = append(s.parts, p), brokers
		return nil
	}
	s.Brokers = s.kafka
	if err := PingKafka(ctx, strings.Split(s.Brokers, ",")...); err != nil {
		return fmt.Errorf("localservices: no Kafka cluster answers at %s: %w", s.Brokers, err)
	}
	return nil
}

// startEmbeddedKafka starts kfake in a process of its own, by this program's
// command "kfake".
func startEmbeddedKafka(ctx context.Context) (*process, string, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, "", fmt.Errorf("localservices: start kfake: %w", err)
	}
	dir, err := runDir("kfake")
	if err != nil {
		return nil, "", err
	}
	port, err := FreePort()
	if err != nil {
		return nil, "", err
	}
	p, err := launch{name: "kfake", dir: dir, args: []string{program, "kfake", strconv.Itoa(port)}}.start()
	if err != nil {
		return nil, "", err
	}
	ready := func(ctx context.Context) error { return PingKafka(ctx, address(port)) }
	if err := p.waitFor(ctx, ready); err != nil {
		return nil, "", errors.Join(err, p.remove())
	}
	return p, address(port), nil
}

func (s *Stack) startAWS(ctx context.Context) error {
	server, err := StartAWS(ctx)
	if err != nil {
		return err
	}
	s.parts, s.AWS = append(s.parts, server.process), server.Endpoint
	return nil
}

// deploy builds the functions and deploys the template, or updates the stack.
// The parameters go over those of a local stack: all there is is archived on
// every tick, and the tables may be deleted.
func (s *Stack) deploy(ctx context.Context, options StackOptions) error {
	step, parameters := options.step(), options.Parameters
	all := map[string]string{
		"Brokers":            s.Brokers,
		"MaxAgeSeconds":      "0",
		"FencePauseSeconds":  "5",
		"DeletionProtection": "false",
	}
	for name, value := range parameters {
		all[name] = value
	}
	s.Group = "bifrost" // the template's default
	if group, ok := parameters["Group"]; ok {
		s.Group = group
	}
	s.parameters = all
	var err error
	if s.build, err = options.build(); err != nil {
		return err
	}
	return firstError(
		func() (err error) {
			if options.KafkaSecret != "" {
				all["KafkaSecretArn"], err = keepSecret(ctx, s.AWS, options.KafkaSecret)
			}
			return err
		},
		func() (err error) {
			if s.dir == "" {
				s.dir, err = runDir("build")
			}
			return err
		},
		func() error {
			return step("build the functions (sam build)", func() (err error) {
				s.template, err = s.build.into(ctx, filepath.Join(s.dir, "sam"))
				return err
			})
		},
		func() error {
			return step("deploy the template (sam deploy)", func() error { return s.redeploy(ctx, s.template) })
		},
	)
}

// build is what the options ask to be built.
func (o StackOptions) build() (b build, err error) {
	b = build{source: o.Source, architecture: cmp.Or(o.Architecture, architecture())}
	if b.source == "" {
		b.source, err = Root()
	}
	return b, err
}

func (s *Stack) redeploy(ctx context.Context, template string) (err error) {
	if err := samDeploy(ctx, s.AWS, stackName, template, s.parameters); err != nil {
		return err
	}
	if s.Outputs, err = samOutputs(ctx, s.AWS, stackName); err != nil {
		return err
	}
	if s.settings, err = functionSettings(ctx, s.AWS, s.Outputs["DiscoverFunction"]); err != nil {
		return err
	}
	return completeStorage(ctx, s.AWS, s.Outputs, s.parameters["DeletionProtection"] == "true")
}

// Update deploys what is deployed with other values of some parameters.
func (s *Stack) Update(ctx context.Context, parameters map[string]string) error {
	maps.Copy(s.parameters, parameters)
	return s.redeploy(ctx, s.template)
}

// Upgrade deploys functions that call themselves another version. The empty one
// goes back to those that were deployed first.
func (s *Stack) Upgrade(ctx context.Context, version string) error {
	template := s.template
	if version != "" {
		b := s.build
		b.version = version
		var err error
		if template, err = b.into(ctx, filepath.Join(s.dir, "sam-"+version)); err != nil {
			return err
		}
	}
	return s.redeploy(ctx, template)
}

// Deploy deploys the source tree at root over what is deployed, with the same
// parameters, as somebody does who upgrades or goes back.
func (s *Stack) Deploy(ctx context.Context, root string) error {
	built, err := runDir("upgrade")
	if err != nil {
		return err
	}
	defer os.RemoveAll(built)
	b := s.build
	b.source = root
	template, err := b.into(ctx, filepath.Join(built, "sam"))
	if err != nil {
		return err
	}
	return s.redeploy(ctx, template)
}

// Env returns the variables that an outside program needs to find the stack, and all
// that its functions were given: what runs beside them decides as they do. Their names
// are a contract.
func (s *Stack) Env() []string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(s.settings)) {
		env = append(env, name+"="+s.settings[name])
	}
	return slices.Concat(env, []string{
		"BIFROST_JOB_MACHINE=" + s.Outputs["JobMachine"],
		"BIFROST_DISCOVER_FUNCTION=" + s.Outputs["DiscoverFunction"],
	}, s.AWS.Env())
}

// Remove stops every part of the stack and removes its data.
func (s *Stack) Remove() error {
	var failed []error
	for _, p := range s.parts {
		failed = append(failed, p.remove())
	}
	if s.dir != "" {
		failed = append(failed, os.RemoveAll(s.dir))
	}
	return errors.Join(failed...)
}

// release lets the parts outlive this process.
func (s *Stack) release() {
	for _, p := range s.parts {
		p.watchdog.dismiss()
		p.watchdog = nil
	}
}

// remove kills the process and removes its folder.
func (p *process) remove() error {
	return errors.Join(p.stop(syscall.SIGKILL), os.RemoveAll(p.dir))
}
