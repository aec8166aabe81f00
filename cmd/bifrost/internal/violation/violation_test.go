package violation

import (
	"io"
	"testing"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// What, where, what to do: of a partition, an offset, an object; and what stands in names
// does not reach the terminal.
func TestDescribe(t *testing.T) {
	t.Parallel()
	said := "\n    expected a\n    found    b\n    next     c"
	for want, found := range map[string]verify.Violation{
		"kind  orders/0 [0, 5)  the/key" + said: {Kind: "kind", Topic: "orders", Partition: 0, Start: 0, End: 5, Key: "the/key"},
		"kind  orders/7 [9, 10)" + said:         {Kind: "kind", Topic: "orders", Partition: 7, Start: 9, End: 10},
		"kind  orders" + said:                   {Kind: "kind", Topic: "orders", Partition: -1, Start: -1, End: -1},
		"kind  orders  the/key" + said:          {Kind: "kind", Topic: "orders", Partition: -1, Start: -1, Key: "the/key"},
		"kind  orders/3" + said:                 {Kind: "kind", Topic: "orders", Partition: 3, Start: -1},
	} {
		found.Expected, found.Found, found.Next = "a", "b", "c"
		c := console.New(nil, io.Discard, io.Discard)
		if got := Describe(c, found); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		c.Color = "always"
		if got := Describe(c, found); got == want {
			t.Errorf("%q has no colour", got)
		}
	}
}
