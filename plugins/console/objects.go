package main

import (
	"slices"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/render"
	"github.com/penstock-io/penstock/sdk/transit"
)

// objects lays the rows of one input out as JSON, an object a line.
type objects struct {
	head []byte // the step, which every object begins with
	rows *render.Layout
}

func newObjects(in sdk.Input, columns []int) *objects {
	key := "step"
	for slices.Contains(columnNames(in), key) {
		key = "_" + key
	}
	head := append(render.AppendString([]byte("{"), key), ':')
	head = append(render.AppendString(head, in.Name), ',')
	return &objects{head: head, rows: render.New(in.Type, columns...)}
}

// row prints one row.
func (o *objects) row(page []byte, batch transit.Batch, row int) []byte {
	page = append(page, o.head...)
	page = o.rows.AppendMembers(page, batch, row)
	return append(page, "}\n"...)
}
