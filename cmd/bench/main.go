// Bench measures what Bifrost promises to be: one line of JSON for each figure,
// on standard output. It is no test: it fails only when it cannot measure.
//
//	go run ./cmd/bench -run 'format/write'
//	go run ./cmd/bench -run '^play' -docs docs
//
// What is compared runs in the same process on the same data, in turns, so that
// whatever else the machine does meets both. A figure is the median of its runs;
// a ratio is the median of the ratios of the runs that followed each other.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"regexp"
	"slices"

	"github.com/bifrost-archive/bifrost/cmd/bench/internal/objectserver"
	"github.com/bifrost-archive/bifrost/cmd/bench/internal/topicreader"
)

// A figure is one line of output.
type figure struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Target string  `json:"target,omitempty"` // what the value should be, where something is promised
	Note   string  `json:"note,omitempty"`
}

// A benchmark measures figures that belong together.
type benchmark struct {
	name string
	run  func(report func(figure)) error
}

// benchmarks lists all there are. Add yours here.
var benchmarks = slices.Concat(formatBenchmarks, pathBenchmarks, scaleBenchmarks, costBenchmarks, playBenchmarks,
	trickleBenchmarks, cliBenchmarks, jobBenchmarks, gatewayBenchmarks)

var docs = flag.String("docs", "",
	"put the figures into the tables of the pages in this directory, and draw its pictures")

func main() {
	log.SetFlags(0)
	if job := os.Getenv(slotProcess); job != "" {
		runSlot(job)
		return
	}
	if os.Getenv(tickProcess) != "" {
		runTicks()
		return
	}
	if job := os.Getenv(pathProcess); job != "" {
		runPath(job)
		return
	}
	if os.Getenv(readerProcess) != "" {
		check(topicreader.RunFranz(processorSeconds))
		return
	}
	if upstream := os.Getenv(objectServerProcess); upstream != "" {
		check(objectserver.Run(upstream, "."))
		return
	}
	if description := os.Getenv(jobProcess); description != "" {
		runJobWorker(description)
		return
	}
	pattern := flag.String("run", "", "run the benchmarks whose name matches this regular expression")
	flag.Parse()
	wanted, err := regexp.Compile(*pattern)
	if err != nil {
		log.Fatalf("bench: -run: %v", err)
	}
	output := json.NewEncoder(os.Stdout)
	var measured []figure
	report := func(f figure) {
		measured = append(measured, f)
		check(output.Encode(f))
	}
	refresh := func() { // after each, so that a failure leaves what was measured before it
		if *docs != "" {
			check(refreshPages(*docs, measured))
		}
	}
	refresh() // the prices, also when nothing is measured
	for _, b := range benchmarks {
		if !wanted.MatchString(b.name) {
			continue
		}
		if err := b.run(report); err != nil {
			log.Fatalf("bench: %s: %v", b.name, err)
		}
		refresh()
	}
}

// check ends the program on an error that is none of the figure's.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
