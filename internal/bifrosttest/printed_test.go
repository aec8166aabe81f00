package bifrosttest

import (
	"reflect"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// What the suite compares is printed with every field: a struct that has another one in it has
// that one's String, which is no more than a name.
func TestWhatIsComparedHasEveryField(t *testing.T) {
	t.Parallel()
	for _, empty := range []any{bifrost.Progress{}, bifrost.Row{}, bifrost.TickRecord{}, bifrost.Totals{}} {
		zero, fields := printed(empty), 0
		changed := reflect.New(reflect.TypeOf(empty)).Elem()
		var change func(path string, v reflect.Value)
		change = func(path string, v reflect.Value) {
			switch value := v.Addr().Interface().(type) {
			case *time.Time:
				*value = noon
			default:
				switch v.Kind() {
				case reflect.String:
					v.SetString("x")
				case reflect.Int, reflect.Int32, reflect.Int64:
					v.SetInt(7)
				case reflect.Uint8:
					v.SetUint(1)
				case reflect.Bool:
					v.SetBool(true)
				case reflect.Struct:
					for i := range v.NumField() {
						if v.Type().Field(i).IsExported() {
							change(path+"."+v.Type().Field(i).Name, v.Field(i))
						}
					}
					return
				case reflect.Array:
					change(path, v.Index(0))
					return
				case reflect.Slice: // of filters, which print as what they select
					return
				default:
					t.Fatalf("%s is of kind %s", path, v.Kind())
				}
			}
			fields++
			if printed(changed.Interface()) == zero {
				t.Errorf("%s is not printed", path)
			}
			v.SetZero()
		}
		change(reflect.TypeOf(empty).Name(), changed)
		if fields < 5 {
			t.Errorf("%T has %d fields", empty, fields)
		}
	}
}
