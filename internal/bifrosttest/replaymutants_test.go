package bifrosttest

import "testing"

const replays = "../replay/"

// replayMutants are bugs planted in replay, which its sequences of commands must find.
var replayMutants = []mutant{
	{"a pair by the topic's name", "a topic that was made anew has nothing", []edit{{
		replays + "targetlog.go",
		"	if t.id == [16]byte{} {\n",
		"	if true {\n",
	}}},
	{"an aborted position", "what a run did not commit does not count", []edit{{
		replays + "statetopic.go",
		"			if committed {\n",
		"			if committed || true {\n",
	}}},
	{"a set of offsets only", "--since leaves out records by their time", []edit{{
		replays + "span.go",
		"		if s.Start <= offset && offset < s.End {\n",
		"		if s.times().contains(ask.Since) && s.Start <= offset && offset < s.End {\n",
	}}},
	{"all of what was asked for", "what is written is left out", []edit{{
		replays + "remaining.go",
		"	p.Todo = p.Position.Written.findRest(part.Ask, p.Position.Again)\n",
		"	p.Todo = spans{}.findRest(part.Ask, p.Position.Again)\n",
	}}},
	{"a prefix", "--from leaves a hole, which is not written", []edit{{
		replays + "position.go",
		"	p.Written = p.Written.addSpan(s.Span)\n",
		"	p.Written = p.Written.addSpan(Span{0, s.Span.End, s.Span.Since, s.Span.Until})\n",
	}}},
	{"any order", "older records come before newer ones", []edit{{
		replays + "order.go",
		"	offset, older, err := l.findFirst(ctx, &fresh, p.Position.Highest)\n",
		"	offset, older, err := l.findFirst(ctx, &fresh, 0)\n",
	}}},
	{"lives in any order", "records of a life come before those of a later one", []edit{{
		replays + "order.go",
		"		if found && !life.Apart || !life.Newer && !life.Apart {\n",
		"		if true {\n",
	}}},
	{"lives side by side", "two lives of a topic are not mixed", []edit{{
		replays + "order.go",
		"			if !l.request.Rekey && !apart && p.Source.Number != q.Source.Number {\n",
		"			if !l.request.Rekey {\n",
	}}},
	{"one position for all partitions", "a pair is one partition", []edit{{
		replays + "pair.go",
		"return fmt.Sprintf(\"%s/%d/%s\", p.life, p.number, p.targetID)",
		"return fmt.Sprintf(\"%s/%d/%s\", p.life, 0, p.targetID)",
	}}},
	{"a tail that is never through", "offsets without records are done as well", []edit{{
		replays + "writer.go",
		"	if w.next < s.End {\n",
		"	if w.next < s.End && w.open {\n",
	}}},
	{"nothing deleted", "what the target has deleted since is counted", []edit{{
		replays + "checktarget.go",
		"		some = some || l.ends[p.Target][mark.Partition].start > mark.First\n",
		"		some = some || l.ends[p.Target][mark.Partition].start > mark.Base\n",
	}}},
	{"nobody else's records", "a target with records of others is warned of", []edit{{
		replays + "foreign.go",
		"	return !known.producers[producer], nil\n",
		"	return len(known.producers) == 0, nil\n",
	}, {
		replays + "foreign.go",
		"	if producer < 0 {\n		return true, nil\n	}\n",
		"",
	}}},
	{"records of all times", "records out of the times that were asked for are not written", []edit{{
		replays + "writer.go",
		"		if !whole && !s.Wants(record.Timestamp) {\n",
		"		if false && !s.Wants(record.Timestamp) && !whole {\n",
	}}},
	{"a life by its name", "a later life of a topic is another source", []edit{{
		replays + "pair.go",
		"	name := p.TopicID.String()\n	if p.TopicID.IsZero() { // before Kafka 2.8\n",
		"	name := p.Topic()\n	if p.Topic() == \"\" {\n",
	}}},
}

// TestReplayMutants shows that the sequences of replays can see.
func TestReplayMutants(t *testing.T) {
	t.Parallel()
	var plants []plant
	for _, m := range replayMutants {
		plants = append(plants, plant{mutant: m, pkg: replays, run: "^TestSequences$", sign: "--- FAIL: TestSequences",
			flags: []string{"-sequences=60s"}})
	}
	hunt(t, plants)
}
