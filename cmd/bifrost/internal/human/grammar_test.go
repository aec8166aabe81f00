package human

import "testing"

func TestInNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Wrote 1 records of 1 objects in 2 files; 1 objects were there.": "Wrote 1 record of 1 object in 2 files; 1 object was there.",
		"1 partitions wait until":                "1 partition waits until",
		"made 1 progress rows":                   "made 1 progress row",
		"1 of 5 partitions need a look":          "1 of 5 partitions need a look",
		"5 of 1 partitions need a look":          "5 of 1 partition needs a look",
		"21 records, 1,001 records, 0.1 records": "21 records, 1,001 records, 0.1 records",
		"1 keys or values were not decoded":      "1 key or value was not decoded",
		"orders-1 records, topic.1 records":      "orders-1 records, topic.1 records",
		"1 things have to be settled first":      "1 thing has to be settled first",
		"is 1":                                   "is 1",
	} {
		if got := InNumber(text); got != want {
			t.Errorf("%q\nis  %q\nnot %q", text, got, want)
		}
	}
}
