package nodetest

import (
	"encoding/hex"
	"math/big"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// template is JSON with holes for what depends on where a block is.
type template struct {
	text  []byte
	holes []hole
}

type hole struct {
	at   int // in text
	kind byte
}

// What goes into holes.
const (
	holeHash   = 'h' // of the block
	holeNumber = 'n'
	holeTime   = 't'
	holeTimed  = 'T' // a comma and the field blockTimestamp, which some nodes leave out
)

// words are the texts for holes.
type words struct{ hash, number, time, timed []byte }

func newWords(b *Block) words {
	w := words{hash: appendHex(nil, b.Hash[:]), number: appendNumber(nil, b.Number), time: appendNumber(nil, b.Header.Time)}
	w.timed = append(append(w.timed, `,"blockTimestamp":`...), w.time...)
	return w
}

func (t *template) hole(kind byte) { t.holes = append(t.holes, hole{len(t.text), kind}) }

// add writes another template to the end.
func (t *template) add(other template) {
	at := len(t.text)
	t.text = append(t.text, other.text...)
	for _, h := range other.holes {
		t.holes = append(t.holes, hole{at + h.at, h.kind})
	}
}

// render writes the JSON for a block.
func (t *template) render(dst []byte, w *words, timed bool) []byte {
	last := 0
	for _, h := range t.holes {
		dst = append(dst, t.text[last:h.at]...)
		last = h.at
		switch h.kind {
		case holeHash:
			dst = append(dst, w.hash...)
		case holeNumber:
			dst = append(dst, w.number...)
		case holeTime:
			dst = append(dst, w.time...)
		case holeTimed:
			if timed {
				dst = append(dst, w.timed...)
			}
		}
	}
	return append(dst, t.text[last:]...)
}

func (t *template) raw(text string) { t.text = append(t.text, text...) }

// Fields are written with the comma before them.

func (t *template) data(name string, value []byte) { t.text = appendHex(field(t.text, name), value) }

func (t *template) number(name string, value uint64) {
	t.text = appendNumber(field(t.text, name), value)
}

func (t *template) big(name string, value *big.Int) { t.text = appendBig(field(t.text, name), value) }

func (t *template) address(name string, value *common.Address) {
	if value == nil {
		t.text = append(field(t.text, name), "null"...)
		return
	}
	t.data(name, value[:])
}

func (t *template) place() {
	t.raw(`{"blockHash":`)
	t.hole(holeHash)
	t.raw(`,"blockNumber":`)
	t.hole(holeNumber)
}

func field(dst []byte, name string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func appendHex(dst, value []byte) []byte {
	dst = append(dst, '"', '0', 'x')
	dst = hex.AppendEncode(dst, value)
	return append(dst, '"')
}

func appendNumber(dst []byte, value uint64) []byte {
	dst = append(dst, '"', '0', 'x')
	dst = strconv.AppendUint(dst, value, 16)
	return append(dst, '"')
}

func appendBig(dst []byte, value *big.Int) []byte {
	dst = append(dst, '"', '0', 'x')
	dst = value.Append(dst, 16)
	return append(dst, '"')
}

// prepare makes what answers are put together from.
func (b *body) prepare() {
	b.once.Do(func() {
		b.full.raw("[")
		b.allOf.raw("[")
		b.brief = append(b.brief, '[')
		b.logsText = make([]template, len(b.logs))
		for i := range b.logs {
			b.logsText[i] = b.logText(&b.logs[i])
		}
		for i := range b.txs {
			if i > 0 {
				b.full.raw(",")
				b.allOf.raw(",")
				b.brief = append(b.brief, ',')
			}
			b.full.add(b.transactionText(i))
			b.each = append(b.each, b.receiptText(i))
			b.allOf.add(b.each[i])
			b.brief = appendHex(b.brief, b.hashes[i][:])
		}
		b.full.raw("]")
		b.allOf.raw("]")
		b.brief = append(b.brief, ']')
		b.withdrawn = b.withdrawalsText()
	})
}

func (b *body) transactionText(i int) template {
	var t template
	tx := b.txs[i]
	v, r, s := tx.RawSignatureValues()
	t.place()
	t.hole(holeTimed)
	t.data("from", b.senders[i][:])
	t.number("gas", tx.Gas())
	t.big("gasPrice", b.price(tx))
	if tx.Type() >= types.DynamicFeeTxType {
		t.big("maxFeePerGas", tx.GasFeeCap())
		t.big("maxPriorityFeePerGas", tx.GasTipCap())
	}
	if tx.Type() == types.BlobTxType {
		t.big("maxFeePerBlobGas", tx.BlobGasFeeCap())
		t.raw(`,"blobVersionedHashes":`)
		t.hashes(tx.BlobHashes())
	}
	t.data("hash", b.hashes[i][:])
	t.data("input", tx.Data())
	t.number("nonce", tx.Nonce())
	t.address("to", tx.To())
	t.number("transactionIndex", uint64(i))
	t.big("value", tx.Value())
	t.number("type", uint64(tx.Type()))
	if tx.Type() != types.LegacyTxType {
		t.accessList(tx.AccessList())
	}
	if id := tx.ChainId(); id.Sign() > 0 {
		t.big("chainId", id)
	}
	if tx.Type() == types.SetCodeTxType {
		t.authorizations(tx.SetCodeAuthorizations())
	}
	t.big("v", v)
	t.big("r", r)
	t.big("s", s)
	if tx.Type() != types.LegacyTxType {
		t.big("yParity", v)
	}
	t.raw("}")
	return t
}

// price is what was paid for gas.
func (b *body) price(tx *types.Transaction) *big.Int {
	price := new(big.Int).Add(tx.GasTipCap(), b.header.BaseFee)
	if price.Cmp(tx.GasFeeCap()) > 0 {
		return tx.GasFeeCap()
	}
	return price
}

func (t *template) hashes(hashes []common.Hash) {
	t.raw("[")
	for i, h := range hashes {
		if i > 0 {
			t.raw(",")
		}
		t.text = appendHex(t.text, h[:])
	}
	t.raw("]")
}

func (t *template) accessList(list types.AccessList) {
	t.raw(`,"accessList":[`)
	for i, one := range list {
		if i > 0 {
			t.raw(",")
		}
		t.raw(`{"address":`)
		t.text = appendHex(t.text, one.Address[:])
		t.raw(`,"storageKeys":`)
		t.hashes(one.StorageKeys)
		t.raw("}")
	}
	t.raw("]")
}

func (t *template) authorizations(list []types.SetCodeAuthorization) {
	t.raw(`,"authorizationList":[`)
	for i, one := range list {
		if i > 0 {
			t.raw(",")
		}
		t.raw(`{"chainId":`)
		t.text = appendBig(t.text, one.ChainID.ToBig())
		t.data("address", one.Address[:])
		t.number("nonce", one.Nonce)
		t.number("yParity", uint64(one.V))
		t.big("r", one.R.ToBig())
		t.big("s", one.S.ToBig())
		t.raw("}")
	}
	t.raw("]")
}

func (b *body) receiptText(i int) template {
	var t template
	r, tx := b.receipts[i], b.txs[i]
	t.place()
	var created *common.Address
	if tx.To() == nil {
		created = &r.ContractAddress
	}
	if tx.Type() == types.BlobTxType {
		t.number("blobGasUsed", tx.BlobGas())
		t.number("blobGasPrice", 1)
	}
	t.address("contractAddress", created)
	t.number("cumulativeGasUsed", r.CumulativeGasUsed)
	t.big("effectiveGasPrice", b.price(tx))
	t.data("from", b.senders[i][:])
	t.number("gasUsed", r.GasUsed)
	t.raw(`,"logs":[`)
	first := true
	for k := range b.logs {
		if b.logs[k].Transaction != i {
			continue
		}
		if !first {
			t.raw(",")
		}
		first = false
		t.add(b.logsText[k])
	}
	t.raw("]")
	t.data("logsBloom", r.Bloom[:])
	t.number("status", r.Status)
	t.address("to", tx.To())
	t.data("transactionHash", b.hashes[i][:])
	t.number("transactionIndex", uint64(i))
	t.number("type", uint64(tx.Type()))
	t.raw("}")
	return t
}

func (b *body) logText(l *Log) template {
	var t template
	t.raw(`{"address":`)
	t.text = appendHex(t.text, l.Address[:])
	t.raw(`,"topics":`)
	t.hashes(l.Topics)
	t.data("data", l.Data)
	t.raw(`,"blockNumber":`)
	t.hole(holeNumber)
	t.data("transactionHash", b.hashes[l.Transaction][:])
	t.number("transactionIndex", uint64(l.Transaction))
	t.raw(`,"blockHash":`)
	t.hole(holeHash)
	t.hole(holeTimed)
	t.number("logIndex", l.Index)
	t.raw(`,"removed":false}`)
	return t
}

func (b *body) withdrawalsText() []byte {
	var t template
	t.raw("[")
	for i, w := range b.withdrawals {
		if i > 0 {
			t.raw(",")
		}
		t.raw(`{"index":`)
		t.text = appendNumber(t.text, w.Index)
		t.number("validatorIndex", w.Validator)
		t.data("address", w.Address[:])
		t.number("amount", w.Amount)
		t.raw("}")
	}
	t.raw("]")
	return t.text
}

// appendBlock writes a block; without its transactions where it is told to subscribers.
func (b *Block) appendBlock(dst []byte, full, alone bool) []byte {
	h, made := b.Header, b.body
	made.prepare()
	dst = append(dst, `{"number":`...)
	dst = append(dst, b.words.number...)
	dst = append(field(dst, "hash"), b.words.hash...)
	dst = appendHex(field(dst, "parentHash"), h.ParentHash[:])
	dst = appendHex(field(dst, "sha3Uncles"), h.UncleHash[:])
	dst = appendHex(field(dst, "miner"), h.Coinbase[:])
	dst = appendHex(field(dst, "stateRoot"), h.Root[:])
	dst = appendHex(field(dst, "transactionsRoot"), h.TxHash[:])
	dst = appendHex(field(dst, "receiptsRoot"), h.ReceiptHash[:])
	dst = appendHex(field(dst, "logsBloom"), h.Bloom[:])
	dst = appendBig(field(dst, "difficulty"), h.Difficulty)
	dst = appendNumber(field(dst, "gasLimit"), h.GasLimit)
	dst = appendNumber(field(dst, "gasUsed"), h.GasUsed)
	dst = append(field(dst, "timestamp"), b.words.time...)
	dst = appendHex(field(dst, "extraData"), h.Extra)
	dst = appendHex(field(dst, "mixHash"), h.MixDigest[:])
	dst = appendHex(field(dst, "nonce"), h.Nonce[:])
	dst = appendBig(field(dst, "baseFeePerGas"), h.BaseFee)
	dst = appendHex(field(dst, "withdrawalsRoot"), h.WithdrawalsHash[:])
	dst = appendNumber(field(dst, "blobGasUsed"), *h.BlobGasUsed)
	dst = appendNumber(field(dst, "excessBlobGas"), *h.ExcessBlobGas)
	dst = appendHex(field(dst, "parentBeaconBlockRoot"), h.ParentBeaconRoot[:])
	dst = appendHex(field(dst, "requestsHash"), h.RequestsHash[:])
	if alone {
		return append(dst, '}')
	}
	dst = appendNumber(field(dst, "size"), made.size)
	dst = append(dst, `,"uncles":[],"withdrawals":`...)
	dst = append(dst, made.withdrawn...)
	dst = append(dst, `,"transactions":`...)
	if full {
		dst = made.full.render(dst, &b.words, true)
	} else {
		dst = append(dst, made.brief...)
	}
	return append(dst, '}')
}
