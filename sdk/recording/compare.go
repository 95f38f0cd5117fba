package recording

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/render"
	"github.com/penstock-io/penstock/sdk/transit"
)

// ahead is how many rows are looked at to tell a row that is missing, or one too
// many, from one that is another.
const ahead = 64

// comparison holds what a process says against what was recorded, row by row. Both
// sides are read as far as it takes and no further.
type comparison struct {
	result *Result
	most   int

	next func() (Frame, error, bool) // of the recorded batches
	stop func()

	want, have side
	columns    []string
	texts      [2][]byte
}

// side is the rows of one side that were not compared yet.
type side struct {
	typ     transit.Type
	indexes []int // of the columns that are compared
	layout  *render.Layout
	batches []transit.Batch
	first   int // row of the first batch
	rows    int
	done    uint64 // rows that are compared
	over    bool   // no more will come
}

func newComparison(r *Recording, o Options) (*comparison, error) {
	c := &comparison{result: &Result{Recorded: r.OutputRows, Inputs: r.InputRows, Barriers: r.Barriers, Loader: r.Header.Loader()}, most: o.Most}
	c.next, c.stop = iter.Pull2(batches(r))
	if r.Header.Loader() {
		return c, nil
	}
	typ, err := r.Header.Output.Transit()
	if err != nil {
		return nil, err
	}
	c.result.Misfit = o.Output.Fits(typ)
	if c.idle() {
		return c, nil
	}
	c.want.typ, c.have.typ = typ, o.Output
	for i, column := range typ.Columns() {
		c.columns = append(c.columns, column.Name)
		c.want.indexes = append(c.want.indexes, i)
		c.have.indexes = append(c.have.indexes, slices.IndexFunc(o.Output.Columns(), func(x transit.Column) bool { return x.Name == column.Name }))
	}
	c.want.layout, c.have.layout = render.New(typ, c.want.indexes...), render.New(o.Output, c.have.indexes...)
	return c, nil
}

// idle tells that rows are not compared: there are none, or they are of another type.
func (c *comparison) idle() bool { return c.result.Loader || c.result.Misfit != nil }

// batches are the recorded ones.
func batches(r *Recording) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		for f, err := range r.Frames(true) {
			if (err != nil || f.Kind == Batch) && (!yield(f, err) || err != nil) {
				return
			}
		}
	}
}

// got takes rows that the process has said.
func (c *comparison) got(f *wire.Frame) error {
	c.result.Rows += uint64(f.Rows)
	if c.idle() {
		return nil
	}
	b, err := transit.DecodeBatch(c.have.typ, f.Bytes())
	if err != nil {
		return fmt.Errorf("read what the process says: %w", err)
	}
	c.have.push(b)
	return c.compare()
}

// end compares what is left when the process has said everything.
func (c *comparison) end() error {
	if c.idle() {
		return nil
	}
	c.have.over = true
	return c.compare()
}

// fill reads recorded rows, as many as are of use.
func (c *comparison) fill() error {
	for !c.want.over && (c.want.rows < c.have.rows+ahead || c.have.over) {
		f, err, more := c.next()
		if !more {
			c.want.over = true
			return nil
		}
		if err != nil {
			return err
		}
		b, err := transit.DecodeBatch(c.want.typ, bytes.Clone(f.Body))
		if err != nil {
			return &FormatError{Message: err.Error()}
		}
		c.want.push(b)
		if c.have.over && c.want.rows > ahead {
			return nil
		}
	}
	return nil
}

// compare goes as far as what is known on both sides.
func (c *comparison) compare() error {
	for {
		if err := c.fill(); err != nil {
			return err
		}
		if same := c.sameRows(min(c.want.rows, c.have.rows)); same > 0 {
			c.want.drop(same)
			c.have.drop(same)
			c.result.Same += uint64(same)
			continue
		}
		switch {
		case c.want.rows == 0 && c.have.rows == 0 && (!c.have.over || c.want.over):
			return nil
		case c.have.rows == 0:
			if !c.have.over {
				return nil
			}
			c.missing(c.want.rows)
		case c.want.rows == 0: // fill has found that no more were recorded
			c.extra(c.have.rows)
		case c.have.rows <= ahead && !c.have.over:
			return nil // what follows tells more
		default:
			c.differ()
		}
	}
}

// differ deals with the first rows, which are not the same.
func (c *comparison) differ() {
	if c.sameRow(1, 1) {
		c.changed()
		return
	}
	for n := 1; n <= ahead; n++ {
		if c.sameRow(0, n) {
			c.extra(n)
			return
		}
		if c.sameRow(n, 0) {
			c.missing(n)
			return
		}
	}
	c.changed()
}

// sameRows is how many of the first n rows are the same on both sides.
func (c *comparison) sameRows(n int) int {
	same := 0
	for same < n {
		w, wrow := c.want.row(same)
		h, hrow := c.have.row(same)
		m := min(n-same, int(w.Record.NumRows())-wrow, int(h.Record.NumRows())-hrow)
		if c.sameSlices(w, wrow, h, hrow, m) {
			same += m
			continue
		}
		for range m {
			if !c.sameRow(same, same) {
				return same
			}
			same++
		}
	}
	return same
}

// sameSlices compares columns at once. What it takes for different may be the same
// all the same: NaN is.
func (c *comparison) sameSlices(w transit.Batch, wrow int, h transit.Batch, hrow, n int) bool {
	for i := range c.columns {
		left, right := w.Record.Column(c.want.indexes[i]), h.Record.Column(c.have.indexes[i])
		if !array.SliceEqual(left, int64(wrow), int64(wrow+n), right, int64(hrow), int64(hrow+n)) {
			return false
		}
	}
	return true
}

// sameRow compares a row of each side, if both are there.
func (c *comparison) sameRow(want, have int) bool {
	if want >= c.want.rows || have >= c.have.rows {
		return false
	}
	for i := range c.columns {
		if !c.sameCell(i, want, have) {
			return false
		}
	}
	return true
}

func (c *comparison) sameCell(i, want, have int) bool {
	w, wrow := c.want.row(want)
	h, hrow := c.have.row(have)
	var wnull, hnull bool
	c.texts[0], wnull = c.want.layout.AppendText(c.texts[0][:0], w, i, wrow)
	c.texts[1], hnull = c.have.layout.AppendText(c.texts[1][:0], h, i, hrow)
	return wnull == hnull && bytes.Equal(c.texts[0], c.texts[1])
}

// changed notes that the first row of each side is another, and passes it.
func (c *comparison) changed() {
	c.result.Changed++
	if d := c.difference(Changed, c.want.done+1, &c.want); d != nil {
		for i := range c.columns {
			if !c.sameCell(i, 0, 0) {
				d.Cells[i].Got, d.Cells[i].Differs = c.have.cell(i), true
			}
		}
	}
	c.want.drop(1)
	c.have.drop(1)
}

func (c *comparison) missing(n int) {
	for range n {
		c.result.Missing++
		c.difference(Missing, c.want.done+1, &c.want)
		c.want.drop(1)
	}
}

func (c *comparison) extra(n int) {
	for range n {
		c.result.Extra++
		if d := c.difference(Extra, c.want.done+1, &c.have); d != nil {
			for i := range d.Cells {
				d.Cells[i].Got, d.Cells[i].Want = d.Cells[i].Want, ""
			}
		}
		c.have.drop(1)
	}
}

// difference notes one, with the first row of a side; nil: there are enough.
func (c *comparison) difference(kind DifferenceKind, row uint64, s *side) *Difference {
	if len(c.result.Differences) >= c.most {
		return nil
	}
	d := &Difference{Kind: kind, Row: row}
	for i, name := range c.columns {
		text := s.cell(i)
		d.Cells = append(d.Cells, Cell{Column: name, Want: text})
		if name == "block_number" || name == "block" && d.Block == "" {
			d.Block = text
		}
	}
	c.result.Differences = append(c.result.Differences, d)
	return d
}

func (s *side) push(b transit.Batch) {
	if n := int(b.Record.NumRows()); n > 0 {
		s.batches = append(s.batches, b)
		s.rows += n
	}
}

// row finds the i-th row that was not compared.
func (s *side) row(i int) (transit.Batch, int) {
	i += s.first
	for _, b := range s.batches {
		n := int(b.Record.NumRows())
		if i < n {
			return b, i
		}
		i -= n
	}
	panic("a row that is not there") // unreachable: callers know how many there are
}

// cell is a value of the first row.
func (s *side) cell(i int) string {
	b, row := s.row(0)
	text, null := s.layout.AppendText(nil, b, i, row)
	if null {
		return "null"
	}
	return string(text)
}

func (s *side) drop(n int) {
	s.rows -= n
	s.done += uint64(n)
	s.first += n
	for len(s.batches) > 0 && s.first >= int(s.batches[0].Record.NumRows()) {
		s.first -= int(s.batches[0].Record.NumRows())
		s.batches = s.batches[1:]
	}
}
