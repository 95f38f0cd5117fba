// Package made makes blocks that no chain has, for tests: built and hashed by go-ethereum, and written down as a node answers them.
package made

import (
	"crypto/ecdsa"
	"encoding/binary"
	"encoding/json"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/holiman/uint256"
)

// ChainID is that of all blocks made here.
const ChainID = 1337

// Block is a block, and what a node answers for it.
type Block struct {
	*types.Block
	Outcomes types.Receipts

	Full     []byte // eth_getBlockByNumber with transactions
	Light    []byte // and with their hashes
	Receipts []byte // eth_getBlockReceipts
	Logs     []byte // eth_getLogs
}

// Config says what a block is like.
type Config struct {
	Number       uint64
	Fork         Fork
	Transactions int // their types take turns, as far as the fork has them
	Input        int // bytes that each transaction carries
	Logs         int // that each transaction leaves
	Uncles       int // before the Merge
}

// Fork is a set of rules.
type Fork int

// Forks in their order. Each has all that those before it have.
const (
	Frontier Fork = iota
	Byzantium
	Berlin
	London
	Shanghai
	Cancun
	Prague
	Amsterdam
)

// Make makes a block.
func Make(tb testing.TB, c Config) Block {
	tb.Helper()
	key, err := crypto.ToECDSA(common.LeftPadBytes([]byte{7}, 32))
	if err != nil {
		tb.Fatal(err)
	}
	body := &types.Body{}
	for i := range c.Transactions {
		body.Transactions = append(body.Transactions, transaction(tb, key, c, i))
	}
	header := headerOf(c)
	for i := range c.Uncles {
		uncle := headerOf(Config{Number: c.Number - 1, Fork: c.Fork})
		uncle.Extra = []byte{byte(i)}
		body.Uncles = append(body.Uncles, uncle)
	}
	if c.Fork >= Shanghai {
		body.Withdrawals = []*types.Withdrawal{}
		for i := range uint64(c.Transactions % 17) {
			body.Withdrawals = append(body.Withdrawals, &types.Withdrawal{Index: 1000 + i, Validator: i * i, Address: address(i), Amount: i << (3 * i)})
		}
	}
	receipts := outcomes(c, header, body.Transactions)
	header.GasUsed = uint64(0)
	if n := len(receipts); n > 0 {
		header.GasUsed = receipts[n-1].CumulativeGasUsed
	}
	b := Block{Block: types.NewBlock(header, body, receipts, trie.NewStackTrie(nil)), Outcomes: receipts}
	b.write(tb, func(*types.Transaction) common.Address { return crypto.PubkeyToAddress(key.PublicKey) })
	return b
}

// Of writes what a node answers for a block that is there, with receipts of its transactions made up.
func Of(tb testing.TB, block *types.Block, chainID *big.Int) Block {
	tb.Helper()
	b := Block{Block: block, Outcomes: outcomes(Config{Number: block.NumberU64(), Fork: London}, block.Header(), block.Transactions())}
	signer := types.LatestSignerForChainID(chainID)
	b.write(tb, func(tx *types.Transaction) common.Address {
		from, err := types.Sender(signer, tx)
		if err != nil {
			tb.Fatal(err)
		}
		return from
	})
	return b
}

func hash(n uint64) (h common.Hash) {
	binary.BigEndian.PutUint64(h[24:], n)
	return crypto.Keccak256Hash(h[:])
}

func address(n uint64) common.Address { return common.BytesToAddress(hash(n).Bytes()) }

func headerOf(c Config) *types.Header {
	h := &types.Header{
		ParentHash: hash(1), Coinbase: address(2), Root: hash(3), Number: new(big.Int).SetUint64(c.Number), GasLimit: 30_000_000, Difficulty: big.NewInt(131_072),
		Time: 1_700_000_000, Extra: []byte("made"), MixDigest: hash(4), Nonce: types.EncodeNonce(5),
	}
	if c.Fork >= London {
		h.BaseFee = big.NewInt(1_000_000_007)
	}
	if c.Fork >= Shanghai {
		h.Difficulty, h.Nonce = new(big.Int), types.BlockNonce{}
	}
	if c.Fork >= Cancun {
		h.BlobGasUsed, h.ExcessBlobGas, h.ParentBeaconRoot = new(uint64(131_072)), new(uint64(393_216)), new(hash(6))
	}
	if c.Fork >= Prague {
		h.RequestsHash = new(hash(7))
	}
	if c.Fork >= Amsterdam {
		h.BlockAccessListHash, h.SlotNumber = new(hash(8)), new(c.Number)
	}
	return h
}

// transaction makes a transaction of the type whose turn it is.
func transaction(tb testing.TB, key *ecdsa.PrivateKey, c Config, i int) *types.Transaction {
	tb.Helper()
	var (
		n      = uint64(i)
		to     = address(n % 5)
		input  = make([]byte, c.Input+i%3)
		tip    = uint256.NewInt(2_000_000_000)
		most   = uint256.NewInt(90_000_000_000)
		value  = new(uint256.Int).Lsh(uint256.NewInt(n+1), uint(i%90))
		list   = types.AccessList{{Address: address(n), StorageKeys: []common.Hash{hash(n), hash(n + 1)}}, {Address: to, StorageKeys: []common.Hash{}}}
		signer = types.LatestSignerForChainID(big.NewInt(ChainID))
		one    = uint256.NewInt(ChainID)
	)
	for k := range input {
		input[k] = byte(k * (i + 1) % 251 * (k % 3 % 2))
	}
	kinds := []types.TxData{
		&types.LegacyTx{Nonce: n, GasPrice: big.NewInt(3_000_000_000), Gas: 90_000, To: &to, Value: value.ToBig(), Data: input},
		&types.LegacyTx{Nonce: n, GasPrice: big.NewInt(4_000_000_000), Gas: 900_000, Value: value.ToBig(), Data: input},
	}
	if c.Fork >= Berlin {
		kinds = append(kinds, &types.AccessListTx{ChainID: one.ToBig(), Nonce: n, GasPrice: big.NewInt(1), Gas: 50_000, To: &to, Value: value.ToBig(), Data: input, AccessList: list})
	}
	if c.Fork >= London {
		kinds = append(kinds,
			&types.DynamicFeeTx{ChainID: one.ToBig(), Nonce: n, GasTipCap: tip.ToBig(), GasFeeCap: most.ToBig(), Gas: 60_000, To: &to, Value: value.ToBig(), Data: input},
			&types.DynamicFeeTx{ChainID: one.ToBig(), Nonce: n, GasTipCap: tip.ToBig(), GasFeeCap: tip.ToBig(), Gas: 70_000, Value: new(big.Int), Data: input, AccessList: list})
	}
	if c.Fork >= Cancun {
		kinds = append(kinds, &types.BlobTx{
			ChainID: one, Nonce: n, GasTipCap: tip, GasFeeCap: most, Gas: 80_000, To: to, Value: value, Data: input, AccessList: list,
			BlobFeeCap: uint256.NewInt(11), BlobHashes: []common.Hash{hash(n + 2), hash(n + 3)},
		})
	}
	if c.Fork >= Prague {
		auth, err := types.SignSetCode(key, types.SetCodeAuthorization{ChainID: *one, Address: address(n), Nonce: n})
		if err != nil {
			tb.Fatal(err)
		}
		kinds = append(kinds, &types.SetCodeTx{
			ChainID: one, Nonce: n, GasTipCap: tip, GasFeeCap: most, Gas: 90_000, To: to, Value: value, Data: input, AccessList: list[:1],
			AuthList: []types.SetCodeAuthorization{auth, auth},
		})
	}
	if i%len(kinds) == 1 || c.Fork < Byzantium {
		signer = types.HomesteadSigner{}
	}
	tx, err := types.SignNewTx(key, signer, kinds[i%len(kinds)])
	if err != nil {
		tb.Fatal(err)
	}
	return tx
}

// outcomes makes the receipts of transactions.
func outcomes(c Config, header *types.Header, transactions types.Transactions) types.Receipts {
	var (
		list types.Receipts
		gas  uint64
		logs uint
	)
	for i, tx := range transactions {
		used := 21_000 + uint64(i)
		gas += used
		r := &types.Receipt{
			Type: tx.Type(), Status: uint64(i+1) % 2, CumulativeGasUsed: gas, TxHash: tx.Hash(), GasUsed: used, BlockNumber: header.Number, TransactionIndex: uint(i),
			EffectiveGasPrice: tx.GasPrice(), Logs: []*types.Log{},
		}
		if c.Fork < Byzantium {
			r.PostState, r.Status = hash(uint64(i)).Bytes(), 0
		}
		if header.BaseFee != nil {
			tip, _ := tx.EffectiveGasTip(header.BaseFee)
			if tx.Type() >= types.DynamicFeeTxType {
				r.EffectiveGasPrice = new(big.Int).Add(header.BaseFee, tip)
			}
		}
		if tx.Type() == types.BlobTxType {
			r.BlobGasUsed, r.BlobGasPrice = tx.BlobGas(), big.NewInt(1)
		}
		for k := range c.Logs {
			r.Logs = append(r.Logs, logOf(c, header, tx, i, k, logs))
			logs++
		}
		r.Bloom = types.CreateBloom(r)
		list = append(list, r)
	}
	return list
}

// logOf makes log k of transaction i, which is number at of its block.
func logOf(c Config, header *types.Header, tx *types.Transaction, i, k int, at uint) *types.Log {
	n := uint64(i + k)
	l := &types.Log{
		Address: address(n % 7), Topics: []common.Hash{}, Data: make([]byte, 32*(k%4)), BlockNumber: c.Number, TxHash: tx.Hash(), TxIndex: uint(i),
		Index: at, BlockTimestamp: header.Time,
	}
	for t := range k % 5 {
		l.Topics = append(l.Topics, hash(n*uint64(t+1)%23))
	}
	for b := range l.Data {
		l.Data[b] = byte(b * k * (b % 7 % 2))
	}
	return l
}

// write writes what a node answers.
func (b *Block) write(tb testing.TB, sender func(*types.Transaction) common.Address) {
	tb.Helper()
	for i, r := range b.Outcomes {
		r.BlockHash = b.Hash()
		if tx := b.Transactions()[i]; tx.To() == nil {
			r.ContractAddress = crypto.CreateAddress(sender(tx), tx.Nonce())
		}
		for _, l := range r.Logs {
			l.BlockHash = b.Hash()
		}
	}
	block := fields(tb, b.Header())
	block["hash"], block["size"] = b.Hash(), hexutil.Uint64(b.Size())
	uncles := []common.Hash{}
	for _, u := range b.Uncles() {
		uncles = append(uncles, u.Hash())
	}
	block["uncles"] = uncles
	if b.Withdrawals() != nil {
		block["withdrawals"] = b.Withdrawals()
	}
	var (
		full, receipts = []any{}, []any{}
		logs           = []*types.Log{}
		hashes         = []common.Hash{}
	)
	for i, tx := range b.Transactions() {
		one, from := fields(tb, tx), sender(tx)
		one["blockHash"], one["blockNumber"], one["transactionIndex"] = b.Hash(), hexutil.Uint64(b.NumberU64()), hexutil.Uint64(i)
		one["from"] = from
		if tx.Type() >= types.DynamicFeeTxType {
			one["gasPrice"] = (*hexutil.Big)(b.Outcomes[i].EffectiveGasPrice)
		}
		full, hashes = append(full, one), append(hashes, tx.Hash())
		r := fields(tb, b.Outcomes[i])
		r["from"], r["to"] = from, tx.To()
		if len(b.Outcomes[i].PostState) > 0 {
			delete(r, "status")
		} else {
			delete(r, "root")
		}
		if tx.To() != nil {
			r["contractAddress"] = nil
		}
		receipts = append(receipts, r)
		logs = append(logs, b.Outcomes[i].Logs...)
	}
	block["transactions"] = full
	b.Full = encode(tb, block)
	block["transactions"] = hashes
	b.Light, b.Receipts, b.Logs = encode(tb, block), encode(tb, receipts), encode(tb, logs)
}

// fields is what go-ethereum writes for a value, to add what a node writes beside.
func fields(tb testing.TB, v any) (out map[string]any) {
	tb.Helper()
	if err := json.Unmarshal(encode(tb, v), &out); err != nil {
		tb.Fatal(err)
	}
	return out
}

func encode(tb testing.TB, v any) []byte {
	tb.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}
