// Package capture records what of a cluster is not in its records: topics with
// their partitions and settings, ACLs, quotas, users, and where every consumer
// group stands beside the ends of the logs. It knows no SDK; docs/capture.md
// specifies what it writes.
//
// In the order in which to read it:
//
//	format.go         the lines, as types
//	lines.go          how they are written and read
//	cluster.go        what is asked of Kafka
//	configuration.go  what changes rarely: its object is named by its content
//	positions.go      what moves: groups first, then the ends of the logs
//	transactions.go   what is waited for in between
//	key.go            where captures are in the bucket
//	capturer.go       when they are made
//	source.go          how captures are found and read again
//
// A part that Kafka refuses, or that fails by itself, is a line that says so and
// why. Only when nothing at all can be asked is there no capture.
package capture
