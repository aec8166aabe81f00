// Package human writes numbers, sizes and times as people read them, reads them as
// people write them, and makes text that others decided harmless for a terminal.
package human
