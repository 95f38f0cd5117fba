package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/transit"
)

// noteCondemned is the durable note of rows that are left out.
const noteCondemned = "condemned"

// condemned is a row that is left out for good. A reorganisation may put another
// row in its place, so that its content counts too.
type condemned struct {
	Process string `json:"process"`
	Input   uint32 `json:"input"`
	Row     uint64 `json:"row"`
	Hash    string `json:"sha256"` // of the row alone
}

// hashOf is a digest of what a row says. The bytes of a row alone may differ with
// the batch that it was taken from.
func hashOf(typ transit.Type, row []byte) (string, error) {
	b, err := transit.DecodeBatch(typ, row)
	if err != nil {
		return "", fmt.Errorf("look at a row: %w", err)
	}
	h := sha256.New()
	for column := range int(b.Record.NumCols()) {
		_, _ = fmt.Fprintf(h, "%t %q\n", b.Record.Column(column).IsNull(0), b.Text(column, 0))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// leftOut is what the note of condemned rows holds.
type leftOut struct {
	Rows []condemned `json:"rows"`
	// Gone counts the rows that were forgotten because nothing goes back to
	// before them, by process and input.
	Gone map[string]uint64 `json:"gone,omitempty"`
}

// has tells whether the row of a dead letter is left out of what a process gets.
func (l leftOut) has(p *process, letter store.DeadLetter) bool {
	return slices.ContainsFunc(l.Rows, func(c condemned) bool {
		return c.Process == p.spec().Name() && c.Row == letter.Row && p.readsFrom(c.Input, letter)
	})
}

// condemnedRows are the rows of this domain that are left out.
func (d *domain) condemnedRows() (leftOut, error) {
	var out leftOut
	text, ok := d.memory.Note(noteCondemned)
	if !ok {
		return out, nil
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return out, fmt.Errorf("read which rows are left out: %w", err)
	}
	return out, nil
}

func (d *domain) noteLeftOut(out leftOut) error {
	text, err := json.Marshal(out)
	if err == nil {
		err = d.memory.SetNote(noteCondemned, text)
	}
	if err != nil {
		return &recordError{err: err}
	}
	return nil
}

// condemn leaves a row out for good.
func (d *domain) condemn(p *process, at span, row []byte) error {
	out, err := d.condemnedRows()
	if err != nil {
		return err
	}
	hash, err := hashOf(p.spec().Inputs[at.input].From.Register.Output, row)
	if err != nil {
		return err
	}
	out.Rows = append(out.Rows, condemned{Process: p.spec().Name(), Input: at.input, Row: at.from, Hash: hash})
	return d.noteLeftOut(out)
}

// forgive forgets condemned rows that no rewind will ever come to again.
func (d *domain) forgive(base store.Checkpoint) error {
	out, err := d.condemnedRows()
	if err != nil || len(out.Rows) == 0 {
		return err
	}
	var still []condemned
	for _, row := range out.Rows {
		if d.isBefore(row, base) {
			if out.Gone == nil {
				out.Gone = make(map[string]uint64)
			}
			out.Gone[row.where()]++
			continue
		}
		still = append(still, row)
	}
	if len(still) == len(out.Rows) {
		return nil
	}
	out.Rows = still
	return d.noteLeftOut(out)
}

// forgetAfter forgets condemned rows that a reorganisation has undone: they come
// again, or others do.
func (d *domain) forgetAfter(base store.Checkpoint) error {
	out, err := d.condemnedRows()
	if err != nil {
		return err
	}
	before := len(out.Rows)
	out.Rows = slices.DeleteFunc(out.Rows, func(row condemned) bool { return !d.isBefore(row, base) })
	if len(out.Rows) == before {
		return nil
	}
	return d.noteLeftOut(out)
}

// isBefore tells whether a row lies before a checkpoint.
func (d *domain) isBefore(row condemned, base store.Checkpoint) bool {
	p := d.named(row.Process)
	return p == nil || int(row.Input) >= len(p.spec().Inputs) || row.Row < base.Counts[p.spec().Inputs[row.Input].From.Name()]
}

// where names the input that a row belongs to.
func (c condemned) where() string { return fmt.Sprintf("%s#%d", c.Process, c.Input) }

// rowsBefore counts the rows of an input that a process was given before a
// checkpoint: those that were left out are not among them.
func (d *domain) rowsBefore(e *graph.Edge, base store.Checkpoint) (uint64, error) {
	out, err := d.condemnedRows()
	if err != nil {
		return 0, err
	}
	here := condemned{Process: e.To.Name(), Input: uint32(e.Input)}
	rows := base.Counts[e.From.Name()]
	left := out.Gone[here.where()]
	for _, row := range out.Rows {
		if row.where() == here.where() && row.Row < rows {
			left++
		}
	}
	return rows - min(left, rows), nil
}
