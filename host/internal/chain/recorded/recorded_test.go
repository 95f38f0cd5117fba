package recorded_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/chain/recorded"
	"github.com/penstock-io/penstock/sdk/chain"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// world is two blocks, one in each form of file.
func world(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "a/blocks.json", `[
	 {"request":{"method":"eth_getBlockByNumber","params":["0x5",true]},"response":{"result":{"number":"0x5","hash":"0xAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","transactions":[{"hash":"0x01","nonce":"0x0"}]}}},
	 {"request":{"method":"eth_getBlockReceipts","params":["0x5"]},"response":{"result":[{"logs":[{"address":"0xe1","topics":["0x07"]},{"address":"0xe2","topics":[]}]}]}}]`)
	write(t, dir, "b.io", "// about block 6\n"+
		`>> {"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x6",false]}`+"\n"+
		`<< {"jsonrpc":"2.0","id":1,"result":{"number":"0x6","hash":"0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","transactions":["0x02"]}}`+"\n"+
		`>> {"method":"eth_getBlockReceipts","params":["0x6"]}`+"\n"+
		`<< {"result":[]}`+"\n"+
		`>> {"method":"eth_call","params":[{"to":"0x01"}, "latest"]}`+"\n"+
		`<< {"error":{"code":3,"message":"execution reverted"}}`+"\n")
	write(t, dir, "one.json", `{"request":{"method":"eth_chainId"},"response":{"result":"0x1"}}`)
	write(t, dir, "other.json", `{"name":"something else"}`)
	write(t, dir, "README.md", "words")
	return dir
}

func TestAnswers(t *testing.T) {
	a, err := recorded.Open(world(t))
	if err != nil {
		t.Fatal(err)
	}
	if a.Last() != 6 {
		t.Errorf("the last block is %d, want 6", a.Last())
	}
	full := `{"number":"0x5","hash":"0xAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","transactions":[{"hash":"0x01","nonce":"0x0"}]}`
	hashes := `{"hash":"0xAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","number":"0x5","transactions":["0x01"]}`
	six := `{"number":"0x6","hash":"0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","transactions":["0x02"]}`
	cases := []struct{ method, params, want string }{
		{"eth_chainId", `[]`, `"0x1"`},
		{"eth_chainId", ``, `"0x1"`},
		{"eth_getBlockByNumber", `[ "0x5", true ]`, full},
		{"eth_getBlockByNumber", `["0x5",false]`, hashes},
		{"eth_getBlockByHash", `["0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",true]`, full},
		{"eth_getBlockByNumber", `["latest",false]`, six},
		{"eth_getBlockByNumber", `["0x7",false]`, `null`},
		{"eth_blockNumber", `[]`, `"0x6"`},
		{"eth_getBlockReceipts", `["0xBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"]`, `[]`},
		{"eth_getLogs", `[{"fromBlock":"0x5","toBlock":"0x6","topics":[["0x07"]]}]`, `[{"address":"0xe1","topics":["0x07"]}]`},
		{"eth_getLogs", `[{"blockHash":"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","address":"0xE2"}]`, `[{"address":"0xe2","topics":[]}]`},
	}
	for _, c := range cases {
		got, err := a.Answer(t.Context(), c.method, []byte(c.params))
		if err != nil || string(got) != c.want {
			t.Errorf("%s%s: got %s and %v, want %s", c.method, c.params, got, err, c.want)
		}
	}
}

func TestWhatWasNotRecorded(t *testing.T) {
	a, err := recorded.Open(world(t))
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		method, params string
		code           int
		want           string
	}{
		{"eth_call", `[{"to":"0x01"},"latest"]`, 3, "reverted"},
		{"eth_call", `[{"to":"0x02"},"latest"]`, 4444, `no answer to eth_call[{"to":"0x02"},"latest"] was recorded`},
		{"eth_getBlockByNumber", `["0x6",true]`, 4444, "recorded"},
		{"eth_getBlockByNumber", `["0x4",true]`, 4444, "recorded"},
		{"eth_getLogs", `[{"fromBlock":"0x4","toBlock":"0x6"}]`, 4444, "recorded"},
		{"eth_getLogs", `[{"fromBlock":"0x0","toBlock":"0xffffffffffff"}]`, 4444, "recorded"},
		{"eth_getLogs", `[5]`, 4444, "recorded"},
		{"eth_getBlockReceipts", `{}`, -32602, "no array"},
	}
	for _, c := range cases {
		_, err := a.Answer(t.Context(), c.method, []byte(c.params))
		told := (*chain.RPCError)(nil)
		if !errors.As(err, &told) || told.Code != c.code || !strings.Contains(told.Message, c.want) {
			t.Errorf("%s%s: got %v, want code %d and %q", c.method, c.params, err, c.code, c.want)
		}
	}
}

func TestBadRecordings(t *testing.T) {
	if _, err := recorded.Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that is not there is taken")
	}
	if _, err := recorded.Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no recorded answers") {
		t.Errorf("an empty directory: got %v", err)
	}
	for name, text := range map[string]string{"x.json": `[{"request":`, "x.io": ">> {\n"} {
		dir := world(t)
		write(t, dir, name, text)
		if _, err := recorded.Open(dir); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, want an error that names it", name, err)
		}
	}
}

// Real answers are read too, whatever form they are in.
func TestRealRecordings(t *testing.T) {
	dir := os.Getenv("PENSTOCK_RECORDINGS")
	if dir == "" {
		t.Skip("PENSTOCK_RECORDINGS names no directory of real answers")
	}
	a, err := recorded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Answer(t.Context(), "eth_getBlockByNumber", []byte(`["0x2a",false]`))
	if err != nil || !strings.Contains(string(got), "0x9e5e1e79c57f257def6a0e882d10863e2a98b034e6e0fdaccd7ff7b31312105d") {
		t.Errorf("block 42: got %.100s and %v", got, err)
	}
}
