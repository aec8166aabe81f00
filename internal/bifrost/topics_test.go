package bifrost

import "testing"

func TestTopicFilter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		include, exclude []string
		topic            string
		want             bool
	}{
		{nil, nil, "_schemas", true},
		{[]string{"*"}, nil, "orders", true},
		{[]string{"orders*", "users"}, nil, "orders.eu", true},
		{[]string{"orders*"}, nil, "users", false},
		{[]string{"*"}, []string{"*-tmp"}, "orders-tmp", false},
		{[]string{"orders-tmp"}, []string{"*-tmp"}, "orders-tmp", false},
		{[]string{"order?"}, nil, "orders", true},
		{[]string{"order[a-c]"}, nil, "orders", false},
	}
	for _, test := range tests {
		filter, err := NewTopicFilter(test.include, test.exclude)
		if err != nil {
			t.Fatal(err)
		}
		if got := filter.Selects(test.topic); got != test.want {
			t.Errorf("include %v exclude %v topic %s: %v, want %v", test.include, test.exclude, test.topic, got, test.want)
		}
	}
	if _, err := NewTopicFilter([]string{"["}, nil); err == nil {
		t.Error("a broken pattern was taken")
	}
}
