// Command console is a Penstock plugin with a loader that shows rows to people:
// as a table, or as one JSON object a line. What it prints appears on its
// host's standard output.
package main

import (
	"os"

	"github.com/penstock-io/penstock/sdk"
)

func main() {
	sdk.Serve(
		sdk.BatchLoader("console", &console{Format: "table", Limit: 20, out: os.Stdout}).
			Doc("prints rows on the host's standard output, as a table or as JSON lines"),
	)
}
