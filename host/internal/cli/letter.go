package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/transit"
)

// letterDocument is a dead letter as JSON.
type letterDocument struct {
	ID         string          `json:"id"`
	Pipeline   string          `json:"pipeline"`
	Step       string          `json:"step"`
	Register   string          `json:"register"`
	Input      string          `json:"input"`
	Row        uint64          `json:"row"`
	Type       string          `json:"type"`
	State      string          `json:"state"`
	Attempts   uint32          `json:"attempts"`
	Generation uint64          `json:"generation"`
	AfterBlock *uint64         `json:"after_block,omitempty"`
	First      time.Time       `json:"first"`
	Last       time.Time       `json:"last"`
	Cause      string          `json:"cause"`
	Stack      string          `json:"stack,omitempty"`
	Value      json.RawMessage `json:"value,omitempty"`
}

func letterDocuments(letters []store.DeadLetter) []letterDocument {
	out := make([]letterDocument, 0, len(letters))
	for _, l := range letters {
		l.Stack = "" // show tells it
		out = append(out, documentOf(l))
	}
	return out
}

func documentOf(l store.DeadLetter) letterDocument {
	d := letterDocument{
		ID: l.ID, Pipeline: l.Pipeline, Step: l.Step, Register: l.Register, Input: l.Input, Row: l.Row, Type: l.TypeName, State: l.State,
		Attempts: l.Attempts, Generation: l.Generation, First: l.First, Last: l.Last, Cause: l.Cause, Stack: l.Stack,
	}
	if l.Cursor.Known {
		d.AfterBlock = &l.Cursor.Block
	}
	return d
}

// wholeDocument is a letter with its row. What can be told is told, also where
// the row cannot be read.
func wholeDocument(l store.DeadLetter) (letterDocument, error) {
	d := documentOf(l)
	typ, batch, err := rowOf(l)
	if err != nil {
		return d, err
	}
	d.Value, err = rowJSON(typ, batch)
	return d, err
}

// rowJSON is a row as an object with its columns in their order. What JSON has no
// number for is text.
func rowJSON(typ transit.Type, batch transit.Batch) ([]byte, error) {
	out := []byte{'{'}
	for i, column := range typ.Columns() {
		if i > 0 {
			out = append(out, ',')
		}
		value := batch.Value(i, 0)
		switch value.(type) {
		case nil, bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64:
		case []any, map[string]any:
			value = json.RawMessage(batch.Text(i, 0))
		default:
			value = batch.Text(i, 0)
		}
		name, nameErr := json.Marshal(column.Name)
		text, err := json.Marshal(value)
		if err = errors.Join(nameErr, err); err != nil {
			return nil, fmt.Errorf("column %s as JSON: %w", column.Name, err)
		}
		out = append(append(append(out, name...), ':'), text...)
	}
	return append(out, '}'), nil
}

// rowOf decodes the row of a letter.
func rowOf(l store.DeadLetter) (transit.Type, transit.Batch, error) {
	typ, err := transit.ParseType(l.TypeName, l.Schema)
	if err != nil {
		return typ, transit.Batch{}, fmt.Errorf("dead letter %s: %w", l.ID, err)
	}
	batch, err := transit.DecodeBatch(typ, l.Body)
	if err == nil && batch.Record.NumRows() != 1 {
		err = fmt.Errorf("it holds %d rows", batch.Record.NumRows())
	}
	if err != nil {
		return typ, batch, fmt.Errorf("dead letter %s: read its row: %w", l.ID, err)
	}
	return typ, batch, nil
}

// printLetter prints all that is known of a letter.
func (a *app) printLetter(l store.DeadLetter) error {
	after := "before the first checkpoint"
	if l.Cursor.Known {
		after = fmt.Sprintf("after the checkpoint at block %d", l.Cursor.Block)
	}
	failed := aligned(a.stdout, func(w *bytes.Buffer) {
		for _, line := range [][2]string{
			{"id", l.ID},
			{"pipeline", l.Pipeline},
			{"step", fmt.Sprintf("%s (%s)", l.Step, l.Register)},
			{"row", fmt.Sprintf("%d of input %s, %s", l.Row, l.Input, after)},
			{"state", l.State},
			{"attempts", fmt.Sprint(l.Attempts)},
			{"first", stamp(l.First)},
			{"last", stamp(l.Last)},
		} {
			fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
		}
	})
	text := "cause     " + view.Plain(l.Cause) + "\n"
	typ, batch, err := rowOf(l)
	if err == nil {
		text += "\n" + l.TypeName + "\n" + rowText(typ, batch)
	}
	if l.Stack != "" {
		text += "\nstack\n    " + view.Plain(l.Stack) + "\n"
	}
	_, printed := a.stdout.WriteString(text)
	return errors.Join(failed, printed, err)
}

// rowText is a row with a column a line.
func rowText(typ transit.Type, batch transit.Batch) string {
	widest := 0
	for _, column := range typ.Columns() {
		widest = max(widest, len(column.Name))
	}
	var text strings.Builder
	for i, column := range typ.Columns() {
		value := "null"
		if batch.Value(i, 0) != nil {
			value = view.Plain(batch.Text(i, 0))
		}
		fmt.Fprintf(&text, "    %-*s  %s\n", widest, column.Name, value)
	}
	return text.String()
}
