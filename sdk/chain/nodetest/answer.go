package nodetest

import (
	"encoding/json"
	"math/big"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Answer answers one call; params is a JSON array. The bytes are the caller's.
func (n *Node) Answer(method string, params []byte) ([]byte, error) {
	var list []json.RawMessage
	if len(params) > 0 {
		if err := json.Unmarshal(params, &list); err != nil {
			return nil, &Error{-32602, "the parameters are no list: " + err.Error()}
		}
	}
	p := parameters{list: list}
	switch method {
	case "eth_chainId":
		return n.chainID()
	case "eth_blockNumber":
		return n.blockNumber()
	case "eth_getBlockByNumber":
		return p.text(func(which string) (json.RawMessage, error) { return n.blockByNumber(which, p.yes(1)) })
	case "eth_getBlockByHash":
		return p.text(func(hash string) (json.RawMessage, error) { return n.blockByHash(common.HexToHash(hash), p.yes(1)) })
	case "eth_getBlockReceipts":
		return p.text(n.blockReceipts)
	case "eth_getTransactionReceipt":
		return p.text(func(hash string) (json.RawMessage, error) { return n.transactionReceipt(common.HexToHash(hash)) })
	case "eth_getBalance":
		return p.text(func(of string) (json.RawMessage, error) { return n.balance(common.HexToAddress(of), p.string(1)) })
	}
	if len(list) == 0 {
		return nil, &Error{-32602, "missing value for required argument 0"}
	}
	switch method {
	case "eth_getLogs":
		return n.getLogs(list[0])
	case "eth_call":
		return n.call(list[0], p.string(1))
	case "eth_feeHistory":
		var percentiles []float64
		if len(list) > 2 {
			_ = json.Unmarshal(list[2], &percentiles) // none
		}
		return n.feeHistory(list[0], p.string(1), percentiles)
	}
	return nil, &Error{-32601, "the method " + method + " does not exist/is not available"}
}

type parameters struct{ list []json.RawMessage }

// text calls with the first parameter.
func (p parameters) text(answer func(string) (json.RawMessage, error)) ([]byte, error) {
	if len(p.list) == 0 {
		return nil, &Error{-32602, "missing value for required argument 0"}
	}
	return answer(p.string(0))
}

func (p parameters) string(i int) string {
	if i >= len(p.list) {
		return "latest"
	}
	text := string(p.list[i])
	if len(text) < 2 || text[0] != '"' {
		return text
	}
	return text[1 : len(text)-1] // tags and numbers have nothing to unquote
}

func (p parameters) yes(i int) bool { return i < len(p.list) && string(p.list[i]) == "true" }

func (n *Node) before(method string, params ...any) error {
	if n.Before == nil {
		return nil
	}
	return n.Before(method, params...)
}

func (n *Node) after(method string, answer []byte) (json.RawMessage, error) {
	if n.After != nil {
		answer = n.After(method, answer)
	}
	return answer, nil
}

func (n *Node) height() uint64 {
	if n.Height != nil {
		return min(n.Height(), n.Chain.Height())
	}
	return n.Chain.Height()
}

// null is what nodes answer where there is nothing.
const null = "null"

// at is the block at a height, of a hash or by a tag, nil if the node does not have it.
func (n *Node) at(which string) (*Block, error) {
	switch which {
	case "latest", "pending":
		return n.Chain.At(n.height()), nil
	case "earliest":
		return n.Chain.At(0), nil
	case "finalized", "safe":
		if n.NoFinal {
			return nil, &Error{-39001, "finalized block not found"}
		}
		return n.Chain.At(n.Chain.Final()), nil
	}
	if len(which) == 2+2*common.HashLength {
		return n.Chain.By(common.HexToHash(which)), nil
	}
	number, err := strconv.ParseUint(which, 0, 64)
	if err != nil {
		return nil, &Error{-32602, "invalid argument 0: " + err.Error()}
	}
	if number > n.height() {
		return nil, nil
	}
	return n.Chain.At(number), nil
}

func (n *Node) chainID() (json.RawMessage, error) {
	if err := n.before("eth_chainId"); err != nil {
		return nil, err
	}
	return n.after("eth_chainId", appendNumber(nil, max(1, n.ChainID)))
}

func (n *Node) blockNumber() (json.RawMessage, error) {
	if err := n.before("eth_blockNumber"); err != nil {
		return nil, err
	}
	return n.after("eth_blockNumber", appendNumber(nil, n.height()))
}

func (n *Node) blockByNumber(which string, full bool) (json.RawMessage, error) {
	if err := n.before("eth_getBlockByNumber", which); err != nil {
		return nil, err
	}
	b, err := n.at(which)
	if err != nil {
		return nil, err
	}
	return n.after("eth_getBlockByNumber", block(b, full))
}

func (n *Node) blockByHash(hash common.Hash, full bool) (json.RawMessage, error) {
	if err := n.before("eth_getBlockByHash", hash); err != nil {
		return nil, err
	}
	return n.after("eth_getBlockByHash", block(n.Chain.By(hash), full))
}

func block(b *Block, full bool) []byte {
	if b == nil {
		return []byte(null)
	}
	size := 3000 + len(b.Transactions)*70
	if full {
		b.body.prepare()
		size += len(b.body.full.text) + len(b.body.full.holes)*67
	}
	return b.appendBlock(make([]byte, 0, size), full, false)
}

func (n *Node) blockReceipts(which string) (json.RawMessage, error) {
	if err := n.before("eth_getBlockReceipts", which); err != nil {
		return nil, err
	}
	if n.NoReceipts {
		return nil, &Error{-32601, "the method eth_getBlockReceipts does not exist/is not available"}
	}
	b, err := n.at(which)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return n.after("eth_getBlockReceipts", []byte(null))
	}
	b.body.prepare()
	all := &b.body.allOf
	return n.after("eth_getBlockReceipts", all.render(make([]byte, 0, len(all.text)+len(all.holes)*67), &b.words, !n.NoTimes))
}

func (n *Node) transactionReceipt(hash common.Hash) (json.RawMessage, error) {
	if err := n.before("eth_getTransactionReceipt", hash); err != nil {
		return nil, err
	}
	b, i := n.Chain.owner(hash)
	if b == nil || b.Number > n.height() {
		return n.after("eth_getTransactionReceipt", []byte(null))
	}
	b.body.prepare()
	return n.after("eth_getTransactionReceipt", b.body.each[i].render(nil, &b.words, !n.NoTimes))
}

// feeHistory says the same of every block.
func (n *Node) feeHistory(count json.RawMessage, newest string, percentiles []float64) (json.RawMessage, error) {
	if err := n.before("eth_feeHistory", string(count), newest); err != nil {
		return nil, err
	}
	last, err := n.at(newest)
	blocks, bad := strconv.ParseUint(string(trimQuotes(count)), 0, 64)
	if err != nil || bad != nil || last == nil {
		return nil, &Error{-32000, "request beyond head block"}
	}
	blocks = min(blocks, last.Number+1, 1024)
	type history struct {
		OldestBlock   string     `json:"oldestBlock"`
		BaseFeePerGas []string   `json:"baseFeePerGas"`
		GasUsedRatio  []float64  `json:"gasUsedRatio"`
		Reward        [][]string `json:"reward,omitempty"`
	}
	h := history{OldestBlock: "0x" + strconv.FormatUint(last.Number+1-blocks, 16)}
	for _, b := range n.Chain.Range(last.Number+1-blocks, last.Number) {
		h.BaseFeePerGas = append(h.BaseFeePerGas, "0x"+b.Header.BaseFee.Text(16))
		h.GasUsedRatio = append(h.GasUsedRatio, float64(b.Header.GasUsed)/float64(b.Header.GasLimit))
		if len(percentiles) > 0 {
			reward := make([]string, len(percentiles))
			for i, p := range percentiles {
				reward[i] = "0x" + strconv.FormatUint(gwei+uint64(p*1e7), 16)
			}
			h.Reward = append(h.Reward, reward)
		}
	}
	h.BaseFeePerGas = append(h.BaseFeePerGas, "0x"+last.Header.BaseFee.Text(16))
	raw, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return n.after("eth_feeHistory", raw)
}

func trimQuotes(raw []byte) []byte {
	if len(raw) > 1 && raw[0] == '"' {
		return raw[1 : len(raw)-1]
	}
	return raw
}

// Balance is what an account has at a block: made up, and always the same.
func Balance(of common.Address, number uint64) *big.Int {
	return crypto.Keccak256Hash(of[:], strconv.AppendUint(nil, number, 10)).Big()
}

func (n *Node) balance(of common.Address, which string) (json.RawMessage, error) {
	if err := n.before("eth_getBalance", of, which); err != nil {
		return nil, err
	}
	b, err := n.at(which)
	if err == nil && b == nil {
		err = &Error{-32000, "header not found"}
	}
	if err != nil {
		return nil, err
	}
	return n.after("eth_getBalance", appendBig(nil, Balance(of, b.Number)))
}

// call answers with the hash of what was called, at which block.
func (n *Node) call(what json.RawMessage, which string) (json.RawMessage, error) {
	if err := n.before("eth_call", string(what), which); err != nil {
		return nil, err
	}
	b, err := n.at(which)
	if err == nil && b == nil {
		err = &Error{-32000, "header not found"}
	}
	if err != nil {
		return nil, err
	}
	var c struct {
		To    common.Address `json:"to"`
		Input string         `json:"input"`
		Data  string         `json:"data"`
	}
	if err := json.Unmarshal(what, &c); err != nil {
		return nil, &Error{-32602, "invalid argument 0: " + err.Error()}
	}
	hash := crypto.Keccak256(c.To[:], []byte(c.Input+c.Data), b.Hash[:])
	return n.after("eth_call", appendHex(nil, hash))
}
