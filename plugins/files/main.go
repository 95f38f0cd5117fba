// Command files keeps rows in files, one for each step that it reads: as JSON
// lines, or as CSV.
//
// # Rows
//
// A line of JSON is one row, an object with a member for each column. Booleans,
// integers of up to 64 bits and floats stand bare, null is null; all else is a
// string: addresses with checksum, bytes and hashes as hexadecimal with 0x,
// uint256 and bigint as decimals, times in RFC 3339, and the floats that JSON
// has no number for. Lists and structs are JSON.
//
// A CSV file begins with the names of its columns. Values are the same text, in
// quotes as RFC 4180 has it where they need them; lines end with a line feed.
// Nothing between two commas is null, "" is an empty string. Where a row has one
// column only, null is "" too: an empty line would be no row to most readers.
// Text is written as it is, also where a spreadsheet would take it for a
// formula.
//
// # Every row once
//
// Beside the rows lies a file .penstock-STEP-xxxxxxxx.json. It says how far each
// file had come at each checkpoint that can still be gone back to. At a
// checkpoint the rows are on the disk before it, and it is replaced as a whole:
// written under another name, flushed to the disk, renamed. A process that
// begins at a checkpoint cuts its files to the length that they had there and
// removes those that came later, so that rows which come again are there once,
// in order, and the files are those of a run in which nothing failed. A process
// that begins at the beginning removes everything that its step has written
// here. Where the checkpoint is not known, nothing is touched.
//
// Only one process writes at a time: it holds a lock on .penstock-STEP-xxxxxxxx.lock
// as long as it lives. One that is older than the last is refused. A file that
// this step has not made is never written to, replaced or removed.
//
// # Files
//
// A file is made when its first row comes. Without rotation it grows under its
// final name for ever; what is beyond the last checkpoint may be taken back.
//
// With rotation files are numbered. The one that rows are written to has the
// ending .part:
//
//	swaps.000001.jsonl
//	swaps.000002.jsonl
//	swaps.000003.jsonl.part
//	swaps.manifest.penstock
//
// It gets its final name when rows have begun to go to the next one and the
// chain cannot take back its last row any more; a file without .part never
// changes, and may be moved away or removed. The manifest has a line for each of
// them: its name, rows, bytes, and first and last block. Where a file ends depends
// on the rows alone: it has as many as fit, those of so many blocks, or those of
// so much time. The last one keeps its ending, because a pipeline that has come to
// its end may be given a later one.
//
// # Compression
//
// A path that ends with .gz or .zst is compressed. At each commit a frame ends, so
// that a file can be read at any time, with the usual tools, which take several
// frames for one; and a rewind cuts between two. The size of rotation is that of
// the text before it is compressed.
//
// # What others do to files
//
// A file that is removed, renamed, replaced or changed while it is written is
// noticed with the next commit, and the step stops: rows would go where nobody
// finds them.
package main

import (
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
)

func main() { sdk.Serve(registers(5 * time.Second)...) }

// registers are what the plugin serves. The patience is how long it waits for
// another process that writes the same files.
func registers(patience time.Duration) []sdk.Register {
	return []sdk.Register{
		sdk.BatchLoader("jsonl", &loader{layout: newLines, patience: patience, Limits: gather.Default()}).
			Truncates().Doc("Keeps rows in files of JSON lines, one file for each step it reads."),
		sdk.BatchLoader("csv", &loader{layout: newTable, patience: patience, Limits: gather.Default()}).
			Truncates().Doc("Keeps rows in CSV files, one file for each step it reads."),
	}
}
