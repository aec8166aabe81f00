// The command serve: lets Kafka clients read the archive.

package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/gateway"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newServe(a *app.App) *cobra.Command {
	s := &serve{App: a}
	c := &cobra.Command{
		Use:     "serve --listen HOST:PORT",
		GroupID: groupRead,
		Short:   "Let Kafka clients read the archive",
		Long: `Serve answers Kafka's protocol from the archive, so that a consumer reads it with
the client it has, at the offsets and times it knows. It can only read. Behind the
archive consumers go on in the live cluster (--brokers), where the positions of
their groups are kept, too: a group that has caught up can move there. A group that
has live members which came through no gateway is refused, unless --groups names it.
With --cold the archive is served alone: consumers assign their partitions then, and
there are no groups.

It listens on this machine alone unless there are --users and TLS, or --insecure:
whoever reads it reads the bucket. Clients that come to a recorded gap are told
TOPIC_AUTHORIZATION_FAILED; the log says which offsets, why, and what to do.
docs/gateway.md says what each client shows.`,
		Example: `  bifrost serve --listen 127.0.0.1:9092
  kafka-console-consumer.sh --bootstrap-server 127.0.0.1:9092 --topic orders --group backfill --from-beginning
  bifrost serve --cold --listen 127.0.0.1:9092
  kafka-console-consumer.sh --bootstrap-server 127.0.0.1:9092 --topic orders --partition 0 --offset earliest
  bifrost serve --listen 0.0.0.0:9093 --advertise archive.example.org:9093 \
      --tls-cert cert.pem --tls-key key.pem --users users.txt`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.run(c.Context()) },
	}
	flags := c.Flags()
	flags.StringVar(&s.listen, "listen", "127.0.0.1:9092", "address to listen on, HOST:PORT")
	flags.StringVar(&s.advertise, "advertise", "", "address that clients connect to, if it is another one")
	flags.StringSliceVar(&s.topics, "topics", nil, "serve these topics only, `GLOBS` with commas between")
	flags.StringSliceVar(&s.exclude, "exclude", nil, "do not serve these topics, `GLOBS` with commas between")
	flags.StringSliceVar(&s.groups, "groups", nil,
		"groups that may be used although they have live members from elsewhere, `GLOBS` with commas between")
	flags.BoolVar(&s.cold, "cold", false, "serve the archive alone, without a live cluster")
	flags.StringVar(&s.users, "users", "", "file that says who may read what; see bifrost serve hash-password")
	flags.StringVar(&s.certificate, "tls-cert", "", "file with the certificate and its chain (PEM)")
	flags.StringVar(&s.key, "tls-key", "", "file with the certificate's key (PEM)")
	flags.BoolVar(&s.insecure, "insecure", false, "listen on other addresses than this machine's without users and TLS")
	flags.BoolVar(&s.skipLost, "skip-lost", false, "pass over recorded gaps as if they had been compacted")
	flags.StringVar(&s.memory, "memory", "512MB", "memory to keep to, 64MB or more")
	flags.StringVar(&s.compression, "compression", "none", "compress what is sent: none, lz4 or zstd")
	flags.StringVar(&s.metrics, "metrics", "", "address for /metrics (Prometheus), /groups and /healthz, HOST:PORT")
	app.CompleteWords(c, "compression", servedCodecs...)
	c.AddCommand(newHashPassword(a))
	return c
}

var servedCodecs = []string{"none", "lz4", "zstd"}

type serve struct {
	*app.App
	listen, advertise, users, certificate, key, memory, compression, metrics string
	topics, exclude, groups                                                  []string
	cold, insecure, skipLost                                                 bool
}

func (s *serve) run(ctx context.Context) error {
	options, err := s.serveOptions()
	if err != nil {
		return err
	}
	role := config.Archiver
	if s.cold {
		role = config.Reader
	}
	parts, err := s.Settings.OpenParts(ctx, role) // its log stays JSON: it runs as a service
	if err != nil {
		if !s.cold {
			err = fmt.Errorf("%w; to serve the archive without a live cluster, say --cold", err)
		}
		return err
	}
	defer parts.Close()
	if options.Live, err = s.liveCluster(ctx, parts); err != nil {
		return err
	}
	options.Catalogue, options.Objects, options.Log = parts.Ledger, parts.Store, parts.Log
	// What is read from the store is garbage soon: the collector has to know the limit. It
	// does not count the program itself, which is some 40 MB.
	debug.SetMemoryLimit(options.Memory / 8 * 7)
	// With one thread, what a client has sent or taken is not noticed while members are inflated.
	runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))
	g, err := gateway.New(ctx, options)
	if errors.Is(err, gateway.ErrOtherCluster) {
		return usage.Of(err)
	}
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	stop, err := s.observeMetrics(g, parts.Log)
	if err != nil {
		return err
	}
	defer stop()
	topics, partitions := g.Partitions()
	if err := s.checkTopics(ctx, parts, topics); err != nil {
		return err
	}
	parts.Log.Info("ready", "address", listener.Addr().String(), "topics", topics, "partitions", partitions)
	if err := g.Serve(ctx, listener); err != nil {
		return err
	}
	parts.Log.Info("ended")
	return nil
}

// checkTopics refuses a name of --topics that nobody has, and says that no topic is served, or none
// for one of the globs: a client would see an empty cluster, and nobody why. What is archived later is
// served, so a glob is no error.
func (s *serve) checkTopics(ctx context.Context, parts *wiring.Parts, served int) error {
	all, err := parts.Ledger.ListProgress(ctx)
	if err != nil {
		return err
	}
	var live []bifrost.Topic
	if !s.cold {
		if _, live, err = parts.Kafka.Topics(ctx); err != nil {
			return err
		}
	}
	where := "the archive or the live cluster"
	if s.cold {
		where = "the archive"
	}
	if err := unknownName(s.topics, all, live, where); err != nil {
		return err
	}
	if len(all) == 0 {
		parts.Log.Warn("nothing is served: the archive has no topics yet")
		return nil
	}
	switch err := readback.CheckRows(ctx, parts.Ledger, all); {
	case errors.Is(err, readback.ErrRowGone):
		parts.Log.Warn("not every partition is served", "cause", err.Error())
	case err != nil:
		return err
	}
	if again := madeAgain(all); len(again) > 0 {
		parts.Log.Info("a topic that was deleted and made again has its name here in its present life; earlier "+
			"lives are served as NAME.ID", "topics", again)
	}
	for _, glob := range s.topics {
		filter, err := bifrost.NewTopicFilter([]string{glob}, nil)
		if err != nil {
			return usage.Errorf("--topics: %w", err)
		}
		if !slices.ContainsFunc(all, func(p bifrost.Progress) bool { return filter.Selects(p.Topic()) }) {
			parts.Log.Warn("nothing in the archive matches a glob of --topics; bifrost topics lists what is there",
				"glob", glob)
		}
	}
	if served == 0 {
		parts.Log.Warn("nothing is served: --topics and --exclude leave out every topic of the archive")
	}
	return nil
}

// unknownName refuses the first of the names, but not of the globs, that neither the archive nor the
// live cluster has.
func unknownName(names []string, archived []bifrost.Progress, live []bifrost.Topic, where string) error {
	var known []string
	for _, p := range archived {
		known = append(known, p.Topic())
	}
	for _, t := range live {
		known = append(known, t.Name)
	}
	for _, name := range names {
		if readback.IsGlob(name) || slices.Contains(known, name) {
			continue
		}
		if len(known) == 0 {
			return fmt.Errorf("--topics %s: no topic is in %s yet", name, where)
		}
		return fmt.Errorf("--topics %s: it is not in %s; there are %s", name, where, readback.SuchAs(known, name))
	}
	return nil
}

// madeAgain lists the topics of which there is more than one life, in order.
func madeAgain(all []bifrost.Progress) (topics []string) {
	lives := map[string]bifrost.TopicID{}
	for _, p := range all {
		if id, some := lives[p.Topic()]; some && id != p.TopicID {
			topics = append(topics, p.Topic())
		}
		lives[p.Topic()] = p.TopicID
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// serveOptions checks the flags.
func (s *serve) serveOptions() (gateway.Options, error) {
	var none gateway.Options
	if s.cold && len(s.groups) > 0 {
		return none, usage.Errorf("--groups and --cold: there are no groups without a live cluster")
	}
	if _, err := bifrost.NewTopicFilter(s.groups, nil); err != nil {
		return none, usage.Errorf("--groups: %w", err)
	}
	filter, err := bifrost.NewTopicFilter(s.topics, s.exclude)
	if err != nil {
		return none, usage.Errorf("--topics, --exclude: %w", err)
	}
	memory, err := human.ParseBytes("--memory", "bytes", s.memory)
	if err != nil {
		return none, err
	}
	if memory < gateway.LeastMemory {
		return none, usage.Errorf("--memory %s: want at least %dMB", s.memory, int64(gateway.LeastMemory)/1_000_000)
	}
	codec, err := recordbatch.ParseCodec(s.compression)
	if err != nil || codec == recordbatch.Gzip || codec == recordbatch.Snappy {
		return none, usage.Errorf("--compression %q: want %s", s.compression, strings.Join(servedCodecs, ", "))
	}
	o := gateway.Options{
		Topics:    filter,
		Advertise: s.advertise,
		SkipLost:  s.skipLost,
		Codec:     codec,
		Memory:    memory,
		Now:       time.Now,
	}
	if o.TLS, err = s.loadTLS(); err != nil {
		return none, err
	}
	if o.Users, err = s.readUsers(); err != nil {
		return none, err
	}
	return o, s.checkListener(o)
}

// liveCluster is the way into the cluster that was archived; nil with --cold.
func (s *serve) liveCluster(ctx context.Context, parts *wiring.Parts) (*gateway.Live, error) {
	if s.cold {
		return nil, nil
	}
	source := config.Target{Brokers: parts.Config.Brokers, Kafka: parts.Config.Kafka, Names: config.SourceSettings}
	options, _, err := parts.Connect(ctx, source)
	if err != nil {
		return nil, err
	}
	return &gateway.Live{Options: options, Groups: s.groups}, nil
}

// checkListener refuses to show the archive to a network by mistake.
func (s *serve) checkListener(o gateway.Options) error {
	host, _, err := net.SplitHostPort(s.listen)
	if err != nil {
		return usage.Errorf("--listen %q: want HOST:PORT", s.listen)
	}
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() || s.insecure || o.TLS != nil && o.Users != nil {
		return nil
	}
	return usage.Errorf("--listen %s: whoever reaches this address could read the archive: give --users, "+
		"--tls-cert and --tls-key, or say --insecure", s.listen)
}

func (s *serve) loadTLS() (*tls.Config, error) {
	if s.certificate == "" && s.key == "" {
		return nil, nil
	}
	if s.certificate == "" || s.key == "" {
		return nil, usage.Errorf("--tls-cert and --tls-key: want both or neither")
	}
	pair, err := tls.LoadX509KeyPair(s.certificate, s.key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert %s, --tls-key %s: %w", s.certificate, s.key, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

func (s *serve) readUsers() (*gateway.Users, error) {
	if s.users == "" {
		return nil, nil
	}
	file, err := os.Open(s.users)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	users, err := gateway.ReadUsers(file)
	if err != nil {
		return nil, fmt.Errorf("--users %s: %w", s.users, err)
	}
	return users, nil
}

// observeMetrics answers Prometheus until stop is called.
func (s *serve) observeMetrics(g *gateway.Gateway, log *slog.Logger) (stop func(), err error) {
	if s.metrics == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", s.metrics)
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w", err)
	}
	server := &http.Server{Handler: g.Observation(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are served no more", "error", err)
		}
	}()
	log.Info("metrics", "address", listener.Addr().String())
	return func() { server.Close() }, nil
}

func newHashPassword(a *app.App) *cobra.Command {
	h := &hashPassword{App: a}
	c := &cobra.Command{
		Use:   "hash-password NAME",
		Short: "Make a line for --users",
		Long: `Hash-password reads a password, from the terminal or as a line of standard input,
and prints the line of a user: salted keys for SCRAM, with which nobody can log in,
and what the user may read.`,
		Example: `  bifrost serve hash-password alice --topics 'orders*,pages'`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return h.run(args[0]) },
	}
	c.Flags().StringSliceVar(&h.topics, "topics", nil, "topics that the user may read, `GLOBS` with commas between")
	c.Flags().StringSliceVar(&h.groups, "groups", nil,
		"consumer groups that the user may use, `GLOBS` with commas between")
	return c
}

type hashPassword struct {
	*app.App
	topics, groups []string
}

func (h *hashPassword) run(name string) error {
	password, err := h.readPassword()
	if err != nil {
		return err
	}
	line, err := gateway.HashPassword(name, password, h.topics, h.groups)
	if err != nil {
		return usage.Errorf("%w", err)
	}
	if len(h.topics) == 0 {
		h.Warn("without --topics %s may read nothing", name)
	}
	_, err = fmt.Fprintln(h.Out, line)
	return err
}

// readPassword asks for it without showing it, twice, or reads a line of what is piped in.
func (h *hashPassword) readPassword() (string, error) {
	file, ok := h.In.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		line, err := bufio.NewReader(h.In).ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", fmt.Errorf("read the password from standard input: %w",
				cmp.Or(err, errors.New("the line is empty")))
		}
		return line, nil
	}
	var typed [2]string
	for i, word := range []string{"Password: ", "Again: "} {
		fmt.Fprint(h.Talk, word)
		read, err := term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(h.Talk)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		typed[i] = string(read)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ")
	}
	return typed[0], nil
}
