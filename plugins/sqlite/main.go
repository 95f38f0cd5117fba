// Command sqlite keeps rows in a SQLite database, one table for each step that it reads.
//
// A transaction is open from the first row to the commit that the host asks for at safe points, so that whoever reads the file sees whole
// blocks only. When a pipeline begins again, the rows that will come again are removed first: a table holds every row once.
//
// Columns are those of the rows:
//
//	bool, whole numbers    INTEGER   uint64 beyond 2^63-1, which SQLite has no integers for, is a BLOB of 8 bytes, big-endian: exact, and it
//	                                 sorts after all integers and in order
//	floats                 REAL      not a number is NULL
//	uint256, bigint        TEXT      exact decimal; ORDER BY length(v), v sorts uint256, CAST(v AS REAL) is near enough for sums
//	timestamp              TEXT      RFC 3339 in UTC, which SQLite's date functions read
//	address                TEXT      0x and hexadecimal with checksum; compared without regard to case
//	hash, bytes            TEXT      0x and hexadecimal
//	string                 TEXT
//	list, struct           TEXT      JSON
//
// With hex = false, addresses, hashes and bytes are BLOBs. Columns that are never null are NOT NULL, but for floats. A column block_number
// has an index.
package main

import (
	"time"

	"github.com/penstock-io/penstock/sdk"
)

func main() { sdk.Serve(register(5 * time.Second)) }

// register is what the plugin serves. The patience is how long it waits for another program that writes to the same file.
func register(patience time.Duration) sdk.Register {
	return sdk.BatchLoader("sqlite", &loader{Hex: true, patience: patience}).
		Doc("Keeps rows in a SQLite database, one table for each step it reads.").
		Truncates()
}
