package baldr

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// withPackage is what programs begin with that use the Python package of this checkout.
const withPackage = `
import base64, json, os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join("python", "src"))
import bifrost_baldr as baldr

def text(b):
    return None if b is None else base64.b64encode(b).decode()

def shown(r):
    return {"offset": r.offset, "timestamp": -1 if r.timestamp is None else r.timestamp,
            "log_append_time": r.log_append_time, "key": text(r.key), "value": text(r.value),
            "headers": [[text(k), text(v)] for k, v in r.headers]}
`

// readWithPackage prints records and summary of each file, after it has seen that the package
// notices a file that is cut or has a byte changed.
const readWithPackage = withPackage + `
def refused(data):
    try:
        list(baldr.read(data))
    except baldr.FormatError:
        return True
    return False

for name in sys.argv[1:]:
    data = open(name, "rb").read()
    print(json.dumps([[shown(r) for r in baldr.read(name)], baldr.summary(name)]))
    step = 1 if len(data) < 2000 else len(data) // 10
    for length in range(len(data) - 1, -1, -step):
        if not refused(data[:length]):
            sys.exit("%s cut at %d is read without an error" % (name, length))
    for at in range(10, len(data), step):
        changed = bytearray(data)
        changed[at] ^= 0x55
        # Six bytes of a header are nobody's: time, flags of the compressor, system.
        if not refused(bytes(changed)) and not any(data[at - i : at - i + 4] == b"\x1f\x8b\x08\x04" for i in range(4,
	10)):
            sys.exit("%s with byte %d changed is read without an error" % (name, at))
`

// The Python package reads what the Go writer writes, and the test vectors.
func TestPythonPackage(t *testing.T) {
	t.Parallel()
	readsEveryFile(t, readWithPackage)
}

// selectWithPackage prints the offsets that each call selects.
const selectWithPackage = withPackage + `
def offsets(**bounds):
    return [r.offset for r in baldr.read_topic(sys.argv[1], "orders", **bounds)]

print(offsets())
print(offsets(partition=1))
print(offsets(start=4, end=8))
print(offsets(since=3000, until="1970-01-01T00:00:06"))
print(offsets(key=b"k7"))
print([(o.partition, o.start, o.alternative, o.summary()["kind"]) for o in baldr.objects(sys.argv[1], "orders")])
first = next(baldr.read_topic(sys.argv[1], "orders"))
print([first.topic, first.partition, first.time.isoformat()])

def mistake(topic, **bounds):
    try:
        print(list(baldr.read_topic(sys.argv[1], topic, **bounds)))
    except Exception as error:
        print(type(error).__name__, str(error).replace(sys.argv[1], "ARCHIVE"))

mistake("orders", partition=17)
mistake("orders", key="k7")
mistake("orders", since="yesterday")
mistake("orders", until="2026-13-01")
mistake("orders", since=2.5)
mistake("orders", since=3000, until=3000)
mistake("orders", start=7, end=3)
mistake("orders", start=-1)
mistake("empty")
mistake("damaged")

import warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    baldr.objects(sys.argv[1], "again")
    baldr.objects(sys.argv[1], "again@A")
    print(offsets(), offsets(partition=0), offsets(start=2, end=4), offsets(start=5))
    list(baldr.read_topic(sys.argv[1], "gaps", start=8))
    list(baldr.read_topic(sys.argv[1], "gaps"))
for w in told:
    print(w.category.__name__, w.message)
`

// Of a topic, what is selected comes in order and once, also where two objects overlap.
func TestPythonPackageReadsTopics(t *testing.T) {
	t.Parallel()
	archive := t.TempDir()
	topic := "orders"
	put := func(partition int, name string, start, end int64, kind Kind) {
		var records []Record
		for offset := start; kind == KindRecords && offset < end; offset++ {
			records = append(records, Record{Offset: offset, Timestamp: 1000 * offset, Key: fmt.Append(nil, "k",
				offset), Value: []byte("v")})
		}
		summary := goldenSummary(Summary{Kind: kind, Start: start, End: end})
		if kind == KindGap {
			summary.Reason = "retention"
		}
		directory := filepath.Join(archive, topic, fmt.Sprint("partition=", partition))
		check(t, os.MkdirAll(directory, 0o755))
		var content bytes.Buffer
		w := NewWriter(&content, Options{})
		for i := range records {
			check(t, w.WriteRecord(&records[i]))
		}
		_, err := w.Close(summary)
		check(t, err)
		check(t, os.WriteFile(filepath.Join(directory, name+".baldr.gz"), content.Bytes(), 0o600))
	}
	put(0, "00000000000000000000", 0, 3, KindRecords)
	put(0, "00000000000000000003", 3, 7, KindRecords)
	put(0, "00000000000000000005~1", 5, 10, KindRecords)
	put(1, "00000000000000000000", 0, 5, KindGap)
	put(1, "00000000000000000005", 5, 6, KindRecords)
	topic = "gaps"
	for n := range int64(6) { // each is of two objects
		put(int(n), "00000000000000000003", 3, 5, KindGap)
		put(int(n), "00000000000000000005", 5, 8, KindGap)
	}
	check(t, os.WriteFile(filepath.Join(archive, "orders", "_bifrost.json"), []byte("{}"), 0o600))
	check(t, os.MkdirAll(filepath.Join(archive, "empty"), 0o755))
	damaged := filepath.Join(archive, "damaged", "partition=0")
	check(t, os.MkdirAll(damaged, 0o755))
	check(t, os.WriteFile(filepath.Join(damaged, "00000000000000000000.baldr.gz"), []byte("\x1f\x8b\x08"), 0o600))
	for _, life := range []string{"again", "again@A", "again@B", "again2@C"} {
		putTopic(t, archive, life, "now")
	}
	got := run(t, "python3", "-B", "-c", selectWithPackage, archive)
	want := `[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 5]
[5]
[4, 5, 6, 7, 5]
[3, 4, 5, 5]
[7]
[(0, 0, 0, 'records'), (0, 3, 0, 'records'), (0, 5, 1, 'records'), (1, 0, 0, 'gap'), (1, 5, 0, 'records')]
['page-views', 0, '1970-01-01T00:00:00+00:00']
LookupError ARCHIVE has no object of partition 17 of topic 'orders': it has some of [0, 1]
TypeError key is str: want bytes, which is what keys of records are
ValueError since 'yesterday' is no time: want a datetime, ISO 8601 such as 2026-01-31T12:00:00Z, or milliseconds since 1970
ValueError until '2026-13-01' is no time: want a datetime, ISO 8601 such as 2026-01-31T12:00:00Z, or milliseconds since 1970
TypeError since is float: want a datetime, ISO 8601 such as 2026-01-31T12:00:00Z, or milliseconds since 1970
ValueError until 3000 is not after since 3000: nothing lies between
ValueError end 3 is not above start 7: nothing lies between
ValueError start -1: offsets begin at 0
LookupError ARCHIVE has no object of topic 'empty': look at the group in the one, and at capitals and @ID in the other
FormatError ARCHIVE/damaged/partition=0/00000000000000000000.baldr.gz: damaged or cut: the footer
[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 5] [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] [2, 3] [5, 6, 7, 8, 9, 5]
UserWarning again is the first life of the topic; it goes on as again@A, again@B: name that for what came later
UserWarning orders: no records of offsets [0, 5) of partition 1, a recorded gap: retention
UserWarning orders: no records of offsets [2, 4) of partition 1, a recorded gap: retention
UserWarning gaps: no records of offsets [3, 8) of partition 0, a recorded gap: retention; ` +
		`offsets [3, 8) of partition 1, a recorded gap: retention; ` +
		`offsets [3, 8) of partition 2, a recorded gap: retention; ` +
		`offsets [3, 8) of partition 3, a recorded gap: retention; ` +
		`offsets [3, 8) of partition 4, a recorded gap: retention; ` +
		`and 1 more, which objects() lists
`
	if got != want {
		t.Errorf("the package selects\n%swant\n%s", got, want)
	}
}

// pagesWithPackage reads a topic from a service that answers with one key at a time, as S3 does with a
// thousand.
const pagesWithPackage = withPackage + `
class Client:
    def list_objects_v2(self, Bucket, Prefix="", Delimiter="", ContinuationToken=""):
        keys = ["group/" + os.path.relpath(os.path.join(at, name), sys.argv[1])
            for at, _, names in os.walk(sys.argv[1]) for name in names]
        keys = [key for key in keys if key.startswith(Prefix)]
        if Delimiter:
            keys = {Prefix + key[len(Prefix):].partition(Delimiter)[0] + Delimiter for key in keys}
        keys = sorted(key for key in keys if key > ContinuationToken)
        page = {"IsTruncated": len(keys) > 1}
        if keys:
            page.update({"CommonPrefixes": [{"Prefix": keys[0]}]} if Delimiter else {"Contents": [{"Key": keys[0]}]})
        if page["IsTruncated"]:
            page["NextContinuationToken"] = keys[0]
        return page

    def get_paginator(self, name):
        client = self
        class Pages:
            def paginate(self, **asked):
                page = {"NextContinuationToken": ""}
                while "NextContinuationToken" in page:
                    page = getattr(client, name)(ContinuationToken=page["NextContinuationToken"], **asked)
                    yield page
        return Pages()

    def get_object(self, Bucket, Key):
        return {"Body": open(os.path.join(sys.argv[1], Key.partition("/")[2]), "rb")}

import warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    print([(o.name, o.partition, o.start) for o in baldr.objects("s3://bucket/group", "orders", client=Client())])
print([str(w.message).partition(" goes on as ")[2] for w in told])
print([(r.partition, r.offset) for r in baldr.read_topic("s3://bucket/group", "orders", client=Client())])
`

// What lies behind the first page of a listing is read as well.
func TestPythonPackageReadsAllPages(t *testing.T) {
	t.Parallel()
	archive := t.TempDir()
	for _, life := range []string{"orders", "orders@A", "orders@B", "orders2"} {
		putTopic(t, archive, life, "now")
	}
	check(t, os.WriteFile(filepath.Join(archive, "orders", "_bifrost.json"), []byte("{}"), 0o600))
	const name = "00000000000000000000.baldr.gz"
	want := "[('s3://bucket/group/orders/partition=0/" + name + "', 0, 0), " +
		"('s3://bucket/group/orders/partition=1/" + name + "', 1, 0)]\n" +
		"['orders@A, orders@B: name that for what came later']\n[(0, 0), (0, 1)]\n"
	if got := run(t, "python3", "-B", "-W", "ignore", "-c", pagesWithPackage, archive); got != want {
		t.Errorf("the package reads\n%swant\n%s", got, want)
	}
}

// The programs of docs/cookbook.md that need nothing but the package find what is there.
func TestCookbook(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/cookbook.md")
	check(t, err)
	archive := t.TempDir()
	putTopic(t, archive, "orders", "now")
	putTopic(t, archive, "orders@AAAAAAAAAAAAAAAAAAAAAA", "later")
	want := []string{"found = [b'of tuesday']", "view = ['orders', 'orders', 'orders@AAAAAAAAAAAAAAAAAAAAAA', " +
		"'orders@AAAAAAAAAAAAAAAAAAAAAA']",
		"lost = [(1, 0, 5, 'retention')]"}
	programs := strings.Split(string(page), "```python\n")[1:]
	if len(programs) != 4 {
		t.Fatalf("%d programs are on the page", len(programs))
	}
	ends := []string{"print('found =', [r.value for r in found])", "print('view =', [life for life, *_ in view])",
		"print('lost =', lost)"}
	for i, end := range ends {
		program, _, _ := strings.Cut(programs[i], "```")
		program = withPackage + strings.ReplaceAll(program, `"s3://bucket/group"`, fmt.Sprintf("%q", archive)) + end
		if got := run(t, "python3", "-B", "-c", program); !strings.HasSuffix(got, want[i]+"\n") {
			t.Errorf("program %d prints %s, want %s", i, got, want[i])
		}
	}
}

// putTopic archives a life of a topic: two records of a key, one of them of last Tuesday, and a gap.
func putTopic(t *testing.T, archive, name, value string) {
	t.Helper()
	today := time.Now().UTC().Truncate(24 * time.Hour)
	tuesday := today.AddDate(0, 0, -(int(today.Weekday()+4)%7 + 1))
	if tuesday.Weekday() != time.Tuesday || !tuesday.Before(today) {
		t.Fatalf("%s is no last Tuesday", tuesday)
	}
	records := []Record{
		{Offset: 0, Timestamp: tuesday.Add(-time.Millisecond).UnixMilli(), Key: []byte("customer-17"),
			Value: []byte(value)},
		{Offset: 1, Timestamp: tuesday.UnixMilli(), Key: []byte("customer-17"), Value: []byte("of tuesday")},
	}
	if value == "later" {
		records[0].Timestamp, records[1].Timestamp = today.UnixMilli(), today.UnixMilli()+1
	}
	for partition, summary := range []Summary{{End: 2}, {Kind: KindGap, Reason: "retention", End: 5}} {
		var content bytes.Buffer
		w := NewWriter(&content, Options{})
		for i := range records {
			if summary.Kind == KindRecords {
				check(t, w.WriteRecord(&records[i]))
			}
		}
		_, err := w.Close(goldenSummary(summary))
		check(t, err)
		directory := filepath.Join(archive, name, fmt.Sprint("partition=", partition))
		check(t, os.MkdirAll(directory, 0o755))
		check(t, os.WriteFile(filepath.Join(directory, "00000000000000000000.baldr.gz"), content.Bytes(), 0o600))
	}
}
