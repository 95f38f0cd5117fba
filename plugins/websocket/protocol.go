package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/render"
	"github.com/penstock-io/penstock/sdk/transit"
)

// command is what a client asks for.
type command struct {
	Op         string                     `json:"op"`
	Channel    string                     `json:"channel"`
	Filter     map[string]json.RawMessage `json:"filter"`
	Since      *uint64                    `json:"since"`
	Generation *uint64                    `json:"generation"`
	ID         json.RawMessage            `json:"id"` // comes back in the answer
}

// mostCommand bounds what a client sends at once.
const mostCommand = 64 << 10

// refusal is why a client does not get what it asks for.
type refusal struct{ code, message string }

func refuse(code, format string, args ...any) *refusal {
	return &refusal{code: code, message: fmt.Sprintf(format, args...)}
}

// Codes of refusals.
const (
	badMessage     = "bad_message"
	unknownOp      = "unknown_op"
	unknownChannel = "unknown_channel"
	badFilter      = "bad_filter"
	notSubscribed  = "not_subscribed"
)

// parse reads a command.
func parse(text []byte) (c command, no *refusal) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, refuse(badMessage, `that is no message of this protocol (%s): send an object such as {"op":"subscribe","channel":"swaps"}`, plain(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return c, refuse(badMessage, "there is more than one object in the message: send each on its own")
	}
	return c, nil
}

// plain is an error about JSON without what it quotes at length.
func plain(err error) string {
	text := []rune(err.Error())
	if len(text) > 120 {
		text = append(text[:120], '…')
	}
	return string(text)
}

// message begins a message about a channel.
func message(op, channel string) []byte {
	out := append([]byte(`{"op":"`), op...)
	out = append(out, `","channel":`...)
	return render.AppendString(out, channel)
}

func appendNumber(out []byte, name string, n uint64) []byte {
	out = append(append(append(out, `,"`...), name...), `":`...)
	return strconv.AppendUint(out, n, 10)
}

// appendCursor appends a place in the chain, null where it is not known.
func appendCursor(out []byte, c *sdk.Cursor) []byte {
	out = append(out, `,"cursor":`...)
	if c == nil {
		return append(out, "null"...)
	}
	out = append(out, `{"chain_id":`...)
	out = strconv.AppendUint(out, c.ChainID, 10)
	out = appendNumber(out, "block", c.Block)
	if c.Hash != [32]byte{} {
		out = hex.AppendEncode(append(out, `,"hash":"0x`...), c.Hash[:])
		out = append(out, '"')
	}
	if len(c.Position) > 0 {
		out = hex.AppendEncode(append(out, `,"position":"0x`...), c.Position)
		out = append(out, '"')
	}
	return append(out, '}')
}

// rowsHead is what stands before the rows of a message.
func rowsHead(channel string, checkpoint, first uint64, cursor *sdk.Cursor) []byte {
	out := appendNumber(message("rows", channel), "checkpoint", checkpoint)
	out = appendNumber(out, "sequence", first)
	return append(appendCursor(out, cursor), `,"rows":[`...)
}

// appendRows completes a message whose head is there.
func appendRows(out []byte, rows []line) []byte {
	for i := range rows {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, rows[i].text...)
	}
	return append(out, "]}"...)
}

func retraction(channel string, from, generation uint64, cursor *sdk.Cursor) []byte {
	out := appendNumber(message("retract", channel), "sequence", from)
	out = appendNumber(out, "generation", generation)
	return append(appendCursor(out, cursor), '}')
}

func finality(channel string, before uint64, cursor *sdk.Cursor) []byte {
	out := appendNumber(message("final", channel), "sequence", before)
	return append(appendCursor(out, cursor), '}')
}

// answer ends an answer with what the client has named it by.
func answer(out []byte, id json.RawMessage) []byte {
	if len(id) > 0 {
		out = append(append(out, `,"id":`...), id...)
	}
	return append(out, '}')
}

// subscribed says from which row on a client is sent rows, and how many before
// it that it asked for are not kept any more.
func subscribed(channel string, next, missed, generation uint64, id json.RawMessage) []byte {
	out := appendNumber(message("subscribed", channel), "sequence", next)
	out = appendNumber(out, "missed", missed)
	return answer(appendNumber(out, "generation", generation), id)
}

func refused(no *refusal, id json.RawMessage) []byte {
	out := append([]byte(`{"op":"error","code":"`), no.code...)
	out = append(out, `","message":`...)
	return answer(render.AppendString(out, no.message), id)
}

// listed tells of the channels and their columns.
func listed(channels []*channel, id json.RawMessage) []byte {
	out := []byte(`{"op":"channels","channels":[`)
	for i, c := range channels {
		if i > 0 {
			out = append(out, ',')
		}
		out = render.AppendString(append(out, `{"channel":`...), c.name)
		out = render.AppendString(append(out, `,"type":`...), c.typ.Name)
		c.mu.RLock()
		out = appendNumber(out, "sequence", c.next)
		c.mu.RUnlock()
		out = append(out, `,"columns":[`...)
		for k, column := range c.typ.Columns() {
			if k > 0 {
				out = append(out, ',')
			}
			out = appendColumn(out, column)
		}
		out = append(out, "]}"...)
	}
	return answer(append(out, ']'), id)
}

func appendColumn(out []byte, c transit.Column) []byte {
	out = render.AppendString(append(out, `{"name":`...), c.Name)
	out = render.AppendString(append(out, `,"type":`...), c.Type)
	return append(strconv.AppendBool(append(out, `,"nullable":`...), c.Nullable), '}')
}
