package verify

import (
	"reflect"
	"testing"
)

// counted gives each count of a summary a value of its own, from the first on, and
// answers how many counts there are.
func counted(t *testing.T, summary reflect.Value, first int64) (n int64) {
	t.Helper()
	for i := range summary.NumField() {
		field, name := summary.Field(i), summary.Type().Field(i).Name
		switch field.Kind() {
		case reflect.Int, reflect.Int64:
			field.SetInt(first + n)
			n++
		case reflect.Struct:
			n += counted(t, field, first+n)
		case reflect.Map:
			all := reflect.MakeMap(field.Type())
			for _, key := range []string{"both", name} {
				all.SetMapIndex(reflect.ValueOf(key).Convert(field.Type().Key()), reflect.ValueOf(first+n))
				n++
			}
			field.Set(all)
		default:
			t.Fatalf("%s is of a kind that this test does not know", name)
		}
	}
	return n
}

// What shares have counted is added up, whatever it is: a count that is forgotten is 0
// in the report of a job.
func TestSharesAddUpEveryCount(t *testing.T) {
	t.Parallel()
	var sum, one, other, want Summary
	const first, second = 1, 1000
	if n := counted(t, reflect.ValueOf(&one).Elem(), first); n < 18 {
		t.Fatalf("%d counts", n)
	}
	counted(t, reflect.ValueOf(&other).Elem(), second)
	sum.Add(one)
	if !reflect.DeepEqual(sum, one) {
		t.Errorf("nothing and one share:\n%+v, want\n%+v", sum, one)
	}
	sum.Add(other)
	// The nth count of both together is first+second+2n.
	counted(t, reflect.ValueOf(&want).Elem(), 0)
	doubled(reflect.ValueOf(&want).Elem(), first+second)
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("two shares:\n%+v, want\n%+v", sum, want)
	}
	if one.Gaps["both"] == sum.Gaps["both"] {
		t.Error("the sum and a share are one map")
	}
}

// doubled makes each count twice what it is, and so much more.
func doubled(summary reflect.Value, more int64) {
	for i := range summary.NumField() {
		switch field := summary.Field(i); field.Kind() {
		case reflect.Struct:
			doubled(field, more)
		case reflect.Map:
			for _, key := range field.MapKeys() {
				field.SetMapIndex(key, reflect.ValueOf(2*field.MapIndex(key).Int()+more))
			}
		default:
			field.SetInt(2*field.Int() + more)
		}
	}
}
