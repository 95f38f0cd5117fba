package era_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/golang/snappy"

	"github.com/penstock-io/penstock/host/internal/chain/era"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// world is a chain whose every third block has transactions: one that makes a
// contract emit a log, one that sends value.
type world struct {
	blocks   []*types.Block // from genesis on
	receipts []types.Receipts
}

var emitter = common.HexToAddress("0xe117")

func newWorld(t *testing.T, length int) world {
	t.Helper()
	key, err := crypto.HexToECDSA("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291")
	if err != nil {
		t.Fatal(err)
	}
	before := *params.AllDevChainProtocolChanges // history lies before these
	before.CancunTime, before.PragueTime, before.OsakaTime, before.BlobScheduleConfig = nil, nil, nil, nil
	config := &before
	genesis := &core.Genesis{Config: config, Difficulty: common.Big0, BaseFee: big.NewInt(params.InitialBaseFee), GasLimit: 30_000_000, Alloc: types.GenesisAlloc{
		crypto.PubkeyToAddress(key.PublicKey): {Balance: big.NewInt(params.Ether)},
		emitter:                               {Balance: common.Big0, Code: common.FromHex("0x602a60005260aa60206000a100")}, // LOG1 of the number 42 under topic 0xaa
	}}
	signer := types.LatestSigner(config)
	nonce := uint64(0)
	_, blocks, receipts := core.GenerateChainWithGenesis(genesis, beacon.New(ethash.NewFaker()), length, func(i int, b *core.BlockGen) {
		if i%3 != 2 {
			return
		}
		for _, to := range []common.Address{emitter, {1}} {
			b.AddTx(types.MustSignNewTx(key, signer, &types.DynamicFeeTx{
				ChainID: config.ChainID, Nonce: nonce, To: &to, Gas: 100_000, GasFeeCap: big.NewInt(2 * params.InitialBaseFee), GasTipCap: big.NewInt(7), Value: big.NewInt(int64(i)),
			}))
			nonce++
		}
	})
	return world{append([]*types.Block{genesis.ToBlock()}, blocks...), append([]types.Receipts{nil}, receipts...)}
}

// entry is an entry of an e2store file.
func entry(kind uint16, data []byte) []byte {
	head := make([]byte, 8)
	binary.LittleEndian.PutUint16(head, kind)
	binary.LittleEndian.PutUint32(head[2:], uint32(len(data)))
	return append(head, data...)
}

func packed(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := rlp.EncodeToBytes(v)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := snappy.NewBufferedWriter(&b)
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// file writes blocks as an era1 file.
func (w world) file(t *testing.T, first, last int) []byte {
	t.Helper()
	out := entry(0x3265, nil)
	var offsets []int
	leaves := make([][]byte, 8192)
	for i := range leaves {
		leaves[i] = make([]byte, 32)
	}
	for n := first; n <= last; n++ {
		block := w.blocks[n]
		offsets = append(offsets, len(out))
		td := make([]byte, 32) // total difficulty is 0 in this chain
		out = append(out, entry(0x03, packed(t, block.Header()))...)
		out = append(out, entry(0x04, packed(t, block.Body()))...)
		out = append(out, entry(0x05, packed(t, w.receipts[n]))...)
		out = append(out, entry(0x06, td)...)
		record := sha256.Sum256(append(block.Hash().Bytes(), td...))
		leaves[n-first] = record[:]
	}
	for len(leaves) > 1 {
		var above [][]byte
		for i := 0; i < len(leaves); i += 2 {
			sum := sha256.Sum256(slices.Concat(leaves[i], leaves[i+1]))
			above = append(above, sum[:])
		}
		leaves = above
	}
	length := make([]byte, 32)
	binary.LittleEndian.PutUint64(length, uint64(last-first+1))
	root := sha256.Sum256(slices.Concat(leaves[0], length))
	out = append(out, entry(0x07, root[:])...)
	index := binary.LittleEndian.AppendUint64(nil, uint64(first))
	for _, at := range offsets {
		index = binary.LittleEndian.AppendUint64(index, uint64(at-len(out)))
	}
	index = binary.LittleEndian.AppendUint64(index, uint64(len(offsets)))
	return append(out, entry(0x3266, index)...)
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *era.Files {
	t.Helper()
	f, err := era.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func ask(t *testing.T, f *era.Files, method, params string) []byte {
	t.Helper()
	got, err := f.Answer(t.Context(), method, []byte(params))
	if err != nil {
		t.Fatalf("%s%s: %v", method, params, err)
	}
	return got
}

// Every block, receipt and log of a chain comes out of its files as a node would
// answer it.
func TestBlocksReceiptsAndLogs(t *testing.T) {
	w, dir := newWorld(t, 40), t.TempDir()
	write(t, dir, "dev-00000-aaaaaaaa.era1", w.file(t, 0, 19))
	write(t, dir, "dev-00001-bbbbbbbb.era1", w.file(t, 20, 40))
	write(t, dir, "notes.txt", nil)
	f := open(t, dir)
	if f.First() != 0 || f.Last() != 40 {
		t.Fatalf("blocks %d to %d, want 0 to 40", f.First(), f.Last())
	}
	var dec decode.Decoder
	logs := 0
	for n, block := range w.blocks {
		got, err := dec.Block(ask(t, f, "eth_getBlockByNumber", fmt.Sprintf(`["0x%x",true]`, n)))
		if err != nil {
			t.Fatal(err)
		}
		if got.BlockHash != block.Hash() || got.Size != block.Size() || len(got.Transactions) != len(block.Transactions()) {
			t.Fatalf("block %d: got %s of %d bytes, want %s of %d", n, got.BlockHash, got.Size, block.Hash(), block.Size())
		}
		hashes := make([]common.Hash, len(got.Transactions))
		for i, tx := range got.Transactions {
			hashes[i] = tx.TransactionHash
			if hashes[i] != block.Transactions()[i].Hash() || tx.From == (common.Address{}) {
				t.Errorf("block %d: transaction %d is %s from %s", n, i, hashes[i], tx.From)
			}
		}
		receipts, err := dec.Receipts(ask(t, f, "eth_getBlockReceipts", fmt.Sprintf(`[%q]`, block.Hash())), &got.Header, hashes)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range receipts {
			logs += int(r.LogCount)
			if want := w.receipts[n][i]; r.CumulativeGasUsed != want.CumulativeGasUsed || r.GasUsed != want.GasUsed || r.Status == nil || *r.Status != 1 {
				t.Errorf("block %d: receipt %d says %+v", n, i, r)
			}
			if r.EffectiveGasPrice == nil || r.EffectiveGasPrice.Uint64() != got.BaseFeePerGas.Uint64()+7 || got.Transactions[i].GasPrice != *r.EffectiveGasPrice {
				t.Errorf("block %d: transaction %d paid %s", n, i, r.EffectiveGasPrice)
			}
		}
	}
	all, err := dec.Logs(ask(t, f, "eth_getLogs", `[{"fromBlock":"0x0","toBlock":"latest","address":"0x000000000000000000000000000000000000e117","topics":[null]}]`))
	if err != nil || len(all) != logs || logs != 13 {
		t.Errorf("%d logs and %v, want the %d of the receipts, which are 13", len(all), err, logs)
	}
	for _, none := range []string{`{"fromBlock":"0x0","toBlock":"0x28","address":["0x01"]}`, `{"fromBlock":"0x0","toBlock":"0x28","topics":[["0xbb"]]}`, `{"fromBlock":"0x1","toBlock":"0x1"}`} {
		if got := ask(t, f, "eth_getLogs", "["+none+"]"); string(got) != "[]" {
			t.Errorf("logs of %s: got %s", none, got)
		}
	}
}

// What files do not have is null, or an error that says what they have.
func TestWhatFilesDoNotHave(t *testing.T) {
	w, dir := newWorld(t, 5), t.TempDir()
	write(t, dir, "dev-00000-aaaaaaaa.era1", w.file(t, 0, 5))
	f := open(t, dir)
	for _, params := range []string{`["0x6",false]`, `["0x` + strings.Repeat("ab", 32) + `",false]`} {
		if got := ask(t, f, "eth_getBlockByNumber", params); string(got) != "null" {
			t.Errorf("%s: got %s, want null", params, got)
		}
	}
	cases := map[string]struct {
		method, params string
		code           int
	}{
		"a method": {"eth_call", `[]`, -32601}, "no array": {"eth_getBlockByNumber", `{}`, -32602},
		"no block": {"eth_getBlockByNumber", `[]`, -32602}, "a word": {"eth_getBlockByNumber", `["soon"]`, -32602},
		"logs beyond": {"eth_getLogs", `[{"fromBlock":"0x0","toBlock":"0x6"}]`, -32000},
		"backwards":   {"eth_getLogs", `[{"fromBlock":"0x3","toBlock":"0x2"}]`, -32602},
	}
	for name, c := range cases {
		_, err := f.Answer(t.Context(), c.method, []byte(c.params))
		told := (*chain.RPCError)(nil)
		if !errors.As(err, &told) || told.Code != c.code {
			t.Errorf("%s: got %v, want code %d", name, err, c.code)
		}
	}
	if got := ask(t, f, "eth_chainId", `[]`); string(got) != `"0x539"` {
		t.Errorf("chain id %s", got)
	}
}

// Files that are not whole, not of one network or not those that were published
// are refused with what is wrong.
func TestBadFiles(t *testing.T) {
	w := newWorld(t, 30)
	good := w.file(t, 0, 9)
	cases := map[string]struct {
		files map[string][]byte
		want  string
	}{
		"none":       {nil, "no era1 files"},
		"empty":      {map[string][]byte{"dev-0.era1": nil}, "its last bytes"},
		"truncated":  {map[string][]byte{"dev-0.era1": good[:len(good)-20]}, "not copied whole"},
		"no era1":    {map[string][]byte{"dev-0.era1": bytes.Repeat([]byte("x"), 4096)}, "not copied whole"},
		"a gap":      {map[string][]byte{"dev-0.era1": good, "dev-1.era1": w.file(t, 11, 20)}, "the files between"},
		"two chains": {map[string][]byte{"dev-0.era1": good, "main-1.era1": w.file(t, 10, 20)}, "a directory of its own"},
	}
	for name, c := range cases {
		dir := t.TempDir()
		for file, data := range c.files {
			write(t, dir, file, data)
		}
		if f, err := era.Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
			if err == nil {
				_ = f.Close()
			}
		}
	}
}

// A block that somebody has changed makes its whole file be refused.
func TestAccumulator(t *testing.T) {
	w, dir := newWorld(t, 9), t.TempDir()
	other := newWorld(t, 9)
	forged := other.blocks[4].Header()
	forged.Extra = []byte("forged")
	other.blocks[4] = other.blocks[4].WithSeal(forged)
	data := other.file(t, 0, 9)
	root := w.file(t, 0, 9)
	at := len(data) - (8 + 8 + 8*10 + 8) - 32
	copy(data[at:at+32], root[len(root)-(8+8+8*10+8)-32:])
	write(t, dir, "dev-00000-aaaaaaaa.era1", data)
	f := open(t, dir)
	if _, err := f.Answer(t.Context(), "eth_getBlockByNumber", []byte(`["0x1",false]`)); err == nil || !strings.Contains(err.Error(), "not those that were published") {
		t.Errorf("a forged block: got %v", err)
	}
}

// Bytes that were changed anywhere are an error or an answer, never a panic.
func FuzzFile(f *testing.F) {
	t := &testing.T{}
	w := newWorld(t, 4)
	good := w.file(t, 0, 4)
	f.Add(0, byte(1))
	f.Add(len(good)-1, byte(3))
	f.Fuzz(func(t *testing.T, at int, b byte) {
		data := bytes.Clone(good)
		data[uint(at)%uint(len(data))] ^= b
		dir := t.TempDir()
		write(t, dir, "dev-00000-aaaaaaaa.era1", data)
		files, err := era.Open(dir)
		if err != nil {
			return
		}
		defer files.Close()
		for n := range 6 {
			for _, method := range []string{"eth_getBlockByNumber", "eth_getBlockReceipts"} {
				got, err := files.Answer(context.Background(), method, fmt.Appendf(nil, `["0x%x",true]`, n))
				if err == nil && !json.Valid(got) {
					t.Errorf("%s of block %d: %s", method, n, got)
				}
			}
		}
	})
}
