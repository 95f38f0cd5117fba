package decode_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
	"github.com/penstock-io/penstock/sdk/eth/internal/made"
)

// whole is a block as a reader has it.
type whole struct {
	Block    eth.Block
	Receipts []eth.Receipt
	Logs     []eth.Log
	All      []eth.Log
}

func readWhole(tb testing.TB, block, receipts, logs []byte) (w whole) {
	tb.Helper()
	d := decode.Decoder{ChainID: made.ChainID}
	var err error
	if w.Block, err = d.Block(block); err != nil {
		tb.Fatal(err)
	}
	if w.Receipts, w.Logs, err = d.ReceiptsWithLogs(receipts, &w.Block.Header, decode.HashesOf(nil, w.Block.Transactions), nil); err != nil {
		tb.Fatal(err)
	}
	if w.All, err = d.Logs(logs); err != nil {
		tb.Fatal(err)
	}
	return w
}

func TestLogsOfReceiptsAreThoseOfTheBlock(t *testing.T) {
	b := made.Make(t, made.Config{Number: 9, Fork: made.Prague, Transactions: 12, Input: 10, Logs: 5})
	w := readWhole(t, b.Full, b.Receipts, b.Logs)
	if diff := cmp.Diff(w.All, w.Logs); diff != "" || len(w.Logs) != 60 {
		t.Errorf("%d logs (-eth_getLogs +receipts):\n%s", len(w.Logs), diff)
	}
	for i := range w.Logs {
		l, want := &w.Logs[i], b.Outcomes[i/5].Logs[i%5]
		if l.LogIndex != uint64(want.Index) || l.TransactionHash != want.TxHash || !bytes.Equal(l.Data, want.Data) || len(l.Topics) != len(want.Topics) ||
			l.DataBytes != uint64(len(want.Data)) || l.ChainID != made.ChainID || uint64(l.Timestamp.Unix()) != b.Time() {
			t.Errorf("log %d: got %+v, want %+v", i, l, want)
		}
		for k, topic := range []*common.Hash{l.Topic0, l.Topic1, l.Topic2, l.Topic3} {
			if (topic != nil) != (k < len(want.Topics)) || topic != nil && *topic != want.Topics[k] {
				t.Errorf("log %d: topic%d is %v", i, k, topic)
			}
		}
	}
	d := decode.Decoder{ChainID: made.ChainID}
	before := []eth.Log{{LogIndex: 77}}
	var receipts []json.RawMessage
	if err := json.Unmarshal(b.Receipts, &receipts); err != nil {
		t.Fatal(err)
	}
	r, logs, err := d.ReceiptWithLogs(receipts[3], &w.Block.Header, 3, b.Transactions()[3].Hash(), before)
	if err != nil || len(logs) != 6 || logs[0].LogIndex != 77 || r.LogCount != 5 {
		t.Errorf("got %d logs, %v", len(logs), err)
	}
	if diff := cmp.Diff(w.Logs[15:20], logs[1:]); diff != "" {
		t.Errorf("(-all +one):\n%s", diff)
	}
	if _, logs, err = d.ReceiptsWithLogs(b.Receipts[:len(b.Receipts)-1], &w.Block.Header, decode.HashesOf(nil, w.Block.Transactions), before); err == nil || len(logs) != 1 {
		t.Errorf("half an answer: got %d logs, %v", len(logs), err)
	}
}

// A log that says it is of another transaction or block is not passed on.
func TestLogsThatAreMisplaced(t *testing.T) {
	b := made.Make(t, made.Config{Number: 9, Fork: made.Prague, Transactions: 2, Logs: 1})
	w := readWhole(t, b.Full, b.Receipts, b.Logs)
	hashes := decode.HashesOf(nil, w.Block.Transactions)
	for name, change := range map[string][2]string{
		"of another block":       {`"blockHash":"` + b.Hash().Hex(), `"blockHash":"` + hashOf(1).Hex()},
		"of another transaction": {`"transactionHash":"` + hashes[0].Hex(), `"transactionHash":"` + hashOf(1).Hex()},
		"that was removed":       {`"removed":false`, `"removed":true`},
		"at another height":      {`"blockNumber":"0x9"`, `"blockNumber":"0x8"`},
	} {
		at := bytes.Index(b.Receipts, []byte(`"logs":`))
		raw := append(slices.Clone(b.Receipts[:at]), bytes.Replace(b.Receipts[at:], []byte(change[0]), []byte(change[1]), 1)...)
		var d decode.Decoder
		if _, _, err := d.ReceiptsWithLogs(raw, &w.Block.Header, hashes, nil); err == nil {
			t.Errorf("a log %s was passed on", name)
		}
	}
}

// However an answer is written, it means the same.
func TestTheSameInOtherWords(t *testing.T) {
	b := made.Make(t, made.Config{Number: 9, Fork: made.Amsterdam, Transactions: 8, Input: 33, Logs: 4})
	want := readWhole(t, b.Full, b.Receipts, b.Logs)
	for name, rewrite := range map[string]func([]byte) []byte{
		"spread out":      func(raw []byte) []byte { return rewritten(t, raw) },
		"backwards":       func(raw []byte) []byte { return backwards(t, raw) },
		"in upper case":   upper,
		"escaped":         escaped,
		"with strangers":  strangers,
		"a byte too long": func(raw []byte) []byte { return append(raw, ' ') },
	} {
		got := readWhole(t, rewrite(slices.Clone(b.Full)), rewrite(slices.Clone(b.Receipts)), rewrite(slices.Clone(b.Logs)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// backwards writes the fields of every object in reverse order.
func backwards(tb testing.TB, raw []byte) []byte {
	tb.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		tb.Fatal(err)
	}
	var out bytes.Buffer
	var write func(v any)
	write = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			out.WriteByte('{')
			names := []string{}
			for name := range v {
				names = append(names, name)
			}
			slices.Sort(names)
			slices.Reverse(names)
			for i, name := range names {
				fmt.Fprintf(&out, "%s%q:", strings.Repeat(",", min(i, 1)), name)
				write(v[name])
			}
			out.WriteByte('}')
		case []any:
			out.WriteByte('[')
			for i := range v {
				out.WriteString(strings.Repeat(",", min(i, 1)))
				write(v[i])
			}
			out.WriteByte(']')
		default:
			out.Write(encode(tb, v))
		}
	}
	write(v)
	return out.Bytes()
}

// values calls f with every text that is hex.
func values(raw []byte, f func(digits []byte) []byte) []byte {
	var out []byte
	for {
		at := bytes.Index(raw, []byte(`"0x`))
		if at < 0 {
			return append(out, raw...)
		}
		end := at + 1 + bytes.IndexByte(raw[at+1:], '"')
		out = append(append(out, raw[:at+3]...), f(raw[at+3:end])...)
		raw = raw[end:]
	}
}

func upper(raw []byte) []byte { return values(raw, bytes.ToUpper) }

func escaped(raw []byte) []byte {
	return values(raw, func(digits []byte) (out []byte) {
		for i, c := range digits {
			if i%5 == 0 {
				out = fmt.Appendf(out, `\u00%02x`, c)
			} else {
				out = append(out, c)
			}
		}
		return out
	})
}

// strangers puts fields into objects that no row has.
func strangers(raw []byte) []byte {
	return bytes.ReplaceAll(raw, []byte(`{"`), []byte(`{"stranger":[{"hash":"0x1","nonce":[1e9,true,null]},"\"}]"],"other":-0.5,"empty":{},"none":[],"`))
}

func TestRowsDoNotShareTheAnswer(t *testing.T) {
	b := made.Make(t, made.Config{Number: 9, Fork: made.Prague, Transactions: 8, Input: 33, Logs: 4})
	want := readWhole(t, b.Full, b.Receipts, b.Logs)
	buffers := [][]byte{slices.Clone(b.Full), slices.Clone(b.Receipts), slices.Clone(b.Logs), []byte(parityTraces)}
	got := readWhole(t, buffers[0], buffers[1], buffers[2])
	var d decode.Decoder
	traces, err := d.Traces(buffers[3])
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range buffers {
		for i := range b {
			b[i] = 'x'
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := d.Traces([]byte(parityTraces))
	if diff := cmp.Diff(again, traces); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// Wherever something of another type stands, the outcome is rows or an error that names the field.
func TestEveryFieldOfAnotherType(t *testing.T) {
	b := made.Make(t, made.Config{Number: 9, Fork: made.Amsterdam, Transactions: 7, Input: 3, Logs: 2})
	w := readWhole(t, b.Full, b.Receipts, b.Logs)
	hashes := decode.HashesOf(nil, w.Block.Transactions)
	d := decode.Decoder{ChainID: made.ChainID}
	parts := map[string]struct {
		raw    []byte
		decode func(raw []byte) error
	}{
		"block":    {b.Full, func(raw []byte) error { _, err := d.Block(raw); return err }},
		"header":   {b.Light, func(raw []byte) error { _, _, err := d.Header(raw); return err }},
		"receipts": {b.Receipts, func(raw []byte) error { _, _, err := d.ReceiptsWithLogs(raw, &w.Block.Header, hashes, nil); return err }},
		"logs":     {b.Logs, func(raw []byte) error { _, err := d.Logs(raw); return err }},
		"parity":   {[]byte(parityTraces), func(raw []byte) error { _, err := d.Traces(raw); return err }},
		"calls": {[]byte(callTraces), func(raw []byte) error {
			_, err := d.CallTraces(raw, &eth.Header{}, []common.Hash{common.HexToHash(traceTx)})
			return err
		}},
		"fees": {[]byte(history), func(raw []byte) error { _, err := d.FeeHistory(raw, []float64{1, 2}); return err }},
		"pool": {[]byte(pool), func(raw []byte) error { _, err := d.Pool(raw); return err }},
	}
	wrong := []string{`12`, `-1`, `1e999`, `true`, `{"a":[]}`, `[[{}]]`, `"zz"`, `"0xzz"`, `"0x123456789abcdef0123"`, `"0x` + strings.Repeat("f", 80) + `"`, `"\u0000"`}
	for name, p := range parts {
		if err := p.decode(p.raw); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		refused := 0
		eachValue(t, p.raw, func(field string, at, end int) {
			for _, value := range wrong {
				raw := append(append(slices.Clone(p.raw[:at]), value...), p.raw[end:]...)
				err := p.decode(raw)
				if err == nil {
					continue
				}
				refused++
				if text := err.Error(); !strings.Contains(text, field) && !strings.Contains(text, "block") && !strings.Contains(text, "nested") && !strings.Contains(text, "transaction") && !strings.Contains(text, "reorg") && !strings.Contains(text, "field a ") && !strings.Contains(text, "callTracer") {
					t.Errorf("%s: %s for %s: %v", name, value, field, err)
				}
			}
		})
		if refused < 20 {
			t.Errorf("%s: only %d were refused", name, refused)
		}
	}
}

// eachValue calls f for each value of a field: its name and where it stands.
func eachValue(t *testing.T, raw []byte, f func(field string, at, end int)) {
	t.Helper()
	for i := 0; i < len(raw); i++ {
		colon := bytes.Index(raw[i:], []byte(`":`))
		if colon < 0 {
			break
		}
		at := i + colon + 2
		name := raw[bytes.LastIndexByte(raw[:at-2], '"')+1 : at-2]
		d := json.NewDecoder(bytes.NewReader(raw[at:]))
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		f(string(name), at, at+int(d.InputOffset()))
		i = at
	}
}

// Half an answer of any kind is an error and nothing worse.
func TestHalfAnAnswerOfAnyKind(t *testing.T) {
	b := made.Make(t, made.Config{Number: 9, Fork: made.Prague, Transactions: 3, Input: 3, Logs: 2})
	for _, raw := range [][]byte{b.Full, b.Light, b.Receipts, b.Logs, []byte(parityTraces), []byte(callTraces), []byte(history), []byte(pool)} {
		for n := 0; n < len(raw); n += 1 + n/500 {
			if _, ok := everything(raw[:n]); ok && n > 0 {
				t.Fatalf("the first %d bytes were taken for an answer: %s", n, raw[:n])
			}
		}
	}
}

// What is sent to fill the memory is refused before it does.
func TestHostileAnswers(t *testing.T) {
	const size = 1 << 20
	fill := func(begin, piece, end string) []byte {
		return []byte(begin + strings.Repeat(piece, (size-len(begin)-len(end))/len(piece)) + end)
	}
	h, a := hashOf(1).Hex(), addressOf(1).Hex()
	for name, raw := range map[string][]byte{
		"objects":            fill(`[{}`, `,{}`, `]`),
		"nulls":              fill(`[null`, `,null`, `]`),
		"empty lists":        fill(`[[]`, `,[]`, `]`),
		"depth":              fill(``, `[`, ``),
		"depth of objects":   fill(``, `{"calls":`, ``),
		"digits":             fill(`{"number":"0x`, `1`, `"}`),
		"zeros":              fill(`"0x`, `0`, `"`),
		"a number":           fill(`{"blockNumber":`, `1`, `}`),
		"topics":             fill(`[{"topics":[null`, `,null`, `]}]`),
		"withdrawals":        fill(`{"withdrawals":[{}`, `,{}`, `]}`),
		"transactions":       fill(`{"transactions":[{"hash":"`+h+`"}`, `,{"hash":"`+h+`"}`, `]}`),
		"access lists":       fill(`{"transactions":[{"accessList":[{}`, `,{}`, `]}]}`),
		"authorizations":     fill(`{"transactions":[{"authorizationList":[{"address":"`+a+`"}`, `,{"address":"`+a+`"}`, `]}]}`),
		"the same field":     fill(`{"transactions":[{"input":"0x00"`, `,"input":"0x00"`, `}]}`),
		"nested calls":       fill(`[{"result":`, `{"type":"CALL","calls":[`, ``),
		"flat calls":         fill(`[{"result":{"type":"CALL","calls":[{"type":"CALL","from":"`+a+`"}`, `,{"type":"CALL","from":"`+a+`"}`, `]}}]`),
		"rewards":            fill(`[{"type":"reward","blockNumber":1,"blockHash":"`+h+`"}`, `,{"type":"reward","blockNumber":1,"blockHash":"`+h+`"}`, `]`),
		"trace addresses":    fill(`[{"traceAddress":[0`, `,0`, `]}]`),
		"strange fields":     fill(`{"a":1`, `,"a":1`, `}`),
		"escapes":            fill(`"`, `\u0030`, `"`),
		"quotes":             fill(``, `"`, ``),
		"rewards of fees":    fill(`{"reward":[[]`, `,[]`, `]}`),
		"pending":            fill(`{"pending":{"a":{"0":{}`, `,"0":{}`, `}}}`),
		"white space":        fill(``, ` `, ``),
		"a name":             fill(`{"`, `a`, `":1}`),
		"what is no JSON":    fill(``, "\x00", ``),
		"text of an error":   fill(`[{"type":"call","error":"`, `x`, `"}]`),
		"names of the types": fill(`[{"type":"`, `x`, `"}]`),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		everything(raw)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 16*80*size {
			t.Errorf("%s: %d MB for %d MB", name, used>>20, size>>20)
		}
	}
}
