// Command console is a Penstock plugin with a loader that shows rows to people:
// as a table, or as one JSON object a line. What it prints appears on its
// host's standard output.
package main

import (
	"io"
	"os"
	"time"

	"github.com/penstock-io/penstock/sdk"
)

func main() { sdk.Serve(register(os.Stdout, time.Now)) }

func register(out io.Writer, now func() time.Time) sdk.Register {
	return sdk.BatchLoader("console", &console{Format: "table", out: out, now: now}).
		Doc("Prints rows on the host's standard output, as a table or as JSON lines.")
}
