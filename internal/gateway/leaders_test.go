package gateway

import "testing"

// A consumer in the live log goes on when the leader has moved, again and again.
func TestLeadersThatMove(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 10)
	c.tick(0, 10)
	s := serve(t, c.archive, c.live)
	client := s.client(t, assign(0))
	same(t, take(t, client, 10), expect(0, 0, 10))
	for from := int64(10); from < 40; from += 10 {
		leader := c.fake.LeaderFor("orders", 0)
		if err := c.fake.MoveTopicPartition("orders", 0, 1-leader); err != nil {
			t.Fatal(err)
		}
		c.write(t, 0, 10)
		same(t, take(t, client, 10), expect(0, from, from+10))
	}
}
