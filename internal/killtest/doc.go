// Package killtest holds no code: its test lets real processes of Bifrost archive
// a real Kafka to a real S3 server while everything around them fails, and then
// has a reader in another language compare the archive with the log.
package killtest
