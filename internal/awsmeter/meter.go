// Package awsmeter counts what AWS bills beside time: requests to S3, and the units of
// DynamoDB.
package awsmeter

import (
	"context"
	"reflect"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// Usage is what S3 and DynamoDB count.
type Usage struct {
	Puts       float64 // requests to S3 of the dearer class: PUT, POST, LIST
	Gets       float64 // requests of the cheaper class: GET, HEAD
	ReadUnits  float64 // of DynamoDB, on demand
	WriteUnits float64
}

// Plus adds the other so many times.
func (u Usage) Plus(other Usage, times float64) Usage {
	return Usage{
		Puts: u.Puts + times*other.Puts, Gets: u.Gets + times*other.Gets,
		ReadUnits: u.ReadUnits + times*other.ReadUnits, WriteUnits: u.WriteUnits + times*other.WriteUnits,
	}
}

// Meter counts what the clients it watches use. DynamoDB tells the units of each
// request itself, those of indexes among them. A request that the SDK repeats counts
// once.
type Meter struct {
	mutex sync.Mutex
	used  Usage
}

// Total is what was used so far.
func (m *Meter) Total() Usage {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.used
}

// Watch is the configuration of a client that the meter watches.
func (m *Meter) Watch(cfg aws.Config) aws.Config {
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), m.AddTo)
	return cfg
}

// AddTo makes the meter watch a client, as one of its APIOptions.
func (m *Meter) AddTo(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("BifrostMeter", m.handle), middleware.After)
}

func (m *Meter) handle(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	middleware.InitializeOutput, middleware.Metadata, error) {
	wish := reflect.ValueOf(in.Parameters).Elem().FieldByName("ReturnConsumedCapacity")
	if wish.IsValid() {
		wish.SetString("TOTAL")
	}
	out, metadata, err := next.HandleInitialize(ctx, in)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.count(awsmiddleware.GetOperationName(ctx), out.Result)
	return out, metadata, err
}

func (m *Meter) count(operation string, result any) {
	switch operation {
	case "PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "ListObjectsV2",
		"ListMultipartUploads":
		m.used.Puts++
	case "GetObject", "HeadObject":
		m.used.Gets++
	case "GetItem", "Query", "Scan":
		m.used.ReadUnits += capacityUnits(result)
	case "PutItem", "UpdateItem", "DeleteItem":
		m.used.WriteUnits += capacityUnits(result)
	case "TransactWriteItems":
		// DynamoDB bills two units for each kilobyte that is written in a transaction
		// (Developer Guide, "Amazon DynamoDB Transactions: How it works"). DynamoDB Local
		// 2.6.1 says four.
		m.used.WriteUnits += capacityUnits(result) / 2
	}
}

// capacityUnits adds up the ConsumedCapacity of an answer: one, or a list by table.
func capacityUnits(result any) float64 {
	answer := reflect.ValueOf(result)
	if !answer.IsValid() || answer.IsNil() { // the request failed: DynamoDB does not say what it cost
		return 0
	}
	consumed := answer.Elem().FieldByName("ConsumedCapacity")
	if consumed.Kind() == reflect.Pointer {
		return unitsOf(consumed)
	}
	units := 0.0
	for i := range consumed.Len() {
		units += unitsOf(consumed.Index(i).Addr())
	}
	return units
}

func unitsOf(consumed reflect.Value) float64 {
	if consumed.IsNil() {
		return 0
	}
	units, _ := consumed.Elem().FieldByName("CapacityUnits").Interface().(*float64)
	return aws.ToFloat64(units)
}
