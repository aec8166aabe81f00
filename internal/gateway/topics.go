// Which topics are served.

package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// refreshEvery is how old what is known of the topics may be when somebody asks. The
// archive grows by the minute, and a read of the table costs money. It is a variable
// because tests do not wait.
var refreshEvery = 15 * time.Second

// topics is what is served, as of the last look at the progress table.
type topics struct {
	gateway *Gateway
	mutex   sync.Mutex
	now     *topicList
	at      time.Time
	looking chan struct{} // closed when the look under way ends; nil when none is

	// plain is which incarnation has a topic's plain name. It stays so until the gateway
	// ends: a consumer keeps its offset when a topic is made anew, and would go on in
	// the middle of another log.
	plain map[string]bifrost.TopicID
}

// topicList is all topics at one time.
type topicList struct {
	clusterID string   // the live one's, or else that which was looked at last
	archived  []string // clusters that the archive has topics of
	byName    map[string]*topic
	byID      map[bifrost.TopicID]*topic
}

// topic is one life of a topic of the archive, under the name that clients know.
type topic struct {
	name       string
	kafkaName  string // of all its lives
	id         bifrost.TopicID
	partitions map[int32]*partition
}

// sorted are the partitions in order of their numbers.
func (t *topic) sorted() []*partition {
	return slices.SortedFunc(maps.Values(t.partitions),
		func(a, b *partition) int { return cmp.Compare(a.name.Number, b.name.Number) })
}

// current is what was known last.
func (t *topics) current() *topicList {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.now
}

// fresh is what is known, at most refreshEvery old unless the table cannot be read.
func (t *topics) fresh(ctx context.Context) *topicList {
	t.mutex.Lock()
	if t.gateway.now().Sub(t.at) < refreshEvery {
		defer t.mutex.Unlock()
		return t.now
	}
	if t.looking == nil {
		t.looking = make(chan struct{})
		go t.look(t.looking)
	}
	looking := t.looking
	t.mutex.Unlock()
	select {
	case <-looking:
	case <-ctx.Done():
	}
	return t.current()
}

func (t *topics) look(looking chan struct{}) {
	defer close(looking)
	err := t.refresh(t.gateway.ctx)
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.looking = nil
	if err != nil {
		t.at = t.gateway.now() // not again at once
		t.gateway.log.Error("the progress table could not be read; what was known of it is served", "error", err)
	}
}

// refresh reads the table.
func (t *topics) refresh(ctx context.Context) error {
	at := t.gateway.now()
	rows, err := t.gateway.options.Catalogue.ListProgress(ctx)
	if err != nil {
		return fmt.Errorf("read which topics there are: %w", err)
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.now, t.at = t.list(rows), at
	return nil
}

// life is an incarnation as its rows tell it.
type life struct {
	topic string
	id    bifrost.TopicID
	rows  []bifrost.Progress
}

// list gives every partition its place. What is known of partitions already goes on.
func (t *topics) list(rows []bifrost.Progress) *topicList {
	known := map[bifrost.Partition]*partition{}
	if t.now != nil {
		for _, topic := range t.now.byName {
			for _, p := range topic.partitions {
				known[p.name] = p
			}
		}
	} else {
		t.plain = map[string]bifrost.TopicID{}
	}
	list := &topicList{byName: map[string]*topic{}, byID: map[bifrost.TopicID]*topic{}}
	list.clusterID, list.archived = newestCluster(rows), readback.Clusters(rows)
	if live := t.gateway.live; live != nil {
		list.clusterID = live.clusterID
	}
	lives := t.lives(rows, list.clusterID)
	for _, l := range lives {
		if plain, some := t.plain[l.topic]; !some || plain != l.id {
			continue
		}
		t.placeLife(list, l, l.topic, known)
	}
	for _, l := range lives {
		if t.plain[l.topic] != l.id {
			t.placeLife(list, l, l.topic+"."+l.id.String(), known)
		}
	}
	return list
}

// lives finds the incarnations, in order of age, and which of each topic's is the present one: the last of those
// of the cluster, if there are some.
func (t *topics) lives(rows []bifrost.Progress, clusterID string) []life {
	byKey := map[bifrost.Incarnation]*life{}
	for _, row := range rows {
		if !t.gateway.options.Topics.Selects(row.Topic()) {
			continue
		}
		key := bifrost.Incarnation{Topic: row.Topic(), TopicID: row.TopicID}
		if byKey[key] == nil {
			byKey[key] = &life{topic: key.Topic, id: key.TopicID}
		}
		byKey[key].rows = append(byKey[key].rows, row)
	}
	lives := make([]life, 0, len(byKey))
	for _, l := range byKey {
		lives = append(lives, *l)
	}
	ages := readback.NewLives(rows)
	slices.SortFunc(lives, func(a, b life) int { return ages.Compare(a.rows[0], b.rows[0]) })
	present := map[string]life{}
	for _, l := range lives {
		if now, some := present[l.topic]; !some || l.isOf(clusterID) || !now.isOf(clusterID) {
			present[l.topic] = l
		}
	}
	for name, l := range present {
		if _, bound := t.plain[name]; !bound {
			t.plain[name] = l.id
		}
	}
	return lives
}

// isOf reports whether the life is of the cluster.
func (l life) isOf(clusterID string) bool {
	return slices.ContainsFunc(l.rows, func(p bifrost.Progress) bool { return p.ClusterID == clusterID })
}

// placeLife puts a life into the list: the branch of each partition that goes on under
// the name, and those that were left under names of their own.
func (t *topics) placeLife(list *topicList, l life, name string, known map[bifrost.Partition]*partition) {
	latest := map[int32]int{}
	for _, row := range l.rows {
		latest[row.Number] = max(latest[row.Number], row.Fork())
	}
	for _, row := range l.rows {
		branch, branchID := name, l.id
		if fork := row.Fork(); fork < latest[row.Number] {
			branch = l.topic + "." + l.id.String() + ".branch-" + strconv.Itoa(fork)
			branchID = bifrost.TopicID{}
		}
		p := known[row.Partition]
		if p == nil {
			p = newPartition(t.gateway, row)
		}
		p.settle(row)
		list.topic(branch, l.topic, branchID).partitions[row.Number] = p
	}
}

// topic finds or makes a topic of the list. One without an ID gets one from its name:
// clients of today take a topic without an ID for one of a broker of yesterday.
func (l *topicList) topic(name, kafkaName string, id bifrost.TopicID) *topic {
	if l.byName[name] == nil {
		if id.IsZero() || l.byID[id] != nil {
			sum := sha256.Sum256([]byte("bifrost serve " + name))
			copy(id[:], sum[:])
		}
		t := &topic{name: name, kafkaName: kafkaName, id: id, partitions: map[int32]*partition{}}
		l.byName[name], l.byID[id] = t, t
	}
	return l.byName[name]
}

// checkCluster refuses a live cluster of which the archive has nothing while it has topics of others.
func (t *topics) checkCluster() error {
	list := t.current()
	if t.gateway.live == nil || len(list.archived) == 0 || slices.Contains(list.archived, list.clusterID) {
		return nil
	}
	return fmt.Errorf("%w: the live cluster is %s, and the archive is that of %s: check --brokers, --bucket and"+
		" --group; --cold serves the archive alone", ErrOtherCluster, list.clusterID, strings.Join(list.archived, ", "))
}

// newestCluster is the cluster that was looked at last.
func newestCluster(rows []bifrost.Progress) string {
	var newest bifrost.Progress
	for _, row := range rows {
		if newest.ClusterID == "" || row.At.After(newest.At) {
			newest = row
		}
	}
	return newest.ClusterID
}
