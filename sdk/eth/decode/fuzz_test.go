package decode_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
	"github.com/penstock-io/penstock/sdk/eth/internal/made"
)

// odd is JSON, and what is nearly JSON, of all kinds.
var odd = []string{
	``, ` `, `null`, `nul`, `true`, `false`, `tru`, `{}`, `[]`, `{"a":1}`, `{"a":1,}`, `[1,]`, `[,1]`, `{,}`, `[1 2]`, `{"a" 1}`, `{"a":}`, `{1:2}`, `""`, `"`, `"\"`,
	`"\u00e9\ud83d\ude00\ud800"`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"\x01\"", "\"\xff\"", `"0123456789abcdef"`, `0`, `-0`, `01`, `-`, `1.`, `1.5e`, `1.5e+3`, `.5`, `1e5`, `+1`,
	` { "a" : [ 1 , { "b" : null } , "c" ] } `, `{"a":1}x`, "{}\x00", `{"a":1,"a":2}`, `[[[[]]]]`, `{"a":{"b":{}}}`, "\ufeff{}", `{"":""}`, "[\v]",
}

func checkAgreement(t *testing.T, raw []byte) {
	t.Helper()
	valid := json.Valid(raw)
	if err := decode.Skip(raw); (err == nil) != valid {
		t.Errorf("%.200q: skip: %v, but valid is %v", raw, err, valid)
	}
	got, err := decode.Any(raw)
	if (err == nil) != valid {
		t.Errorf("%.200q: read: %v, but valid is %v", raw, err, valid)
	}
	if !valid || err != nil {
		return
	}
	var want any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&want); err != nil {
		t.Fatal(err)
	}
	if got = valued(got); !reflect.DeepEqual(want, got) { // cmp.Diff never ends where it is deep
		t.Errorf("%.200q: got %.500v, want %.500v", raw, got, want)
	}
}

// valued replaces what is not UTF-8 as encoding/json does.
func valued(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ToValidUTF8(v, "\ufffd")
	case []any:
		for i := range v {
			v[i] = valued(v[i])
		}
	case map[string]any:
		for k, one := range v {
			delete(v, k)
			v[strings.ToValidUTF8(k, "\ufffd")] = valued(one)
		}
	}
	return v
}

func TestAgreesWithEncodingJSON(t *testing.T) {
	for _, text := range odd {
		checkAgreement(t, []byte(text))
	}
	for _, n := range []int{9_999, 10_000, 10_001, 1_000_000} {
		checkAgreement(t, []byte(strings.Repeat("[", n)+strings.Repeat("]", n)))
		checkAgreement(t, []byte(strings.Repeat(`{"a":`, n)+"1"+strings.Repeat("}", n)))
	}
	b := made.Make(t, made.Config{Number: 1, Fork: made.Amsterdam, Transactions: 3, Input: 40, Logs: 2})
	checkAgreement(t, b.Full)
	checkAgreement(t, b.Receipts)
}

func FuzzScanner(f *testing.F) {
	for _, text := range odd {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if bytes.Contains(raw, []byte{0xff}) || !bytes.Equal(bytes.ToValidUTF8(raw, nil), raw) {
			// How many replacements stand for broken text is for encoding/json to say; that nothing worse happens is checked.
			_, _ = decode.Any(raw)
			if err := decode.Skip(raw); (err == nil) != json.Valid(raw) {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		checkAgreement(t, raw)
	})
}

func checkHex(t *testing.T, text string) {
	t.Helper()
	quantity, word, data, isQuantity, isWord, isData := decode.Hex(text)
	var digits string
	prefixed := len(text) >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')
	if prefixed {
		digits = text[2:]
	}
	want, err := hex.DecodeString(digits)
	if isData != (prefixed && err == nil) || isData && !bytes.Equal(data, want) {
		t.Errorf("%q: got bytes %x (%v), want %x (%v)", text, data, isData, want, err)
	}
	number, ok := new(big.Int).SetString("0"+digits, 16)
	ok = ok && prefixed && !strings.ContainsAny(digits, "_+-")
	if isWord != (ok && number.BitLen() <= 256) || isWord && word.ToBig().Cmp(number) != 0 {
		t.Errorf("%q: got the word %s (%v), want %s", text, &word, isWord, number)
	}
	if isQuantity != (ok && number.BitLen() <= 64) || isQuantity && quantity != number.Uint64() {
		t.Errorf("%q: got the number %d (%v), want %s", text, quantity, isQuantity, number)
	}
}

func TestHex(t *testing.T) {
	for _, text := range []string{"", "0", "0x", "x0", "0x0", "0X1f", "0xG", "0x00000000000000000000001", "0x" + strings.Repeat("f", 64), "0x1" + strings.Repeat("0", 64), "0x0" + strings.Repeat("Ab", 32), "0x" + strings.Repeat("0", 100)} {
		checkHex(t, text)
	}
	// Every byte in every place of two words of digits.
	for c := range 256 {
		for at := range 20 {
			digits := []byte("0123456789abcdefABCD")
			digits[at] = byte(c)
			checkHex(t, "0x"+string(digits))
		}
	}
}

func FuzzHex(f *testing.F) {
	f.Add("0x0123456789abcdefABCDEF0123456789")
	f.Fuzz(checkHex)
}

// rewritten is the same answer in other words: every name and text that it has is the same, and nothing else is.
func rewritten(tb testing.TB, raw []byte) []byte {
	tb.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		tb.Fatal(err)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "\t")
	if err := e.Encode(v); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// FuzzAnswers decodes whatever comes as everything there is. What is taken for an answer must mean the same however it is written.
func FuzzAnswers(f *testing.F) {
	b := made.Make(f, made.Config{Number: 1, Fork: made.Amsterdam, Transactions: 7, Input: 4, Logs: 1})
	for _, raw := range [][]byte{b.Full, b.Light, b.Receipts, b.Logs, []byte(parityTraces), []byte(callTraces), []byte(history), []byte(pool)} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		first, ok := everything(raw)
		if !ok || repeats(raw) {
			return
		}
		second, _ := everything(rewritten(t, raw))
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("%q (-read +read when it is written otherwise):\n%s", raw, diff)
		}
	})
}

// repeats is whether a name stands twice in an object, which has no meaning.
func repeats(raw []byte) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return true
	}
	once, _ := json.Marshal(v)
	return bytes.Count(once, []byte(`":`)) != bytes.Count(raw, []byte(`":`)) || bytes.Contains(raw, []byte(`" `)) || bytes.Contains(raw, []byte(`\`))
}

// everything is what each decoder makes of an answer; ok is false if none makes anything of it.
func everything(raw []byte) (out []any, ok bool) {
	d := decode.Decoder{}
	add := func(v any, err error) {
		if err != nil {
			v = nil
		}
		ok = ok || err == nil
		out = append(out, v)
	}
	block := &eth.Header{}
	add(d.Block(raw))
	h, hashes, err := d.Header(raw)
	add(h, err)
	add(hashes, err)
	add(d.Ref(raw))
	add(d.Logs(raw))
	receipts, logs, err := d.ReceiptsWithLogs(raw, block, hashes, nil)
	add(receipts, err)
	add(logs, err)
	add(d.Traces(raw))
	add(d.CallTraces(raw, block, nil))
	add(d.FeeHistory(raw, nil))
	add(d.Pool(raw))
	add(d.PendingList(raw))
	add(d.Hashes(raw))
	add(d.Data(raw))
	add(d.Word(raw))
	add(d.Quantity(raw))
	return out, ok
}
