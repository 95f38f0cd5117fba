// Command sqlite is a Penstock plugin with a loader that keeps rows in a SQLite
// file, one table for each input.
package main

import "github.com/penstock-io/penstock/sdk"

func main() {
	sdk.Serve(
		sdk.BatchLoader("sqlite", &loader{Hex: true}).
			Doc("keeps rows in a SQLite file, one table for each input; rows that come again replace the old ones"),
	)
}
