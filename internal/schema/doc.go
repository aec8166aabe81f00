// Package schema decodes what serializers of Confluent's kind have written: a zero
// byte, the ID of a schema in four bytes, and Avro, Protobuf or JSON behind them
// (https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html,
// "Wire format"). The result is JSON.
//
// Reading order:
//
//	schema.go      a schema, what it refers to, and where schemas come from
//	decoder.go     from bytes to JSON, or the reason why not
//	avro.go        Avro: schema and data; avrojson.go writes the data as JSON
//	protobuf.go    Protobuf, by messages that are made from the schema
//	jsonschema.go  JSON, held against its schema
//	columns.go     the columns that an Avro schema makes; convert.go puts data into them
//	newest.go      which schema of a topic is the newest
//	log.go         schemas from the records of the registry's own topic
//	topic.go       that topic as it is archived
//	registry.go    schemas from a registry
//	files.go       schemas from files
//
// A schema that does not exist or does not fit is no error: the bytes stay, and the
// reason is told beside them. An error is what may be another one the next time.
package schema
