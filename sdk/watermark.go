package sdk

import "slices"

// watermarks remember how far each input of a process has come.
type watermarks struct {
	points []*SafePoint // newest of each input; nil: it has said nothing yet
	over   []bool       // inputs that have ended: they have reached everything
}

func newWatermarks(inputs int) watermarks {
	return watermarks{points: make([]*SafePoint, inputs), over: make([]bool, inputs)}
}

// least is the place that every input has reached; nil: one has said nothing
// yet. When all have ended it is the least of where they did.
func (w watermarks) least() *SafePoint {
	var least *SafePoint
	done := w.done()
	for i, p := range w.points {
		if w.over[i] && !done {
			continue
		}
		if p == nil {
			return nil
		}
		if least == nil || p.Cursor.Block < least.Cursor.Block {
			least = p
		}
	}
	return least
}

// done tells whether all inputs have ended.
func (w watermarks) done() bool { return !slices.Contains(w.over, false) }
