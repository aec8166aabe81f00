// Whether an argument is a topic or a file.

package recordfmt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// Source decides whether an argument is a topic or a file. How it looks does not
// decide, because a topic may be called events.baldr.gz: it is the topic if the
// archive has it, and otherwise a file that exists.
type Source struct {
	asFile, asTopic bool
}

// AddFlags adds --file and --topic.
func (s *Source) AddFlags(c *cobra.Command) {
	c.Flags().BoolVar(&s.asFile, "file", false, "the arguments are files, whatever topics there are")
	c.Flags().BoolVar(&s.asTopic, "topic", false, "the first argument is a topic, whatever files there are")
}

// topicName matches what may name topics of the archive: an incarnationName, or a glob.
var topicName = regexp.MustCompile(`^[A-Za-z0-9._@*?^\[\]-]+$`)

// incarnationName matches what the archive can have: Kafka allows letters, digits,
// '.', '_' and '-' in a topic's name, and '@' stands before the ID of a later life.
var incarnationName = regexp.MustCompile(`^[A-Za-z0-9._@-]+$`)

// OpenTopic returns the parts and the rows of the topic that the name stands for, and
// no parts if it stands for a file.
func (s *Source) OpenTopic(ctx context.Context, a *app.App, name string) (*wiring.Parts, []bifrost.Progress, error) {
	if s.asFile && s.asTopic {
		return nil, nil, usage.Errorf("--file and --topic: want one of the two, or none")
	}
	if s.asFile || !s.asTopic && (name == "-" || !topicName.MatchString(name)) {
		return nil, nil, nil
	}
	file, statErr := os.Stat(name)
	exists := statErr == nil && !file.IsDir()
	if _, err := config.Load(config.Reader, a.LookupVariable); err != nil && exists && !s.asTopic {
		return nil, nil, nil // there is no archive to ask, and a file needs none
	}
	parts, all, err := openRows(ctx, a)
	if err != nil {
		if exists && !s.asTopic {
			err = fmt.Errorf("whether %s is a topic of the archive is not known, "+
				"--file reads the file of that name: %w", name, err)
		}
		return nil, nil, err
	}
	rows, err := readback.Topics(all, name)
	switch {
	case err == nil:
		a.TellLives(all, settings.NamesOf(rows)...)
		if exists && !s.asTopic {
			a.Warn("%s is the topic of the archive; --file reads the file of that name", name)
		}
		return parts, rows, nil
	case exists && !s.asTopic:
		parts.Close()
		return nil, nil, nil
	case errors.Is(statErr, os.ErrNotExist) && !s.asTopic:
		err = fmt.Errorf("%w; nor is there a file of that name", err)
	}
	parts.Close()
	return nil, nil, err
}

// openRows opens the archive and reads its progress rows.
func openRows(ctx context.Context, a *app.App) (*wiring.Parts, []bifrost.Progress, error) {
	parts, err := a.OpenParts(ctx, config.Reader)
	if err != nil {
		return nil, nil, err
	}
	all, err := parts.Ledger.ListProgress(ctx)
	if err != nil {
		parts.Close()
		return nil, nil, err
	}
	return parts, all, nil
}
