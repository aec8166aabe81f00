// Package bifrosttest proves the rules of package bifrost without a network.
//
// It holds three things:
//
//   - twins: an in-memory [Ledger], [Store], [Kafka] and [Lambda] that keep the
//     contracts of bifrost's ports. They start no goroutine and read no clock.
//   - suites: [TestLedger] and [TestStore] check those contracts sentence by
//     sentence. The twins and the adapters for DynamoDB and S3 pass the same
//     suites, so what the simulation assumes is what the real parts do.
//   - a simulation: the real discover and archive code over the twins, one step
//     at a time in an order that a seed decides, with faults.
//
// The twins never fail by themselves. Faults are ordered from outside, by
// wrapping a port.
package bifrosttest
