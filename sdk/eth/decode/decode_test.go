package decode_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

func hashOf(n int64) common.Hash       { return common.BigToHash(big.NewInt(n)) }
func addressOf(n int64) common.Address { return common.BigToAddress(big.NewInt(n)) }

// everyType is a transaction of each type, signed with made-up values.
func everyType() []*types.Transaction {
	to := addressOf(2)
	list := types.AccessList{{Address: addressOf(3), StorageKeys: []common.Hash{hashOf(1), hashOf(2)}}, {Address: addressOf(4)}}
	r, s := new(big.Int).Lsh(big.NewInt(1), 254), big.NewInt(99)
	word := func(n uint64) *uint256.Int { return uint256.NewInt(n) }
	return []*types.Transaction{
		types.NewTx(&types.LegacyTx{Nonce: 1, GasPrice: big.NewInt(5), Gas: 21000, Value: new(big.Int).Lsh(big.NewInt(1), 200), V: big.NewInt(2709), R: r, S: s}),
		types.NewTx(&types.AccessListTx{ChainID: big.NewInt(7), Nonce: 2, GasPrice: big.NewInt(6), Gas: 5, To: &to, Value: big.NewInt(0), Data: []byte{1, 2}, AccessList: list, V: big.NewInt(1), R: r, S: s}),
		types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(7), GasTipCap: big.NewInt(3), GasFeeCap: big.NewInt(8), Gas: 5, To: &to, Value: big.NewInt(1), V: big.NewInt(0), R: r, S: s}),
		types.NewTx(&types.BlobTx{ChainID: word(7), GasTipCap: word(3), GasFeeCap: word(9), To: to, Value: word(1), BlobFeeCap: word(11), BlobHashes: []common.Hash{hashOf(8), hashOf(9)}, V: word(0), R: word(5), S: word(6)}),
		types.NewTx(&types.SetCodeTx{ChainID: word(7), GasTipCap: word(3), GasFeeCap: word(9), To: to, Value: word(1), V: word(0), R: word(5), S: word(6), AuthList: []types.SetCodeAuthorization{
			{ChainID: *word(0), Address: addressOf(6), Nonce: 4, V: 1, R: *word(7), S: *word(8)},
		}}),
	}
}

// asNode writes a block the way a node answers it.
func asNode(t *testing.T, header *types.Header, transactions []*types.Transaction, full bool) []byte {
	t.Helper()
	var block map[string]any
	reencode(t, header, &block)
	block["hash"], block["size"], block["uncles"] = header.Hash(), "0x220", []common.Hash{hashOf(77)}
	block["totalDifficulty"] = "0xc70d815d562d3cfa955"
	block["withdrawals"] = []any{map[string]any{"index": "0x5", "validatorIndex": "0x6", "address": addressOf(8), "amount": "0x7"}}
	list := []any{}
	for i, tx := range transactions {
		if !full {
			list = append(list, tx.Hash())
			continue
		}
		var one map[string]any
		reencode(t, tx, &one)
		one["blockHash"], one["blockNumber"], one["transactionIndex"] = header.Hash(), "0x10", "0x"+string("0123456789"[i])
		one["from"] = addressOf(1)
		list = append(list, one)
	}
	block["transactions"] = list
	return encode(t, block)
}

func reencode(t *testing.T, v, into any) {
	t.Helper()
	if err := json.Unmarshal(encode(t, v), into); err != nil {
		t.Fatal(err)
	}
}

func encode(tb testing.TB, v any) []byte {
	tb.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func modernHeader() *types.Header {
	used, excess, root, requests, withdrawals := uint64(131072), uint64(5), hashOf(50), hashOf(51), hashOf(52)
	return &types.Header{
		ParentHash: hashOf(40), UncleHash: hashOf(41), Coinbase: addressOf(42), Root: hashOf(43), TxHash: hashOf(44), ReceiptHash: hashOf(45),
		Bloom: types.BytesToBloom([]byte{1, 2, 3}), Difficulty: new(big.Int), Number: big.NewInt(16), GasLimit: 30_000_000, GasUsed: 21000, Time: 1_700_000_000,
		Extra: []byte("extra"), MixDigest: hashOf(46), Nonce: types.EncodeNonce(0xfedcba9876543210), BaseFee: big.NewInt(7),
		WithdrawalsHash: &withdrawals, BlobGasUsed: &used, ExcessBlobGas: &excess, ParentBeaconRoot: &root, RequestsHash: &requests,
	}
}

func TestBlockAgreesWithGoEthereum(t *testing.T) {
	header, transactions := modernHeader(), everyType()
	var d decode.Decoder
	got, err := d.Block(asNode(t, header, transactions, true))
	if err != nil {
		t.Fatal(err)
	}
	compareHeader(t, &got.Header, header)
	if got.BlockHash != header.Hash() || got.Size != 0x220 || got.TransactionCount != 5 || got.TotalDifficulty.Hex() != "0xc70d815d562d3cfa955" {
		t.Errorf("got hash %s, size %d, %d transactions, total difficulty %s", got.BlockHash, got.Size, got.TransactionCount, got.TotalDifficulty)
	}
	if diff := cmp.Diff([]eth.Withdrawal{{Index: 5, ValidatorIndex: 6, Address: addressOf(8), Amount: 7}}, got.Withdrawals); diff != "" {
		t.Errorf("withdrawals (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]common.Hash{hashOf(77)}, got.Uncles); diff != "" {
		t.Errorf("uncles (-want +got):\n%s", diff)
	}
	for i, tx := range transactions {
		compareTransaction(t, &got.Transactions[i], tx)
		if at := got.Transactions[i]; at.From != addressOf(1) || at.BlockNumber != 16 || !at.Timestamp.Equal(got.Timestamp) || at.TransactionIndex != uint64(i) {
			t.Errorf("transaction %d is placed at %+v", i, at)
		}
	}
}

func TestHeaderListsTheHashesOfTransactions(t *testing.T) {
	header, transactions := modernHeader(), everyType()
	var d decode.Decoder
	got, hashes, err := d.Header(asNode(t, header, transactions, false))
	if err != nil {
		t.Fatal(err)
	}
	compareHeader(t, &got, header)
	for i, tx := range transactions {
		if hashes[i] != tx.Hash() {
			t.Errorf("transaction %d: got %s, want %s", i, hashes[i], tx.Hash())
		}
	}
}

func TestOldBlockLeavesOutWhatCameLater(t *testing.T) {
	old := &types.Header{Difficulty: big.NewInt(17179869184), Number: big.NewInt(1), Time: 1438269988}
	var d decode.Decoder
	got, _, err := d.Header(asNode(t, old, nil, false))
	if err != nil {
		t.Fatal(err)
	}
	compareHeader(t, &got, old)
	if got.BaseFeePerGas != nil || got.WithdrawalsRoot != nil || got.BlobGasUsed != nil || got.ExcessBlobGas != nil || got.ParentBeaconRoot != nil || got.RequestsHash != nil {
		t.Errorf("fields of later forks are not nil: %+v", got)
	}
}

func compareHeader(t *testing.T, got *eth.Header, want *types.Header) {
	t.Helper()
	optional := func(n *uint64) any {
		if n == nil {
			return nil
		}
		return *n
	}
	wide := func(n *uint256.Int) any {
		if n == nil {
			return nil
		}
		return n.Dec()
	}
	big := func(n *big.Int) any {
		if n == nil {
			return nil
		}
		return n.String()
	}
	g := []any{
		got.BlockNumber, got.ParentHash, got.Timestamp.Unix(), got.Miner, got.GasLimit, got.GasUsed, got.StateRoot, got.TransactionsRoot,
		got.ReceiptsRoot, got.Sha3Uncles, string(got.LogsBloom), string(got.ExtraData), got.Difficulty.Dec(), got.MixHash, types.BlockNonce(got.Nonce),
		wide(got.BaseFeePerGas), got.WithdrawalsRoot, optional(got.BlobGasUsed), optional(got.ExcessBlobGas), got.ParentBeaconRoot, got.RequestsHash,
	}
	w := []any{
		want.Number.Uint64(), want.ParentHash, int64(want.Time), want.Coinbase, want.GasLimit, want.GasUsed, want.Root, want.TxHash,
		want.ReceiptHash, want.UncleHash, string(want.Bloom[:]), string(want.Extra), want.Difficulty.String(), want.MixDigest, want.Nonce,
		big(want.BaseFee), want.WithdrawalsHash, optional(want.BlobGasUsed), optional(want.ExcessBlobGas), want.ParentBeaconRoot, want.RequestsHash,
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("header %d (-want +got):\n%s", want.Number, diff)
	}
}

func compareTransaction(t *testing.T, got *eth.Transaction, want *types.Transaction) {
	t.Helper()
	v, r, s := want.RawSignatureValues()
	g := []any{
		got.TransactionHash, got.TransactionType, got.Nonce, got.To, got.Value.Dec(), string(got.Input), got.GasLimit,
		got.V.Dec(), got.R.Dec(), got.S.Dec(), got.BlobVersionedHashes, len(got.AccessList), len(got.AuthorizationList),
	}
	w := []any{
		want.Hash(), want.Type(), want.Nonce(), want.To(), want.Value().String(), string(want.Data()), want.Gas(),
		v.String(), r.String(), s.String(), want.BlobHashes(), len(want.AccessList()), len(want.SetCodeAuthorizations()),
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("transaction %s (-want +got):\n%s", want.Hash(), diff)
	}
	for i, tuple := range want.AccessList() {
		keys := got.AccessList[i].StorageKeys
		if got.AccessList[i].Address != tuple.Address || len(keys) != len(tuple.StorageKeys) || len(keys) > 0 && keys[0] != tuple.StorageKeys[0] {
			t.Errorf("transaction %s: access list %d: got %v, want %v", want.Hash(), i, got.AccessList[i], tuple)
		}
	}
	for i, auth := range want.SetCodeAuthorizations() {
		wantAuth := eth.Authorization{ChainID: auth.ChainID, Address: auth.Address, Nonce: auth.Nonce, YParity: auth.V, R: auth.R, S: auth.S}
		if diff := cmp.Diff(wantAuth, got.AuthorizationList[i]); diff != "" {
			t.Errorf("transaction %s: authorization %d (-want +got):\n%s", want.Hash(), i, diff)
		}
	}
	compareFees(t, got, want)
}

func compareFees(t *testing.T, got *eth.Transaction, want *types.Transaction) {
	t.Helper()
	fee := func(name string, got *uint256.Int, want *big.Int, present bool) {
		t.Helper()
		if present != (got != nil) || present && got.ToBig().Cmp(want) != 0 {
			t.Errorf("%s: got %v, want %v (present: %v)", name, got, want, present)
		}
	}
	modern := want.Type() >= types.DynamicFeeTxType
	fee("max_fee_per_gas", got.MaxFeePerGas, want.GasFeeCap(), modern)
	fee("max_priority_fee_per_gas", got.MaxPriorityFeePerGas, want.GasTipCap(), modern)
	fee("max_fee_per_blob_gas", got.MaxFeePerBlobGas, want.BlobGasFeeCap(), want.Type() == types.BlobTxType)
	if !modern && got.GasPrice.ToBig().Cmp(want.GasPrice()) != 0 {
		t.Errorf("gas_price: got %s, want %s", &got.GasPrice, want.GasPrice())
	}
	if id := want.ChainId(); want.Type() > 0 && got.ChainID != id.Uint64() {
		t.Errorf("chain_id: got %d, want %s", got.ChainID, id)
	}
}

const receiptOf = `{"blockHash":"%h","blockNumber":"0x10","transactionHash":"%t","transactionIndex":"0x%i","type":"0x3","from":"0x0000000000000000000000000000000000000001",
	"to":null,"contractAddress":"0x0000000000000000000000000000000000000002","status":"0x0","gasUsed":"0x5208","cumulativeGasUsed":"0xa410","effectiveGasPrice":"0x7",
	"blobGasUsed":"0x20000","blobGasPrice":"0x1","logsBloom":"0x01","logs":[{"a":{"b":[1]}},{}]}`

func receipt(block common.Hash, transaction common.Hash, index string) string {
	return strings.NewReplacer("%h", block.Hex(), "%t", transaction.Hex(), "%i", index).Replace(receiptOf)
}

func TestReceiptsFillTransactions(t *testing.T) {
	head := &eth.Header{BlockNumber: 16, BlockHash: hashOf(1)}
	hashes := []common.Hash{hashOf(5), hashOf(6)}
	raw := "[" + receipt(hashOf(1), hashOf(5), "0") + "," + receipt(hashOf(1), hashOf(6), "1") + "]"
	var d decode.Decoder
	got, err := d.Receipts([]byte(raw), head, hashes)
	if err != nil {
		t.Fatal(err)
	}
	r := got[1]
	if r.BlockNumber != 16 || r.TransactionIndex != 1 || r.TransactionType != 3 || *r.Status != 0 || r.GasUsed != 21000 || r.LogCount != 2 ||
		*r.ContractAddress != addressOf(2) || r.To != nil || *r.BlobGasUsed != 131072 || r.BlobGasPrice.Uint64() != 1 || r.EffectiveGasPrice.Uint64() != 7 {
		t.Errorf("got %+v", r)
	}
	transactions := make([]eth.Transaction, 2)
	decode.Attach(transactions, got)
	tx := transactions[1]
	if *tx.Status != 0 || *tx.GasUsed != 21000 || *tx.CumulativeGasUsed != 42000 || *tx.LogCount != 2 || *tx.ContractAddress != addressOf(2) ||
		tx.EffectiveGasPrice.Uint64() != 7 || *tx.BlobGasUsed != 131072 || tx.BlobGasPrice.Uint64() != 1 {
		t.Errorf("got %+v", tx)
	}
}

func TestAnswersThatAreNotUsed(t *testing.T) {
	head := &eth.Header{BlockNumber: 16, BlockHash: hashOf(1)}
	var d decode.Decoder
	receipts := func(raw string) error {
		_, err := d.Receipts([]byte(raw), head, []common.Hash{hashOf(5)})
		return err
	}
	ref := func(raw string) error { _, err := d.Ref([]byte(raw)); return err }
	logs := func(raw string) error { _, err := d.Logs([]byte(raw)); return err }
	block := func(raw string) error { _, err := d.Block([]byte(raw)); return err }
	h := hashOf(1).Hex()
	cases := []struct {
		name string
		err  error
		want string
	}{
		{"null", ref("null"), "the node answered null"},
		{"a string", ref(`"x"`), "decode"},
		{"half", ref(`{"number":"0x1","hash":"` + h), "decode"},
		{"no hash", ref(`{"number":"0x1","parentHash":"` + h + `"}`), `field hash is "": missing`},
		{"a short hash", ref(`{"number":"0x1","hash":"0x12","parentHash":"` + h + `"}`), `field hash is "0x12": not 32 bytes in hex`},
		{"a long number", ref(`{"number":"0x11111111111111111","hash":"` + h + `","parentHash":"` + h + `"}`), "not a number of 64 bits in hex"},
		{"a decimal number", ref(`{"number":"17","hash":"` + h + `","parentHash":"` + h + `"}`), "not a number of 64 bits in hex"},
		{"a time beyond time", ref(`{"number":"0x1","hash":"` + h + `","parentHash":"` + h + `","timestamp":"0xffffffffffff"}`), "later than the year 2262"},
		{"one receipt too few", receipts(`[]`), "has 1 transactions but 0 receipts"},
		{"a receipt of another block", receipts("[" + receipt(hashOf(2), hashOf(5), "0") + "]"), decode.ErrElsewhere.Error()},
		{"a receipt of another transaction", receipts("[" + receipt(hashOf(1), hashOf(6), "0") + "]"), "is for transaction"},
		{"a receipt in another place", receipts("[" + receipt(hashOf(1), hashOf(5), "3") + "]"), "says that it is number 3"},
		{"a log that a reorg removed", logs(`[{"blockNumber":"0x1","blockHash":"` + h + `","transactionHash":"` + h + `","logIndex":"0x0","address":"0x0000000000000000000000000000000000000001","removed":true}]`), "reorg removed"},
		{"a log without an index", logs(`[{"blockNumber":"0x1","blockHash":"` + h + `","transactionHash":"` + h + `","address":"0x0000000000000000000000000000000000000001"}]`), "field logIndex"},
		{"data that is not hex", logs(`[{"blockNumber":"0x1","blockHash":"` + h + `","transactionHash":"` + h + `","logIndex":"0x0","address":"0x0000000000000000000000000000000000000001","data":"0x0g"}]`), "not bytes in hex"},
		{"a transaction of another block", block(`{"number":"0x1","hash":"` + h + `","parentHash":"` + h + `","timestamp":"0x1","transactions":[{"hash":"` + h + `","blockHash":"` + hashOf(2).Hex() + `","transactionIndex":"0x0"}]}`), decode.ErrElsewhere.Error()},
	}
	for _, c := range cases {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, c.err, c.want)
		}
	}
	if !errors.Is(ref("null"), decode.ErrNull) {
		t.Error("null is not ErrNull")
	}
}

// Whatever part of an answer arrives, it is an error and nothing worse.
func TestHalfAnAnswer(t *testing.T) {
	whole := asNode(t, modernHeader(), everyType(), true)
	var d decode.Decoder
	for n := range len(whole) {
		if _, err := d.Block(whole[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were taken for a block", n, len(whole))
		}
	}
}

func TestLogsInOrder(t *testing.T) {
	log := func(block, index uint64, hash int64) eth.Log {
		return eth.Log{BlockNumber: block, LogIndex: index, BlockHash: hashOf(hash)}
	}
	mixed := []eth.Log{log(2, 0, 2), log(1, 3, 1), log(1, 1, 1)}
	if err := decode.InOrder(mixed, 1, 2); err != nil || mixed[0].LogIndex != 1 || mixed[2].BlockNumber != 2 {
		t.Errorf("got %v and %v, want them sorted", err, mixed)
	}
	for name, logs := range map[string][]eth.Log{
		"twice":      {log(1, 1, 1), log(1, 1, 1)},
		"outside":    {log(3, 0, 3)},
		"two hashes": {log(1, 1, 1), log(1, 2, 9)},
	} {
		if err := decode.InOrder(logs, 1, 2); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestNumbersAsNodesWriteThem(t *testing.T) {
	var d decode.Decoder
	for text, want := range map[string]uint64{`"0x0"`: 0, `"0x"`: 0, `"0x0010"`: 16, `"0xffffffffffffffff"`: 1<<64 - 1, `"0XaB"`: 171} {
		if got, err := d.Quantity([]byte(text)); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{`""`, `"1"`, `"0xg"`, `"0x10000000000000000"`, `1`, `null`} {
		if got, err := d.Quantity([]byte(text)); err == nil {
			t.Errorf("%s: got %d, want an error", text, got)
		}
	}
}
