// Package baldr reads and writes Baldr.gz, a file format for Kafka records.
package baldr
