// Command sqlite keeps rows in a SQLite database, one table for each step that it reads.
//
// A transaction is open from the first row to the commit that the host asks for at safe points, so that whoever reads the file sees whole
// blocks only.
//
// Every row is there once, whatever dies. The first column of a table, penstock_row, numbers its rows from 1 in the order they came: it is
// SQLite's own key, so it costs no room, and ORDER BY penstock_row is that order. At a checkpoint the number of the last row is kept in the
// same transaction as the rows, and a pipeline that goes on from there removes the rows after it first, as they come again. So rows can be
// removed by anybody, but rows that others add would be removed: let them write to tables of their own. When a pipeline begins anew, all
// rows go, once its source has given a sign of life.
//
// With key a row takes the place of the one that has the same values in these columns, and gets a number of its own. What was replaced is
// kept in penstock_replaced_TABLE until nothing can go back to before that any more, and stands again in its place if something does.
//
// The tables penstock_steps, penstock_tables and penstock_checkpoints keep account of that. A table has one writer, the rows of a step come
// from one chain, and of several processes that write a step only the one that was opened last can: what does not fit is refused. A column
// that rows have gained is added to their table, where it is NULL in the rows before; one that they have lost stays. A column of another
// type is refused, with both shown. A file that is removed or replaced while it is written is noticed with the next commit.
//
// Columns are those of the rows:
//
//	bool, whole numbers    INTEGER   uint64 beyond 2^63-1, which SQLite has no integers for, is a BLOB of 8 bytes, big-endian: exact, and it
//	                                 sorts after all integers and in order
//	floats                 REAL      not a number is NULL
//	uint256                TEXT      exact decimal; ORDER BY length(v), v sorts it, CAST(v AS REAL) is near enough for sums; a BLOB of 32
//	                                 bytes, big-endian, with uint256 = "blob", which sorts as it is
//	bigint                 TEXT      exact decimal
//	timestamp              TEXT      RFC 3339 in UTC, which SQLite's date functions read
//	address                TEXT      0x and hexadecimal with checksum; compared without regard to case
//	hash, bytes            TEXT      0x and hexadecimal
//	string                 TEXT
//	list, struct           TEXT      JSON
//
// With bytes = "blob", addresses, hashes and bytes are BLOBs. Columns that are never null are NOT NULL, but for floats. A column
// block_number has an index.
package main

import (
	"time"

	"github.com/penstock-io/penstock/sdk"
)

func main() { sdk.Serve(register(5 * time.Second)) }

// register is what the plugin serves. The patience is how long it waits for another program that writes to the same file.
func register(patience time.Duration) sdk.Register {
	return sdk.BatchLoader("sqlite", &loader{settings: defaults(), patience: patience}).
		Doc("Keeps rows in a SQLite database, one table for each step it reads.").
		Truncates()
}
