// AWS's list prices.

package main

import (
	"fmt"
	"strings"
)

// A price is one line of AWS's lists.
type price struct {
	what    string
	dollars float64
	per     string
	list    string // where AWS publishes it
}

// pricesAsOf says when and where the list prices below held. This is the one place
// to edit them: docs/cost.md shows this table, and "make figures" refreshes it.
const pricesAsOf = "us-east-1, November 2025, in US dollars, without free tiers, discounts and taxes"

var (
	priceCompute  = price{"Lambda, arm64", 0.0000133334, "GB-second", "AWS Lambda Pricing"}
	priceInvoke   = price{"Lambda, start of a function", 0.20e-6, "request", "AWS Lambda Pricing"}
	priceSchedule = price{"EventBridge Scheduler", 1.00e-6, "start", "Amazon EventBridge Pricing"}
	pricePut      = price{"S3 Standard, PUT, POST, LIST", 0.005e-3, "request", "Amazon S3 Pricing"}
	priceGet      = price{"S3 Standard, GET, HEAD", 0.0004e-3, "request", "Amazon S3 Pricing"}
	priceStep     = price{
		"Step Functions, state transition of a standard workflow", 0.025e-3, "transition", "AWS Step Functions Pricing",
	}
	priceStorage = price{"S3 Standard, storage", 0.023, "GB-month", "Amazon S3 Pricing"}
	priceWrite   = price{"DynamoDB on demand, write", 0.625e-6, "request unit", "Amazon DynamoDB Pricing"}
	priceRead    = price{"DynamoDB on demand, read", 0.125e-6, "request unit", "Amazon DynamoDB Pricing"}
	priceLogs    = price{"CloudWatch Logs, ingestion", 0.50, "GB", "Amazon CloudWatch Pricing"}
	priceZone    = price{"traffic between zones, both ends", 0.02, "GB",
		"Amazon EC2 On-Demand Pricing, Data Transfer"}
	priceEndpoint  = price{"interface endpoint of a VPC, a zone", 0.01, "hour", "AWS PrivateLink Pricing"}
	priceConnector = price{"MSK Connect worker, 1 vCPU", 0.11, "MCU-hour", "Amazon MSK Pricing"}
	priceStream    = price{"Data Firehose, MSK as the source", 0.055, "GB", "Amazon Data Firehose Pricing"}
)

var prices = []price{
	priceCompute, priceInvoke, priceStep, priceSchedule, pricePut, priceGet, priceStorage, priceWrite, priceRead,
	priceLogs, priceZone, priceEndpoint, priceConnector, priceStream,
}

// of is the dollars for so much.
func (p price) of(amount float64) float64 { return p.dollars * amount }

// priceTable is the table as docs/cost.md shows it.
func priceTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Prices: %s.\n\n| what | dollars | per | list |\n|---|---|---|---|\n", pricesAsOf)
	for _, p := range prices {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", p.what, decimal(p.dollars), p.per, p.list)
	}
	return b.String()
}

// decimal writes a number without an exponent.
func decimal(v float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.12f", v), "0"), ".")
}
