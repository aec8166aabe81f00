// What the archive costs in a month, by the figures of docs/cost.md.

package reportpage

import (
	"fmt"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
)

// The figures of docs/cost.md, in dollars; a test compares them with that page.
const (
	largeObject   = 49.3e-6 // an object, beside its bytes: cost/tb/1_mib less cost/tb/128_mib
	smallObject   = 23e-6   // the same for a range of at most a mebibyte, which shares a function
	rawByte       = 0.19e-12
	idleStack     = 0.07    // ticks for a month
	idlePartition = 0.00094 // what a tick reads of each partition, for a month
	monitoring    = 9.72    // metrics, ten alarms, logs and the dashboard: docs/operations.md
	bytesPerGB    = 1e9
	daysPerMonth  = 30
)

// costLine is one line of the bill.
type costLine struct{ What, Basis, Dollars string }

func dollars(v float64) string {
	if v >= 1000 {
		return "$" + human.Count(int64(v+0.5))
	}
	return fmt.Sprintf("$%.2f", v)
}

// storageCost is what so many bytes cost in a month.
func storageCost(bytes int64, price float64) float64 { return float64(bytes) / bytesPerGB * price }

// costSection is the bill. Price is dollars for a GB in a month.
func (p *Page) costSection(s *Scan, stored int64, partitions int, price float64) {
	storage := storageCost(stored, price)
	made := float64(s.made.small)*smallObject + float64(s.made.large)*largeObject + float64(s.made.raw)*rawByte
	ticks := idleStack + float64(partitions)*idlePartition
	p.Costs = []costLine{
		{"Storage", fmt.Sprintf("%s at $%g for a GB", human.Size(stored), price), dollars(storage)},
		{"Archiving", fmt.Sprintf("%s of %s raw in the last 30 days",
			human.Some(s.made.small+s.made.large, "object"), human.Size(s.made.raw)), dollars(made)},
		{"Ticks", fmt.Sprintf("one a minute over %s", human.Some(int64(partitions), "partition")), dollars(ticks)},
		{"Metrics, alarms, dashboard, logs", "as the template makes them", dollars(monitoring)},
	}
	p.bill = dollarsJSON{storage, made, ticks, monitoring}
	p.CostTotal = dollars(storage + made + ticks + monitoring)
	p.CostGrowth = "How much more storage costs with each month is not known before there are records of a day."
	if bytes, known := s.aDay(s.total.growth); known {
		p.CostGrowth = fmt.Sprintf("At the present growth, storage costs %s a month more with each month.",
			dollars(storageCost(int64(bytes*daysPerMonth), price)))
	}
}
