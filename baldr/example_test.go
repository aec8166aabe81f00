package baldr_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/bifrost-archive/bifrost/baldr"
)

// pageView is what the records of the examples hold.
type pageView struct {
	Page string `json:"page"`
	User int    `json:"user"`
}

// writePageViews makes a small object: what the archive writes into a bucket.
func writePageViews() []byte {
	var object bytes.Buffer
	w := baldr.NewWriter(&object, baldr.Options{})
	for i, page := range []string{"/shoes", "/coats", "/lamps"} {
		value, err := json.Marshal(pageView{Page: page, User: 7 + i})
		if err != nil {
			log.Fatal(err)
		}
		record := baldr.Record{
			Offset:    1000 + int64(i),
			Timestamp: 1384338600000 + int64(i)*60_000,
			Key:       fmt.Appendf(nil, "user-%d", 7+i),
			Value:     value,
		}
		if err := w.WriteRecord(&record); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := w.Close(baldr.Summary{Topic: "page-views", Partition: 3, Start: 1000, End: 1003, LastLeaderEpoch: -1}); err != nil {
		log.Fatal(err)
	}
	return object.Bytes()
}

// A JSON document comes back from the bytes as it was produced.
func Example() {
	reader := baldr.NewReader(bytes.NewReader(writePageViews()), baldr.ReaderOptions{})
	for record, err := range reader.All() {
		if err != nil {
			log.Fatal(err)
		}
		var view pageView
		if err := json.Unmarshal(record.Value, &view); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s: user %d sees %s\n", record.Offset, record.Key, view.User, view.Page)
	}
	// Output:
	// 1000 user-7: user 7 sees /shoes
	// 1001 user-8: user 8 sees /coats
	// 1002 user-9: user 9 sees /lamps
}

// Open needs only to read at positions: a file, or an object in a store that
// serves ranges. Nothing but the end of the object and one member is read here.
func ExampleFile_From() {
	object := writePageViews()
	file, err := baldr.Open(bytes.NewReader(object), int64(len(object)), baldr.ReaderOptions{})
	if err != nil {
		log.Fatal(err)
	}
	summary := file.Summary()
	fmt.Printf("%s/%d has %d records from %d to %d\n", summary.Topic, summary.Partition, summary.Records, summary.Start, summary.End)
	for record, err := range file.From(1002) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d: %s\n", record.Offset, record.Value)
	}
	// Output:
	// page-views/3 has 3 records from 1000 to 1003
	// 1002: {"page":"/lamps","user":9}
}

// Since finds the first record at or after a time, as Kafka does.
func ExampleFile_Since() {
	object := writePageViews()
	file, err := baldr.Open(bytes.NewReader(object), int64(len(object)), baldr.ReaderOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for record, err := range file.Since(1384338600001) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(record.Offset)
	}
	// Output:
	// 1001
	// 1002
}

// Any gzip reader sees plain Baldr. It is the reader of 2013 that must go on
// working.
func ExampleNewFrameReader() {
	unpacked, err := gzip.NewReader(bytes.NewReader(writePageViews()))
	if err != nil {
		log.Fatal(err)
	}
	frames := baldr.NewFrameReader(unpacked, 0)
	for {
		value, err := frames.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(value))
	}
	// Output:
	// {"page":"/shoes","user":7}
	// {"page":"/coats","user":8}
	// {"page":"/lamps","user":9}
}

// A program that acts on what is wrong with a file keeps three things apart.
func ExampleOpen() {
	judge := func(file []byte) {
		_, err := baldr.Open(bytes.NewReader(file), int64(len(file)), baldr.ReaderOptions{})
		var verdict *baldr.FormatError
		switch {
		case err == nil:
			fmt.Println("an object")
		case errors.Is(err, baldr.ErrNotBaldr):
			fmt.Println("somebody else's file")
		case errors.As(err, &verdict):
			fmt.Println("an object that is damaged or cut")
		default:
			fmt.Println("could not be read: no verdict, try again")
		}
	}
	object := writePageViews()
	judge(object)
	judge([]byte("id,name\n1,Heimdall\n"))
	judge(object[:len(object)-1])
	// Output:
	// an object
	// somebody else's file
	// an object that is damaged or cut
}

// A gap says that nobody can read the records of its range any more.
func ExampleWriter_Close() {
	var object bytes.Buffer
	w := baldr.NewWriter(&object, baldr.Options{})
	summary, err := w.Close(baldr.Summary{Kind: baldr.KindGap, Reason: "retention", Topic: "page-views", Start: 0, End: 1000})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(summary.Kind, summary.Reason, summary.Start, summary.End)
	// Output: gap retention 0 1000
}
