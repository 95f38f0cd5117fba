package nodetest

import (
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// body is what a block has besides its place in the chain.
type body struct {
	txs         []*types.Transaction
	senders     []common.Address
	receipts    []*types.Receipt
	withdrawals types.Withdrawals
	hashes      []common.Hash
	logs        []Log
	header      types.Header // without parent, number, time and state

	once      sync.Once // guards the making of what follows
	full      template  // the value of "transactions", with all fields
	brief     []byte    // the same with hashes only
	allOf     template  // the answer of eth_getBlockReceipts
	each      []template
	logsText  []template
	withdrawn []byte
	size      uint64 // of the encoded block
}

const gwei = 1_000_000_000

// body makes one up. number goes into the logs.
func (c Config) body(source rand.Source, number uint64) *body {
	random := rand.New(source) //nolint:gosec // made-up data
	b := &body{}
	for i := range c.between(random, c.Transactions) {
		b.txs = append(b.txs, c.transaction(random, i))
	}
	var total uint64
	for i, tx := range b.txs {
		b.hashes = append(b.hashes, tx.Hash())
		b.senders = append(b.senders, randomAddress(random))
		r := &types.Receipt{Type: tx.Type(), Status: min(1, uint64(random.IntN(20))), TxHash: tx.Hash(), TransactionIndex: uint(i)}
		r.GasUsed = 21_000 + uint64(random.IntN(200_000))
		total += r.GasUsed
		r.CumulativeGasUsed = total
		if tx.To() == nil {
			r.ContractAddress = crypto.CreateAddress(b.senders[i], tx.Nonce())
		}
		for range c.between(random, c.Logs) {
			r.Logs = append(r.Logs, c.log(random, b, i, number))
		}
		r.Bloom = types.CreateBloom(r)
		b.receipts = append(b.receipts, r)
	}
	b.finish(random, total)
	return b
}

// finish makes withdrawals, roots and the bloom.
func (b *body) finish(random *rand.Rand, gas uint64) {
	b.withdrawals = types.Withdrawals{}
	for range random.IntN(4) {
		b.withdrawals = append(b.withdrawals, &types.Withdrawal{
			Index: random.Uint64N(1 << 30), Validator: random.Uint64N(1 << 20), Address: randomAddress(random), Amount: random.Uint64N(32 * gwei),
		})
	}
	hasher := trie.NewStackTrie(nil)
	blobs := uint64(0)
	for _, tx := range b.txs {
		blobs += tx.BlobGas()
	}
	withdrawalsRoot := types.DeriveSha(b.withdrawals, hasher)
	b.header = types.Header{
		UncleHash: types.EmptyUncleHash, Coinbase: Address(9), Difficulty: new(big.Int), GasLimit: 30_000_000, GasUsed: gas,
		Extra: []byte("nodetest"), BaseFee: big.NewInt(5 * gwei), TxHash: types.DeriveSha(types.Transactions(b.txs), hasher),
		ReceiptHash: types.DeriveSha(types.Receipts(b.receipts), hasher), Bloom: types.MergeBloom(b.receipts),
		WithdrawalsHash: &withdrawalsRoot, BlobGasUsed: &blobs, ExcessBlobGas: new(uint64), RequestsHash: &types.EmptyRequestsHash,
	}
	for _, tx := range b.txs {
		b.size += tx.Size()
	}
	b.size += 700
}

// between draws a number.
func (c Config) between(random *rand.Rand, bounds [2]int) int {
	if c.Alike {
		return bounds[1]
	}
	return bounds[0] + random.IntN(bounds[1]-bounds[0]+1)
}

func (c Config) log(random *rand.Rand, b *body, transaction int, number uint64) *types.Log {
	l := Log{
		Index: uint64(len(b.logs)), Transaction: transaction, Address: Address(random.IntN(c.Contracts)),
		Topics: []common.Hash{Topic(random.IntN(2)), Mark(number)}, Data: make([]byte, c.Data),
	}
	if random.IntN(4) == 0 {
		l.Topics = append(l.Topics, randomHash(random))
	}
	for i := range l.Data {
		l.Data[i] = byte(i + 1)
	}
	b.logs = append(b.logs, l)
	return &types.Log{Address: l.Address, Topics: l.Topics, Data: l.Data}
}

// transaction makes one of any type, with a signature of nobody.
func (c Config) transaction(random *rand.Rand, i int) *types.Transaction {
	to := randomAddress(random)
	target := &to
	if random.IntN(30) == 0 {
		target = nil
	}
	var (
		input   = make([]byte, []int{0, 4, 68, 132, 260}[random.IntN(5)])
		value   = new(big.Int).Mul(big.NewInt(random.Int64N(1<<40)), big.NewInt(random.Int64N(1<<40)))
		tip     = big.NewInt(gwei + random.Int64N(gwei))
		most    = big.NewInt(50 * gwei)
		id      = new(big.Int).SetUint64(c.ChainID)
		nonce   = uint64(i) + random.Uint64N(1000)
		r, s, v = signature(random)
		list    = types.AccessList{{Address: to, StorageKeys: []common.Hash{randomHash(random), {31: 1}}}}
	)
	fill(random, input)
	switch kind := random.IntN(20); {
	case kind < 5:
		v.Add(v, new(big.Int).Add(big.NewInt(35), new(big.Int).Mul(id, big.NewInt(2))))
		return types.NewTx(&types.LegacyTx{Nonce: nonce, GasPrice: most, Gas: 300_000, To: target, Value: value, Data: input, V: v, R: r, S: s})
	case kind < 7:
		return types.NewTx(&types.AccessListTx{ChainID: id, Nonce: nonce, GasPrice: most, Gas: 300_000, To: target, Value: value, Data: input, AccessList: list, V: v, R: r, S: s})
	case kind == 7:
		return types.NewTx(&types.BlobTx{
			ChainID: uint256.MustFromBig(id), Nonce: nonce, GasTipCap: uint256.MustFromBig(tip), GasFeeCap: uint256.MustFromBig(most), Gas: 300_000, To: to,
			Value: uint256.MustFromBig(value), Data: input, BlobFeeCap: uint256.NewInt(gwei), BlobHashes: []common.Hash{{1, 2, byte(i)}},
			V: uint256.MustFromBig(v), R: uint256.MustFromBig(r), S: uint256.MustFromBig(s),
		})
	case kind == 8:
		return types.NewTx(&types.SetCodeTx{
			ChainID: uint256.MustFromBig(id), Nonce: nonce, GasTipCap: uint256.MustFromBig(tip), GasFeeCap: uint256.MustFromBig(most), Gas: 300_000, To: to,
			Value: uint256.MustFromBig(value), Data: input, AccessList: list,
			AuthList: []types.SetCodeAuthorization{{ChainID: *uint256.MustFromBig(id), Address: randomAddress(random), Nonce: 3, V: 1, R: *uint256.MustFromBig(r), S: *uint256.MustFromBig(s)}},
			V:        uint256.MustFromBig(v), R: uint256.MustFromBig(r), S: uint256.MustFromBig(s),
		})
	}
	return types.NewTx(&types.DynamicFeeTx{ChainID: id, Nonce: nonce, GasTipCap: tip, GasFeeCap: most, Gas: 300_000, To: target, Value: value, Data: input, V: v, R: r, S: s})
}

// signature is two numbers that look like one, and a parity.
func signature(random *rand.Rand) (r, s, v *big.Int) {
	hash := randomHash(random)
	hash[0] = 0x7f &^ hash[0] // below the order of the curve
	other := randomHash(random)
	other[0] &= 0x3f
	return hash.Big(), other.Big(), big.NewInt(int64(random.IntN(2)))
}

func randomHash(random *rand.Rand) (h common.Hash) {
	fill(random, h[:])
	return h
}

func randomAddress(random *rand.Rand) (a common.Address) {
	fill(random, a[:])
	return a
}

func fill(random *rand.Rand, into []byte) {
	for len(into) >= 8 {
		binary.LittleEndian.PutUint64(into, random.Uint64())
		into = into[8:]
	}
	for i := range into {
		into[i] = byte(random.Uint64())
	}
}

// block gives a body its place in a chain.
func (b *body) block(number uint64, parent common.Hash, salt uint64) *Block {
	h := b.header
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], number)
	binary.BigEndian.PutUint64(seed[8:], salt)
	copy(seed[16:], parent[:])
	h.Root = crypto.Keccak256Hash(seed[:])
	h.MixDigest, h.ParentBeaconRoot = h.Root, &h.Root
	h.ParentHash, h.Number, h.Time = parent, new(big.Int).SetUint64(number), genesis+number
	block := &Block{
		Ref: decode.Ref{
			Number: number, Hash: h.Hash(), Parent: parent, Time: time.Unix(genesis+int64(number), 0).UTC(), Quiet: len(b.logs) == 0,
		},
		Header: &h, Transactions: b.hashes, Logs: b.logs, body: b,
	}
	block.words = newWords(block)
	return block
}

// Transaction is one of a block's transactions.
func (b *Block) Transaction(i int) *types.Transaction { return b.body.txs[i] }

// Receipt is the receipt of one of a block's transactions; it says nothing of the block.
func (b *Block) Receipt(i int) *types.Receipt { return b.body.receipts[i] }
