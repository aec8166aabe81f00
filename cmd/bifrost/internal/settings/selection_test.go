package settings

import (
	"testing"
)

func TestParsePartitions(t *testing.T) {
	t.Parallel()
	numbers, err := parsePartitions("0,3-5,7")
	if err != nil || len(numbers) != 5 || numbers[4] != 7 {
		t.Errorf("got %v, %v", numbers, err)
	}
	for _, wrong := range []string{"", "a", "-1", "5-3", "1-", "0-99999999999", "0-2000000000"} {
		if _, err := parsePartitions(wrong); err == nil {
			t.Errorf("partitions %q are taken", wrong)
		}
	}
}
