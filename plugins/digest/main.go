// Command digest is a Penstock plugin with a loader that keeps no rows, only how
// many there were and what they add up to, by range of blocks: enough to tell
// whether another store holds the same, and where not.
package main

import "github.com/penstock-io/penstock/sdk"

func main() { sdk.Serve(register()) }

func register() sdk.Register {
	return sdk.BatchLoader("digest", &loader{Column: "block_number", Every: 100_000}).
		Truncates().
		Doc("Counts rows and adds up their digests by range of blocks, to compare with what another loader holds; the sums are in a JSON file.")
}
