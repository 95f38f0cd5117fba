package chain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	gojson "github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk/chain"
)

func TestEncode(t *testing.T) {
	one := chain.Query{Method: "eth_chainId"}
	two := chain.Query{Method: "eth_call", Params: []byte(`[{"to":"0x1"},"latest"]`)}
	if got, want := string(encode([]*chain.Query{&one}, 1)), `{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want := `[{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]},{"jsonrpc":"2.0","id":2,"method":"eth_call","params":[{"to":"0x1"},"latest"]}]`
	if got := string(encode([]*chain.Query{&one, &two}, 1)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParse(t *testing.T) {
	cases := []struct {
		name, body string
		calls      int
		want       []string // results, or errors after "!"
		err        string
	}{
		{"one", ` {"jsonrpc":"2.0","id":1,"result":{"a":[1,"]}"]}} `, 1, []string{`{"a":[1,"]}"]}`}, ""},
		{"one as a batch", `[{"id":1,"result":1}]`, 1, []string{"1"}, ""},
		{"order, text, white space", "[ {\"result\" : \"b\" , \"id\" : \"2\"},\n{\"id\":1,\"result\":null} ]", 2, []string{"null", `"b"`}, ""},
		{"escapes", `{"id":1,"result":"a\"b\\"}`, 1, []string{`"a\"b\\"`}, ""},
		{"error of one", `[{"id":1,"error":{"code":3,"message":"no","data":"0x"}},{"id":2,"result":true}]`, 2, []string{`!no (code 3, "0x")`, "true"}, ""},
		{"error and null result", `{"id":1,"result":null,"error":{"code":3,"message":"no"}}`, 1, nil, ""},
		{"null error", `{"id":1,"result":7,"error":null}`, 1, []string{"7"}, ""},
		{"missing", `[{"id":2,"result":1}]`, 3, []string{"!the answer to the batch leaves this call out", "1", "!the answer to the batch leaves this call out"}, ""},
		{"twice the same", `[{"id":1,"result":1},{"id":1,"result":1},{"id":2,"result":2}]`, 2, []string{"1", "2"}, ""},
		{"twice", `[{"id":1,"result":1},{"id":1,"result":2}]`, 2, nil, "in two ways"},
		{"unknown id", `[{"id":3,"result":1}]`, 2, nil, "a call with id 3, which was not asked"},
		{"id 0", `[{"id":0,"result":1}]`, 2, nil, "which was not asked"},
		{"null id", `{"id":null,"error":{"code":-32600,"message":"bad"}}`, 2, nil, "bad (code -32600)"},
		{"error as text", `[{"id":1,"error":"oops"},{"id":2,"result":1}]`, 2, []string{"!oops (code 0)", "1"}, ""},
		{"error of another form", `[{"id":1,"error":{"code":"x"}},{"id":2,"result":1}]`, 2, []string{`!{"code":"x"} (code 0)`, "1"}, ""},
		{"neither", `[{"id":1},{"id":2,"result":1}]`, 2, []string{"!the answer has neither a result nor an error", "1"}, ""},
		{"empty", " \n", 1, nil, "an empty answer"},
		{"HTML", "<html>", 1, nil, `an answer that is not JSON: "<html>"`},
		{"cut in a string", `[{"id":1,"result":"ab`, 1, nil, "unexpected EOF"},
		{"cut after a quote's escape", `[{"id":1,"result":"ab\"`, 1, nil, "unexpected EOF"},
		{"cut in an object", `{"id":1,"result":{"a":1}`, 1, nil, "unexpected EOF"},
		{"cut between", `[{"id":1,"result":1},`, 1, nil, "unexpected EOF"},
		{"more after it", `{"id":1,"result":1}x`, 1, nil, "it is not JSON"},
		{"no value", `{"id":1,"result":}`, 1, nil, "it is not JSON"},
		{"no colon", `{"id" 1}`, 1, nil, "it is not JSON"},
		{"key without quotes", `{id:1}`, 1, nil, "it is not JSON"},
		{"number in a batch", `[1]`, 1, nil, "it is not JSON"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			replies, err := parse([]byte(c.body), 1, c.calls)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, want an error with %q", err, c.err)
				}
				return
			}
			if c.want == nil {
				return // whatever comes of it, it was parsed
			}
			var got []string
			for _, r := range replies {
				if r.err != nil {
					got = append(got, "!"+r.err.Error())
					continue
				}
				got = append(got, string(r.result))
			}
			if err != nil || cmp.Diff(c.want, got) != "" {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

// A result may be written to and appended to without harm to the others.
func TestResultsEndWhereTheyEnd(t *testing.T) {
	replies, err := parse([]byte(`[{"id":1,"result":[1]},{"id":2,"result":[2]}]`), 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(replies[0].result, "xxxxxxxxxxxxxxxxxxxxxxxxxxx"...)
	if string(replies[1].result) != "[2]" {
		t.Errorf("got %s", replies[1].result)
	}
}

// What is JSON is split as a decoder splits it; what is not does no harm.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`[{"id":1,"result":{"a":[1,"]}\\\""]}},{"id":"2","error":{"code":3,"message":"no"}}]`))
	f.Add([]byte(`{"id":1,"result":null}`))
	f.Add([]byte(`[{"id":1,"result":"ab`))
	f.Add([]byte("[[[[[[{{{{\"\\"))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := scanner{text: body}
		all, err := s.envelopes(2)
		_, _ = parse(body, 1, 2)
		_, _ = element(body, 1), member(body, "result")
		_, _ = numberIn(body)
		var want []struct{ ID, Result, Error json.RawMessage }
		if len(body) == 0 || json.Unmarshal(body, &want) != nil || bytes.ContainsAny(body, "ABCDEFGHIJKLMNOPQRSTUVWXYZ\\\x7f") || !bytes.ContainsAny(body, "{") {
			return // encoding/json folds the case of keys
		}
		if bytes.Contains(body, []byte("null")) || bytes.Contains(body, []byte("ſ")) {
			return // encoding/json takes null for an object, and folds more than capitals
		}
		if err != nil || len(all) != len(want) {
			t.Fatalf("%q: got %d answers, %v, want %d", body, len(all), err, len(want))
		}
		for i := range want {
			if !bytes.Equal(all[i].id, want[i].ID) || !bytes.Equal(all[i].result, want[i].Result) || !bytes.Equal(all[i].fault, want[i].Error) {
				t.Errorf("%q: answer %d: got %q, want %q", body, i, all[i], want[i])
			}
		}
	})
}

func TestScannerEndsAtTheEnd(t *testing.T) {
	whole := []byte(`[{"id":1,"result":{"a":["\\\"",{"b":null}]}},{"id":2,"error":{"code":-1,"message":"x"}}]`)
	for cut := range whole {
		s := scanner{text: whole[:cut]}
		if _, err := s.envelopes(2); !errors.Is(err, io.ErrUnexpectedEOF) && cut > 0 {
			t.Errorf("%s: got %v, want an unexpected end", whole[:cut], err)
		}
	}
}

func TestNeedOf(t *testing.T) {
	hash := `"0x` + strings.Repeat("ab", 32) + `"`
	cases := map[string]need{
		`eth_getBlockByNumber ["0x10",true]`:                   {block: 16, oldest: 16, known: true},
		`eth_getBlockByNumber ["latest",true]`:                 {},
		`eth_getBlockReceipts [` + hash + `]`:                  {byHash: true},
		`eth_getBlockByHash [` + hash + `]`:                    {byHash: true},
		`eth_call [{"to":"0x1"},"0xff"]`:                       {block: 255, oldest: 255, known: true, state: true},
		`eth_call [{"to":"0x1"}, {"blockNumber":"0xff"}]`:      {block: 255, oldest: 255, known: true, state: true},
		`eth_call [{"to":"0x1"}, {"blockHash":` + hash + `}]`:  {state: true},
		`eth_getStorageAt ["0x1","0x2","0x3"]`:                 {block: 3, oldest: 3, known: true, state: true},
		`eth_getLogs [{"fromBlock":"0x5","toBlock":"0x9"}]`:    {block: 9, oldest: 5, known: true},
		`eth_getLogs [{"fromBlock":"0x5","toBlock":"latest"}]`: {},
		`eth_getLogs []`: {},
		`eth_chainId []`: {},
		`eth_getBlockByNumber ["0x1000000000000000000000000000000000",false]`: {},
		`debug_traceTransaction [` + hash + `]`:                               {state: true},
	}
	for text, want := range cases {
		method, params, _ := strings.Cut(text, " ")
		if got := needOf(&chain.Query{Method: method, Params: []byte(params)}); got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

func TestShown(t *testing.T) {
	cases := []struct {
		method, params, result string
		height                 uint64
		newest, known          bool
	}{
		{"eth_blockNumber", "[]", `"0x10"`, 16, true, true},
		{"eth_getBlockByNumber", `["0x10",false]`, `{"number":"0x10"}`, 16, false, true},
		{"eth_getBlockByNumber", `["0x10",false]`, `null`, 16, false, false},
		{"eth_getBlockByNumber", `["latest",false]`, `{"hash":"0x1", "number": "0x11"}`, 17, true, true},
		{"eth_getBlockByNumber", `["latest",false]`, `{}`, 0, true, false},
		{"eth_getBlockByNumber", `["finalized",false]`, `{"number":"0x11"}`, 0, false, false},
		{"eth_call", `[{},"0x10"]`, `"0x"`, 0, false, false},
	}
	for _, c := range cases {
		q := &chain.Query{Method: c.method, Params: []byte(c.params)}
		height, newest, known := shown(q, needOf(q), []byte(c.result))
		if known != c.known || known && (height != c.height || newest != c.newest) {
			t.Errorf("%s%s: %s: got %d, %v, %v", c.method, c.params, c.result, height, newest, known)
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	var body bytes.Buffer
	item := `{"blockHash":"0x` + strings.Repeat("ab", 32) + `","logs":[` + strings.TrimSuffix(strings.Repeat(`{"address":"0x`+strings.Repeat("cd", 20)+`","data":"0x`+strings.Repeat("0", 128)+`","topics":["0x`+strings.Repeat("ef", 32)+`"],"removed":false},`, 200), ",") + `]}`
	body.WriteByte('[')
	for i := range 50 {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"jsonrpc":"2.0","id":%d,"result":%s}`, i+1, item)
	}
	body.WriteByte(']')
	for name, split := range map[string]func() error{
		"scanner": func() error { _, err := parse(body.Bytes(), 1, 50); return err },
		"goccy": func() error {
			var all []struct{ ID, Result, Error gojson.RawMessage }
			return gojson.Unmarshal(body.Bytes(), &all)
		},
		"std": func() error {
			var all []struct{ ID, Result, Error json.RawMessage }
			return json.Unmarshal(body.Bytes(), &all)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(body.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if err := split(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
