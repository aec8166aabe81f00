// Package dynamofake speaks as much of DynamoDB's protocol as the ledger uses, in the
// process: conditional writes, transactions, queries in pages, parallel scans, one index.
// It is for tests that "go test" runs without anything installed; the same tests run
// against DynamoDB Local too, so it may be kinder than that in nothing: an expression
// that names what it does not use, or uses what it does not name, is refused, and so is
// all that it does not know. A read of a table that does not ask to be consistent never
// sees the last write.
//
// Faults are ordered from outside, by package httpfault.
package dynamofake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Server is all tables. It implements http.Handler.
type Server struct {
	// PageSize is how many items one page of a query or scan has at most; DynamoDB's has
	// a megabyte. Tests make it tiny.
	PageSize int

	mutex  sync.Mutex
	tables map[string]*table
	tokens map[string]string // of transactions that went through: what they asked for
}

// New returns a server without tables.
func New() *Server {
	return &Server{PageSize: 1000, tables: map[string]*table{}, tokens: map[string]string{}}
}

// A value is an attribute as the protocol writes it: {"N": "5"}, {"S": "text"}.
type value map[string]any

type item map[string]value

type keyNames struct{ hash, sort string }

type table struct {
	keyNames
	described json.RawMessage     // what made it
	indexes   map[string]keyNames // by name
	kinds     map[string]string   // of key attributes: S or N
	items     map[string]item     // by place
	last      step                // the last write, which only consistent reads see
}

// A refusal is an answer that is not a success (API reference, Common errors).
type refusal struct {
	code, message string
	found         item     // what failed the condition, if that was asked for
	reasons       []reason // of a transaction
}

type reason struct {
	Code    string
	Message string `json:",omitempty"`
	Item    item   `json:",omitempty"`
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

func invalid(format string, args ...any) error {
	return &refusal{code: "ValidationException", message: fmt.Sprintf(format, args...)}
}

// request is what the operations say that is known here.
type request struct {
	TableName, IndexName string
	Key, Item            item
	ConsistentRead       bool
	ScanIndexForward     *bool
	Segment              *int
	TotalSegments        *int
	Limit                *int
	ExclusiveStartKey    item
	TransactItems        []map[string]request
	ClientRequestToken   string

	ConditionExpression, UpdateExpression, KeyConditionExpression string
	FilterExpression, ProjectionExpression                        string
	ExpressionAttributeNames                                      map[string]string
	ExpressionAttributeValues                                     *map[string]value

	ReturnValues                        string
	ReturnValuesOnConditionCheckFailure string
	ReturnConsumedCapacity              string
}

type index struct {
	IndexName  string
	KeySchema  []keyElement
	Projection struct{ ProjectionType string }
}

type keyElement struct{ AttributeName, KeyType string }

type newTable struct {
	TableName            string
	KeySchema            []keyElement
	AttributeDefinitions []struct{ AttributeName, AttributeType string }

	GlobalSecondaryIndexes []index
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // whoever asked has gone
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s.mutex.Lock()
	result, err := s.serve(operation, body)
	s.mutex.Unlock()
	status := http.StatusOK
	if refused, ok := err.(*refusal); ok {
		status = http.StatusBadRequest
		result = map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#" + refused.code, "message": refused.message}
		if refused.found != nil {
			result["Item"] = refused.found
		}
		if refused.reasons != nil {
			result["CancellationReasons"] = refused.reasons
		}
	}
	text, err := json.Marshal(result)
	if err != nil {
		panic(err) // all of it came out of JSON
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // whoever asked may have gone
}

// operations are those that are known, beside the one that makes a table.
var operations = []string{
	"DescribeTable", "DeleteTable", "GetItem", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "Query", "Scan",
}

func (s *Server) serve(operation string, body []byte) (map[string]any, error) {
	var r request
	if operation == "CreateTable" {
		return s.createTable(body)
	}
	if !slices.Contains(operations, operation) {
		return nil, &refusal{code: "UnknownOperationException", message: operation}
	}
	known := json.NewDecoder(bytes.NewReader(body))
	known.DisallowUnknownFields()
	if err := known.Decode(&r); err != nil {
		return nil, invalid("dynamofake cannot read %s: %v", operation, err)
	}
	if r.ExpressionAttributeValues != nil && len(*r.ExpressionAttributeValues) == 0 {
		return nil, invalid("ExpressionAttributeValues must not be empty")
	}
	if operation == "TransactWriteItems" {
		return s.transactWrite(r)
	}
	t, ok := s.tables[r.TableName]
	if !ok {
		return nil, &refusal{code: "ResourceNotFoundException", message: "Cannot do operations on a non-existent table"}
	}
	switch operation {
	case "DescribeTable":
		return map[string]any{"Table": t.describe()}, nil
	case "DeleteTable":
		delete(s.tables, r.TableName)
		return map[string]any{"TableDescription": t.describe()}, nil
	case "GetItem":
		return t.get(r)
	case "PutItem", "UpdateItem", "DeleteItem":
		return t.write(operation, r)
	case "Query":
		return s.query(t, r)
	default:
		return s.scan(t, r)
	}
}

func (s *Server) createTable(body []byte) (map[string]any, error) {
	var n newTable
	if err := json.Unmarshal(body, &n); err != nil {
		return nil, invalid("%v", err)
	}
	if _, exists := s.tables[n.TableName]; exists {
		return nil, &refusal{code: "ResourceInUseException", message: "Table already exists: " + n.TableName}
	}
	t := &table{
		keyNames: namesOf(n.KeySchema), described: body, indexes: map[string]keyNames{}, kinds: map[string]string{},
		items: map[string]item{},
	}
	for _, a := range n.AttributeDefinitions {
		t.kinds[a.AttributeName] = a.AttributeType
	}
	for _, i := range n.GlobalSecondaryIndexes {
		if i.Projection.ProjectionType != "ALL" {
			return nil, invalid("dynamofake knows no index with projection %q", i.Projection.ProjectionType)
		}
		t.indexes[i.IndexName] = namesOf(i.KeySchema)
	}
	s.tables[n.TableName] = t
	return map[string]any{"TableDescription": t.describe()}, nil
}

func namesOf(schema []keyElement) (names keyNames) {
	for _, k := range schema {
		if k.KeyType == "HASH" {
			names.hash = k.AttributeName
		} else {
			names.sort = k.AttributeName
		}
	}
	return names
}

func (t *table) describe() map[string]any {
	var d map[string]any
	if err := json.Unmarshal(t.described, &d); err != nil {
		panic(err) // it was read before
	}
	d["TableStatus"] = "ACTIVE"
	return d
}
