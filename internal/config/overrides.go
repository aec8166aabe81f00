// What an operator has chosen for some topics.

package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Override is what an operator has chosen for the topics that a glob matches.
type Override struct {
	Glob        string
	TargetBytes int64         // 0: as for all topics
	MaxAge      time.Duration // -1: as for all topics
}

func (c Config) sizing() bifrost.Sizing {
	return bifrost.Sizing{
		TargetBytes: c.TargetBytes,
		MaxAge:      c.MaxAge,
		QuietMaxAge: c.QuietMaxAge,
		NearLoss:    c.TimeToLoss,
	}
}

// overrides fills in what an Override leaves open.
func (c Config) overrides() []bifrost.SizingOverride {
	var all []bifrost.SizingOverride
	for _, o := range c.Overrides {
		sizing := c.sizing()
		if o.TargetBytes > 0 {
			sizing.TargetBytes = o.TargetBytes
		}
		if o.MaxAge >= 0 {
			sizing.MaxAge, sizing.QuietMaxAge = o.MaxAge, 0
		}
		all = append(all, bifrost.SizingOverride{Glob: o.Glob, Sizing: sizing})
	}
	return all
}

// WithoutAges lets no tail wait, whatever the ages of all topics or of some of them are.
func (c Config) WithoutAges() Config {
	c.MaxAge, c.QuietMaxAge, c.Overrides = 0, 0, slices.Clone(c.Overrides)
	for i := range c.Overrides {
		c.Overrides[i].MaxAge = 0
	}
	return c
}

// LargestTarget is the size of the largest objects, in raw bytes.
func (c Config) LargestTarget() int64 {
	largest := c.TargetBytes
	for _, o := range c.Overrides {
		largest = max(largest, o.TargetBytes)
	}
	return largest
}

// readOverrides reads glob:setting=value,setting=value;glob:…
func readOverrides(value string, c *Config) error {
	for text := range strings.SplitSeq(value, ";") {
		glob, settings, ok := strings.Cut(strings.TrimSpace(text), ":")
		if !ok || glob == "" {
			return fmt.Errorf("%q has no glob and colon before its settings", text)
		}
		o, err := readOverride(glob, settings)
		if err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
		c.Overrides = append(c.Overrides, o)
	}
	return nil
}

func readOverride(glob, settings string) (Override, error) {
	if _, err := bifrost.NewTopicFilter([]string{glob}, nil); err != nil {
		return Override{}, err
	}
	chosen := Config{MaxAge: -1}
	for setting := range strings.SplitSeq(settings, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(setting), "=")
		read, ok := overridable[name]
		if !ok {
			return Override{}, fmt.Errorf("unknown setting %q", name)
		}
		if err := read(value, &chosen); err != nil {
			return Override{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return Override{Glob: glob, TargetBytes: chosen.TargetBytes, MaxAge: chosen.MaxAge}, nil
}

// overridable are the settings that a topic may have of its own, within the
// bounds of the variables for all.
var overridable = map[string]func(string, *Config) error{
	"target_bytes":    readTargetBytes,
	"max_age_seconds": readMaxAge,
}
