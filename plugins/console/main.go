// Command console is a Penstock plugin with a loader that shows rows to people:
// as a table, or as one JSON object a line. What it prints appears on its
// host's standard output.
//
// Nobody can take back what was printed: after a crash, or where the chain has
// reorganised, rows after the last checkpoint are printed again, which is at
// least once.
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
		Doc("Prints rows on the host's standard output, as a table or as JSON lines; after a crash or a reorganisation it may print rows again.")
}
