// Which topics a restore leaves out.

package restore

import (
	"maps"
	"slices"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/replay"
	"github.com/bifrost-archive/bifrost/internal/target"
)

// A LeftOut is a topic that is not in the target and that the target does not let be made:
// a policy of its brokers forbids it, or a right is missing. The other topics come back
// without it.
type LeftOut struct {
	Topic  string
	Reason string // in the brokers' words, with what to do
}

// leaveOut takes topics that cannot be made out of the plan. If none would be left, they
// stay, and stand against the restore.
func (p *Plan) leaveOut() {
	refused := map[string]string{}
	for _, t := range p.look.Topics {
		if !t.Exists && len(t.Obstacles) > 0 {
			refused[t.Topic] = strings.Join(t.Obstacles, "; ")
		}
	}
	if len(refused) == 0 || len(refused) == len(p.look.Topics) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		p.LeftOut = append(p.LeftOut, LeftOut{name, refused[name]})
	}
	isRefused := func(topic string) bool { return refused[topic] != "" }
	p.Topics = slices.DeleteFunc(p.Topics, func(t Topic) bool { return isRefused(t.Name) })
	p.look.Topics = slices.DeleteFunc(p.look.Topics, func(t target.Topic) bool { return isRefused(t.Topic) })
	for i, parts := range p.rounds {
		p.rounds[i] = slices.DeleteFunc(parts, func(part replay.Part) bool { return isRefused(part.Target) })
	}
	p.rounds = slices.DeleteFunc(p.rounds, func(parts []replay.Part) bool { return len(parts) == 0 })
	maps.DeleteFunc(p.parts, func(key partKey, _ *replay.PartOutlook) bool { return isRefused(key.target) })
}

// whyLeftOut is the reason for a topic; empty if it is not left out.
func (p *Plan) whyLeftOut(topic string) string {
	for _, l := range p.LeftOut {
		if l.Topic == topic {
			return "the topic is left out: " + l.Reason
		}
	}
	return ""
}
