package transit_test

import (
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/penstock-io/penstock/sdk/transit"
)

// rawBytes is what stands in a binary column.
func rawBytes(b transit.Batch, col, row int) []byte {
	return b.Record.Column(col).(*array.Binary).Value(row)
}
