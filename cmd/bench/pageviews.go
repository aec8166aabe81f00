// The records that most figures are measured on.

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/bifrost-archive/bifrost/baldr"
)

// pageViews makes n records that look like a web shop's page views: JSON values
// of about 500 bytes with the repetition such events have (few user agents,
// skewed products, rising times) and the parts that do not compress (identifiers,
// addresses), and 8-byte user keys. They lie in memory as those of uncompressed
// batches do, key before value. The same seed makes the same records.
func pageViews(n int, seed uint64) []baldr.Record {
	random := rand.New(rand.NewPCG(seed, seed))
	visitors := rand.NewZipf(random, 1.1, 50, 1<<20)
	products := rand.NewZipf(random, 1.2, 20, 1<<15)
	timestamp := int64(1_700_000_000_000)
	records := make([]baldr.Record, n)
	var batch []byte
	for i := range records {
		timestamp += random.Int64N(20)
		visitor := visitors.Uint64()
		if cap(batch)-len(batch) < roomForView {
			batch = make([]byte, 0, 1<<20)
		}
		batch = binary.BigEndian.AppendUint64(batch, visitor*0x9e3779b97f4a7c15)
		key := batch[len(batch)-8 : len(batch) : len(batch)]
		begin := len(batch)
		batch = pageView(batch, random, timestamp, key, products.Uint64())
		records[i] = baldr.Record{
			Offset:    int64(i),
			Timestamp: timestamp,
			Key:       key,
			Value:     batch[begin:len(batch):len(batch)],
		}
	}
	return records
}

// roomForView is more than a page view takes.
const roomForView = 4 << 10

func pageView(dst []byte, random *rand.Rand, timestamp int64, key []byte, product uint64) []byte {
	return fmt.Appendf(dst,
		`{"event":"page_view","event_id":"%016x%016x","time":%d,"user_id":"%x","session":"%016x","trace_id":"%016x",`+
			`"url":"https://shop.example.com/%s/product-%d?utm_source=%s","referrer":"%s","load_ms":%d,`+
			`"ip":"%d.%d.%d.%d","user_agent":"%s","language":"%s","screen":"%s","experiment":"%s","price_cents":%d}`,
		random.Uint64(), random.Uint64(), timestamp, key, random.Uint64(), random.Uint64(),
		pick(random, categories), product, pick(random, campaigns), pick(random, referrers),
		40+int(random.ExpFloat64()*300),
		random.IntN(223)+1, random.IntN(256), random.IntN(256), random.IntN(256), pick(random, userAgents),
		pick(random, languages), pick(random, screens),
		pick(random, variants), product*37%20_000+99)
}

func pick(random *rand.Rand, choices []string) string { return choices[random.IntN(len(choices))] }

var (
	categories = []string{"shoes", "coats", "kitchen", "garden", "books", "toys", "lamps"}
	campaigns  = []string{"newsletter", "search", "social", "none", "affiliate-17"}
	referrers  = []string{"https://www.google.com/", "https://shop.example.com/",
		"https://news.example.org/reviews/2023", ""}
	languages  = []string{"de-DE", "en-GB", "en-US", "fr-FR", "nl-NL"}
	screens    = []string{"1920x1080", "390x844", "1440x900", "2560x1440"}
	variants   = []string{"control", "one-page", "express"}
	userAgents = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, " +
			"like Gecko) Chrome/119.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, " +
			"like Gecko) Version/17.1 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/119.0",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, " +
			"like Gecko) Version/17.0 Safari/605.1.15",
	}
)
