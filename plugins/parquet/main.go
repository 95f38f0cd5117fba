// Command parquet keeps rows in Parquet files, one for each range of blocks.
//
//	ethereum__logs__18000000_to_18009999.parquet
//	ethereum__logs__18010000_to_18019999.parquet
//	_ethereum__logs.manifest.json
//	_ethereum__logs.sql
//
// # Every row once
//
// A Parquet file cannot be read before it is whole and cannot be changed
// afterwards, and rows can be taken back for a while. So a file is made of parts
// that lie in a hidden directory beside the files, of one step each:
//
//	pieces   row groups, as they will stand in the file, each a Parquet file itself
//	a tail   the rows since the last piece, as an Arrow stream
//	books    how far each input had come at each checkpoint that can be gone back to
//
// Rows are encoded as they come, and wait in memory for a commit. Then a piece is
// made of them if there are enough for one, otherwise they go to the tail, and at
// a checkpoint both are on the disk: of history a row is written once,
// compressed; at the head of a chain there are no row groups of a few rows. A
// process that begins at a checkpoint removes later pieces, cuts the tail, and
// encodes what is left of it again.
//
// When a range is complete and can be taken back no more, its pieces are joined
// to a file: their bytes are copied, under another name, flushed to the disk,
// and renamed; then it is written into the manifest, which is replaced as a
// whole. A file with a final name is whole and never changes. A file that this
// step has not made is never written to, replaced or removed.
//
// With seal = "checkpoint" a file is made as soon as its range is complete. Its
// parts are kept as long as its rows can be taken back: then the file is removed,
// and made again.
package main

import (
	"time"

	"github.com/penstock-io/penstock/sdk"
)

func main() { sdk.Serve(register(5 * time.Second)) }

// register is what the plugin serves. The patience is how long it waits for
// another process that writes the same files.
func register(patience time.Duration) sdk.Register {
	return sdk.BatchLoader("parquet", &loader{settings: defaults(), patience: patience}).
		Truncates().Doc("Keeps rows in Parquet files by ranges of blocks, with a manifest, for DuckDB, pandas and the like.")
}
